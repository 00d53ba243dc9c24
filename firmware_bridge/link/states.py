"""The states of a port and how it moves between them, as a table.

Not the session that acts on them. LINK section 3.
"""

from enum import Enum

# The rules, one line a state:
#   absent   There is no such port, it could not be opened, or it failed. Nothing is sent. Opening it leads to probing.
#   probing  Open, and nobody we know is there. HELLO is asked for until a HELLO could be reconciled (linked), or the
#            board must not be used (refused).
#   linked   A HELLO was reconciled and the first ACK is sent. Records are taken.
#   stale    Linked, but the board has been silent for 2 periods. Values show their age; a frame of the same boot heals
#            it; after 3 periods we begin again with probing.
#   refused  Two boards say they are the same one, or the board's name cannot be used. Nothing is sent until the port
#            closes.
# From everywhere: losing the port leads to absent. A board that shows another boot has reset: back to probing, since
# what was agreed with the boot before no longer holds. An event that cannot matter in a state leaves the state as it
# is; each such pair is written out, so that the table says something about every pair.


class State(Enum):
    """Where a port stands."""

    ABSENT = "absent"
    PROBING = "probing"
    LINKED = "linked"
    STALE = "stale"
    REFUSED = "refused"

    __hash__ = object.__hash__  # members are what they are; Enum's own hash runs Python code for every frame


class Happening(Enum):
    """What can happen to a port."""

    OPENED = "the port was opened"
    LOST = "the port is gone, failed or could not be opened"
    RECONCILED = "a HELLO was compared with the store and the first ACK is ready"
    REJECTED = "the board must not be used here"
    HEARD = "a valid frame of the session's boot came"
    OTHER_BOOT = "the board shows another boot than the session's"
    QUIET = "no valid frame for 2 periods, at least 5 s"
    SILENT = "no valid frame for 3 periods"

    __hash__ = object.__hash__


_A, _P, _L, _S, _R = State.ABSENT, State.PROBING, State.LINKED, State.STALE, State.REFUSED

TRANSITIONS: dict[tuple[State, Happening], State] = {
    (_A, Happening.OPENED): _P,
    (_A, Happening.LOST): _A,
    (_A, Happening.RECONCILED): _A,  # the answer of the store came after the port was lost
    (_A, Happening.REJECTED): _A,
    (_A, Happening.HEARD): _A,
    (_A, Happening.OTHER_BOOT): _A,
    (_A, Happening.QUIET): _A,
    (_A, Happening.SILENT): _A,
    (_P, Happening.OPENED): _P,
    (_P, Happening.LOST): _A,
    (_P, Happening.RECONCILED): _L,
    (_P, Happening.REJECTED): _R,
    (_P, Happening.HEARD): _P,  # nothing is agreed yet
    (_P, Happening.OTHER_BOOT): _P,
    (_P, Happening.QUIET): _P,
    (_P, Happening.SILENT): _P,
    (_L, Happening.OPENED): _P,
    (_L, Happening.LOST): _A,
    (_L, Happening.RECONCILED): _L,
    (_L, Happening.REJECTED): _R,
    (_L, Happening.HEARD): _L,
    (_L, Happening.OTHER_BOOT): _P,
    (_L, Happening.QUIET): _S,
    (_L, Happening.SILENT): _P,
    (_S, Happening.OPENED): _P,
    (_S, Happening.LOST): _A,
    (_S, Happening.RECONCILED): _L,
    (_S, Happening.REJECTED): _R,
    (_S, Happening.HEARD): _L,
    (_S, Happening.OTHER_BOOT): _P,
    (_S, Happening.QUIET): _S,
    (_S, Happening.SILENT): _P,
    (_R, Happening.OPENED): _P,
    (_R, Happening.LOST): _A,
    (_R, Happening.RECONCILED): _R,
    (_R, Happening.REJECTED): _R,
    (_R, Happening.HEARD): _R,
    (_R, Happening.OTHER_BOOT): _R,
    (_R, Happening.QUIET): _R,
    (_R, Happening.SILENT): _R,
}
