"""Put the scan router in front of the terminal library: keys go in, what the router says is done.

The one place that knows both. Scans that come while a dialog is open wait and are applied after the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.message import Message
from textual.widgets import Input

from node.clock import Moment, monotonic_s
from node.errors import N_
from node.language import _, ngettext
from node.places import Places
from node.text import safe_text
from node.tui.dialogs.base import Dialog
from node.tui.scan import (
    CHARACTERS_MAX,
    WAITING_SCANS_MAX,
    Complain,
    Complaint,
    Effect,
    Pass,
    Press,
    Remember,
    Restore,
    Scanned,
    ScanRouter,
    WaitingScans,
    pasted_scan,
)
from node.tui.working import Working

_COMPLAINTS = {
    Complaint.TOO_FAST: N_("Keys came too fast, nothing done. Press one key at a time, or scan again."),
    Complaint.TOO_LONG: N_("That was too long for a barcode; it was left out. Scan again."),
    Complaint.CUT: N_("The scan was cut short. Scan again."),
}

# Keys that may wait to be handled: 20 of the longest scans. More is no person and no scanner but a paste without its
# brackets or a stuck key, and would hold the screen for minutes.
KEYS_WAITING_MAX = 20 * CHARACTERS_MAX


class Scanning(Working):
    """The part of the app that every key and every scan goes through."""

    def __init__(self, places: Places, who: int, now: Callable[[], Moment]) -> None:
        super().__init__(places, who, now)
        self._router = ScanRouter()
        self._remembered: dict[Input, tuple[str, int]] = {}
        self._waiting_scans = WaitingScans()
        self._is_flooded = False

    def post_message(self, message: Message) -> bool:
        """Take a message; keys beyond what may wait are dropped, and that is said once a flood."""
        if not isinstance(message, events.Key):
            return super().post_message(message)
        waiting = self.message_queue_size + (self.focused.message_queue_size if self.focused is not None else 0)
        if waiting < KEYS_WAITING_MAX:
            self._is_flooded = self._is_flooded and waiting > 0
            return super().post_message(message)
        if not self._is_flooded:
            self._is_flooded = True
            self.call_later(self._say_flooded)
        return False

    def _say_flooded(self) -> None:
        self.bell()
        self.front.say(_("Too much was typed at once; the rest was left out."))

    @property
    def field_in_focus(self) -> Input | None:
        """The text field with the cursor, if any."""
        return self.focused if isinstance(self.focused, Input) else None

    async def on_event(self, event: events.Event) -> None:
        """Send keys through the router; `is_forwarded` marks those that bubbled up and were seen already."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            field = self.field_in_focus
            press = Press(event.key, event.character, event.time, field or self.screen, field is not None, event)
            await self._do(self._router.key(press))
            self._wait_for_silence()
        elif isinstance(event, events.Paste) and not event.is_forwarded:
            await self._pasted(event)
        else:
            await super().on_event(event)

    async def _pasted(self, event: events.Paste) -> None:
        if self.field_in_focus is not None:
            lines = event.text.splitlines() or [""]
            await super().on_event(events.Paste(safe_text(lines[0], CHARACTERS_MAX)))
            return
        text = pasted_scan(event.text)
        if text is not None:
            self.take_scan(text)

    def _wait_for_silence(self) -> None:
        deadline_s = self._router.deadline_s
        if deadline_s is not None:
            self.set_timer(max(0.001, deadline_s - monotonic_s() + 0.001), self._silence)

    def _silence(self) -> None:
        # Behind the keys that wait already: on a busy computer a timer is early and they are late, and a scan would be
        # cut in two. Twice, since keys still on their way from the reading thread join the queue in between.
        self.call_later(self.call_later, self._silence_is_over)

    async def _silence_is_over(self) -> None:
        await self._do(self._router.tick(monotonic_s()))

    async def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Pass(press):
                    await self._pass(press)
                case Remember(place) if isinstance(place, Input):
                    # In the field's own queue, so that it happens between the keys before and after.
                    place.call_later(self._remember, place)
                case Restore(place) if isinstance(place, Input):
                    place.call_later(self._restore, place)
                case Scanned(text, _place):
                    self.take_scan(text)
                case Complain(complaint):
                    self.bell()
                    self.front.say(_(_COMPLAINTS[complaint]))

    async def _pass(self, press: Press) -> None:
        place = press.place
        screen = place.screen if isinstance(place, Input) else place
        if screen is self.screen and isinstance(press.original, events.Key):  # what it was meant for is gone otherwise
            await super().on_event(press.original)

    def _remember(self, field: Input) -> None:
        self._remembered = {field: (field.value, field.cursor_position)}

    def _restore(self, field: Input) -> None:
        value, cursor = self._remembered.pop(field, (field.value, field.cursor_position))
        field.value = value
        field.cursor_position = cursor

    def take_scan(self, text: str) -> None:
        """Hand a scan to the screen in front, or keep it until the open dialog is answered."""
        if not isinstance(self.screen, Dialog):
            self.front.scanned(text)
            return
        if not self._waiting_scans.add(text):
            self.bell()
            self.front.say(_("{count} scans wait already; this one was left out.").format(count=WAITING_SCANS_MAX))
            return
        waiting = len(self._waiting_scans)
        words = ngettext("{count} scan waiting", "{count} scans waiting", waiting).format(count=waiting)
        self.screen.say(words)
        self.front.say(words)

    def apply_waiting_scans(self) -> None:
        """Apply, in order, what was scanned while a dialog was open. Called when a screen comes to the front."""
        while not isinstance(self.screen, Dialog) and (text := self._waiting_scans.next()) is not None:
            self.front.scanned(text)
