"""What can go wrong at the bridge, as a person should hear it.

Not a log and not a handler: the one boundary that shows these is `main.py`. Each fault has a stable id, one sentence
for what happened (`message`), one for what to do now (`hint`), and says whether trying again can help (`is_transient`).
"""


class BridgeFault(Exception):
    """Carry an error to the boundary of the process: id, message, hint, and whether a retry can help."""

    def __init__(self, error_id: str, message: str, hint: str, *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.message = message
        self.hint = hint
        self.is_transient = is_transient


class LocalFault(BridgeFault):
    """Ours to mend: this computer, its disk, its settings, another bridge."""


class RemoteFault(BridgeFault):
    """Theirs: the board or the cable did something that the link does not allow."""
