"""The rules of a market, pure: no clock, no I/O, no randomness, no logging. Everything is an argument."""
