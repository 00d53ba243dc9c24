"""Larder Link 1, sans-IO: bytes and times in, events and bytes out; both the host's side and the board's.

`session.HostSession` and `device.DeviceSession` are the two ends; `receiver` is the ear of each. Nothing in this folder
opens a port, reads a clock or stores a row.
"""
