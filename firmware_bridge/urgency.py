"""Which record cannot wait for the next ordinary commit: a pure rule over descriptions and alarm bounds.

Not the commit and not an alarm: it only decides how soon a record is on disk, never whether food is safe. LINK section
3, "Commit": an event (door edge), a fault, or a value beyond the bound configured for its channel.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmware_bridge.link.messages import FLAG_EVENT, STATUS_FAULT, Desc, Record
from firmware_bridge.store.quality import to_milli


@dataclass(frozen=True, slots=True)
class AlarmBounds:
    """Beyond these a value of the channel with this name is committed at once; thousandths of its unit."""

    above: Mapping[str, int]
    below: Mapping[str, int]

    def is_beyond(self, desc: Desc, raw: int) -> bool:
        """Say whether a raw value lies beyond a bound of its channel."""
        milli = to_milli(raw, desc.exp10)
        if milli is None:
            return False
        above, below = self.above.get(desc.name), self.below.get(desc.name)
        return (above is not None and milli > above) or (below is not None and milli < below)

    def names(self, desc: Desc) -> bool:
        """Say whether the channel has a bound."""
        return desc.name in self.above or desc.name in self.below


NO_BOUNDS = AlarmBounds({}, {})


class Urgency:
    """Remember of each port which of its channels can have something urgent."""

    def __init__(self, bounds: AlarmBounds) -> None:
        self._bounds = bounds
        self._watched: dict[object, dict[int, Desc]] = {}

    def describe(self, port: object, descriptions: Iterable[Desc]) -> None:
        """Learn the channels of the board on a port."""
        bounds = self._bounds
        self._watched[port] = {
            desc.channel: desc for desc in descriptions if desc.flags & FLAG_EVENT or bounds.names(desc)
        }

    def forget(self, port: object) -> None:
        """Forget a port that lost its board."""
        self._watched.pop(port, None)

    def is_urgent(self, port: object, records: Iterable[Record]) -> bool:
        """Say whether one of these records must be on disk at once."""
        watched = self._watched.get(port)
        for _dt_ms, channel, status, raw in records:
            if status & STATUS_FAULT:
                return True
            if watched and channel in watched and self._is_news(watched[channel], raw):
                return True
        return False

    def _is_news(self, desc: Desc, raw: int) -> bool:
        return bool(desc.flags & FLAG_EVENT) or self._bounds.is_beyond(desc, raw)
