"""Replication between markets: a sans-IO engine, the broker links that carry its bytes, pairing."""
