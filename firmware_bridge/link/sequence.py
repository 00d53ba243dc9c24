"""Modular 32-bit numbers of the link, and their unwrapping to 64 bits.

Not a counter: nothing here is stored. Rules of LINK sections 2 and 3: record numbers and uptimes are modulo 2^32 and
every comparison is signed and modular. Part of invariant 4: order comes from sequence.
"""

MODULUS = 1 << 32
HALF = 1 << 31


def distance(start: int, end: int) -> int:
    """Return the signed way from start to end modulo 2^32: -2^31 .. 2^31 - 1."""
    return ((end - start + HALF) % MODULUS) - HALF


def unwrap(value: int, near: int) -> int:
    """Return the number nearest to `near` (unbounded) that equals `value` modulo 2^32."""
    return near + distance(near % MODULUS, value)


def unwrap_uptime(value_ms: int, last_ms: int, elapsed_ms: int | None) -> int:
    """Return an uptime of 32 bits as the unbounded uptime of the same boot.

    last_ms: unbounded uptime when last seen. elapsed_ms: what passed here since then, None when unknown. Within a boot
    uptime never runs back (LINK section 3), so the result is at least last_ms unless the two agree to a second's
    jitter.
    """
    if elapsed_ms is None:
        return last_ms + (value_ms - last_ms) % MODULUS
    return unwrap(value_ms, last_ms + elapsed_ms)


def record_uptime(value_ms: int, now_ms: int, slack_ms: int) -> int:
    """Return a record's uptime of 32 bits as an unbounded one, given the board's unbounded uptime now.

    A record is never from the future, but our idea of `now` may lag by slack_ms. May be negative only for nonsense
    input; the caller stores it as it is, since order never comes from it.
    """
    newest = now_ms + slack_ms
    return newest - (newest - value_ms) % MODULUS
