"""When what has arrived must be on disk: a pure rule.

Not the commit. Weighs the card's life (few commits) against the alarm (at once). LINK section 3, "Commit".
"""

RECORDS_MAX = 64  # so many waiting records are committed at once
INTERVAL_MS_DEFAULT, INTERVAL_S_MIN, INTERVAL_S_MAX = 5_000, 1, 60  # after the oldest waiting record
BACKLOG_RECORDS = 8  # more than so many waiting from one port is a backlog ...
BACKLOG_SILENCE_MS = 50  # ... and is committed when the port falls silent for this long


class CommitRule:
    """Remember what waits, and say when it is due. All times are CLOCK_BOOTTIME milliseconds."""

    def __init__(self, *, interval_ms: int = INTERVAL_MS_DEFAULT) -> None:
        self._interval_ms = interval_ms
        self._oldest_at_ms: int | None = None
        self._records = 0
        self._urgent_at_ms: int | None = None
        self._counts: dict[str, int] = {}
        self._backlogs: dict[str, int] = {}  # the ports with a backlog, and when each was last heard

    def records_arrived(self, port: str, count: int, now_ms: int, *, is_urgent: bool) -> None:
        """Note count new records of a port; urgent ones are events, faults and values beyond an alarm bound."""
        self.fact_arrived(now_ms, is_urgent=is_urgent)
        self._records += count
        self._counts[port] = count = self._counts.get(port, 0) + count
        if count > BACKLOG_RECORDS:
            self._backlogs[port] = now_ms

    def fact_arrived(self, now_ms: int, *, is_urgent: bool = False) -> None:
        """Note that something other than a record waits: a clock sample, a line of text; urgent if a person waits."""
        if self._oldest_at_ms is None:
            self._oldest_at_ms = now_ms
        if is_urgent and self._urgent_at_ms is None:
            self._urgent_at_ms = now_ms

    def due_at_ms(self) -> int | None:
        """Return when to commit, None while nothing waits. The past means now."""
        if self._oldest_at_ms is None:
            return None
        if self._records >= RECORDS_MAX:
            return self._oldest_at_ms
        due_ms = self._oldest_at_ms + self._interval_ms
        if self._urgent_at_ms is not None:
            due_ms = min(due_ms, self._urgent_at_ms)
        if self._backlogs:
            due_ms = min(due_ms, min(self._backlogs.values()) + BACKLOG_SILENCE_MS)
        return due_ms

    def committed(self) -> None:
        """Begin again with nothing waiting."""
        self._oldest_at_ms = self._urgent_at_ms = None
        self._records = 0
        self._counts.clear()
        self._backlogs.clear()
