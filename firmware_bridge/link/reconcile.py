"""What to do with a HELLO, given what is stored of that board: a pure rule.

Not the store that carries it out. Owns the promise that every gap is known: nothing is lost in silence, nothing is
taken twice, nothing is interpolated. The table is LINK section 3, "Reconciliation".
"""

from dataclasses import dataclass

from firmware_bridge.link.messages import Hello
from firmware_bridge.link.sequence import MODULUS, distance, unwrap

DEVICE_OVERFLOW = "device_overflow"
HOST_RESTORED = "host_restored"
DEVICE_FORGOT = "device_forgot"
POWER = "power"
HOST_LOST = "host_lost"
NOT_READ = "not_read"  # other hardware keeps nothing: what nobody read is not there

UPTIME_JITTER_MS = 2_000  # a HELLO made before the last TIME_RSP but read after it is no reset


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of the boot a board showed last.

    next_seq: first record not committed, unbounded. last_now_ms: unbounded uptime when last seen. elapsed_ms: time here
    since then, None when this computer was restarted in between. is_boot_used: the HELLO's boot number belongs to a
    still older boot of this epoch.
    """

    boot: int
    next_seq: int
    last_now_ms: int
    dropped_total: int
    elapsed_ms: int | None = None
    is_boot_used: bool = False


@dataclass(frozen=True, slots=True)
class GapFound:
    """Records that will never come: count of them from first_seq on, either None when nobody can know."""

    first_seq: int | None
    count: int | None
    cause: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Where to go on: next and seen of the first ACK (unbounded), the gap to write down, and how the boot is named."""

    next_seq: int
    gap: GapFound | None
    is_new_epoch: bool
    is_new_boot: bool


def reconcile(stored: Stored | None, hello: Hello) -> Agreement:
    """Compare a HELLO with the stored cursor of that board; see the table of LINK section 3.

    stored is None for a uid never seen. Never raises: every case has its row.
    """
    if stored is None:
        return Agreement(hello.tail, None, is_new_epoch=False, is_new_boot=True)
    is_new_boot = hello.boot != stored.boot
    if is_new_boot and stored.is_boot_used:
        return _begin_epoch(hello)
    if is_new_boot and not hello.is_ring_kept:
        lost = GapFound(stored.next_seq, None, POWER)
        return Agreement(hello.tail, lost, is_new_epoch=False, is_new_boot=True)
    if not is_new_boot and _is_younger(stored, hello):
        return _begin_epoch(hello)
    tail = unwrap(hello.tail, stored.next_seq)
    head = tail + distance(hello.tail, hello.head)
    if tail > stored.next_seq:
        # The count may begin again at 0 with a boot, so any other change means that records were dropped.
        has_overflowed = hello.dropped_total not in (0, stored.dropped_total)
        cause = DEVICE_OVERFLOW if has_overflowed else HOST_RESTORED
        lost = GapFound(stored.next_seq, tail - stored.next_seq, cause)
        return Agreement(tail, lost, is_new_epoch=False, is_new_boot=is_new_boot)
    if stored.next_seq > head:
        return _begin_epoch(hello)
    return Agreement(tail if is_new_boot else stored.next_seq, None, is_new_epoch=False, is_new_boot=is_new_boot)


def _begin_epoch(hello: Hello) -> Agreement:
    unknown = GapFound(None, None, DEVICE_FORGOT)
    return Agreement(hello.tail, unknown, is_new_epoch=True, is_new_boot=True)


def _is_younger(stored: Stored, hello: Hello) -> bool:
    """Say whether the board's uptime proves a reset that its boot number does not show.

    Uptime wraps every 49.7 days: when that may have happened since we last looked, a smaller number proves nothing.
    """
    last_ms = stored.last_now_ms % MODULUS
    if hello.now_ms + UPTIME_JITTER_MS >= last_ms:
        return False
    if stored.elapsed_ms is None:
        return False
    may_have_wrapped = last_ms + stored.elapsed_ms + stored.elapsed_ms // 50 + UPTIME_JITTER_MS >= MODULUS
    return not may_have_wrapped
