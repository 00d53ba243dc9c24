"""The serial side of Larder: sensors in, `telemetry.db` out.

Not a part of `node`: the bridge imports nothing of it, opens no network socket and runs as a process of its own, so
that nothing reachable from the network can stop the temperature log.
"""
