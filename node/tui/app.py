"""The terminal program: one reader, one writer, the scan router in front of every key, and the screens on top.

No rule and no query of its own. Owns principle P8: nothing here waits on the event loop; reads and commits are on their
own threads and come back as messages.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from node import clock
from node.actions.keeping import bring_up_to_date
from node.errors import LarderError
from node.language import _, error_text
from node.ledger import read
from node.ledger.connection import storage_fault
from node.places import Places
from node.tui import queries
from node.tui.dialogs.base import Dialog
from node.tui.keys import EVERYWHERE, bindings_of, key_by_id
from node.tui.navigation import Navigation
from node.tui.status import Status, saving_sentence
from node.tui.themes import THEMES, theme_name

REFRESH_S = 0.5  # how often the data version is looked at
COLD_AGAIN_S = 5.0  # silence makes a reading stale, so the cold is judged again even where nothing arrived
SAVING_TICK_S = 0.1
# The library takes these for 80x25, whatever they are, and then lays out for ever: it hears 24 from the system.
TERMINALS_WITHOUT_SIZE = frozenset({"dumb", "unknown"})
EXIT_OK, EXIT_REFUSED = 0, 1
OUTPUT_THREAD = "textual-output"  # the library's name for the thread that writes to the terminal
# Set by the demo alone: the file that asks it to begin the outage, or to end it.
DEMO_CONTROL = "LARDER_DEMO_CONTROL"


class LarderApp(Navigation):
    """The screen of one station."""

    CSS_PATH = "larder.tcss"
    TITLE = "Larder"
    ENABLE_COMMAND_PALETTE = False  # ours comes from the table of keys (dialogs/commands.py)
    BINDINGS = bindings_of(EVERYWHERE)
    AUTO_FOCUS = ""

    def __init__(self, places: Places, *, who: int = 0, now: Callable[[], clock.Moment] = clock.now) -> None:
        super().__init__(places, who, now)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = theme_name(os.environ)
        self.animation_level = "none"
        self.unsaved: list[str] = []
        control = os.environ.get(DEMO_CONTROL)
        self._demo_control = Path(control) if control else None
        self._version: int | None = None
        self._judged_at_s = 0.0
        self._is_looking = False
        self._is_read_fault_said = False
        self._saving_said: str | None = None

    def on_mount(self) -> None:
        """Begin to look for changes."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.do_quit)
        self.set_interval(REFRESH_S, self.look_for_changes)
        self.set_interval(SAVING_TICK_S, self._watch_saving)
        self.call_later(self.look_for_changes)

    def on_unmount(self) -> None:
        """Leave the signals as they were: whoever started the screen in its own process goes on."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)

    # Keys: everything comes through the table.

    def action_do(self, key_id: str) -> None:
        """Do what a line of the table says, or give the reason why it cannot be done now."""
        key = key_by_id(key_id)
        if isinstance(self.screen, Dialog) and key_id != "quit":
            return
        reason = key.disabled(self.front.facts())
        if reason is not None:
            self.front.say(f"{key.shown} {_(key.label)} - {_(reason)}")
            return
        name = f"do_{key.action}"
        (getattr(self.front, name, None) or getattr(self, name))()

    def do_help(self) -> None:
        """Show every key that acts here; Enter runs the selected one."""
        from node.tui.dialogs.commands import Commands

        is_demo = self._demo_control is not None
        self.push_screen(Commands(self.front.name_of_keys, self.front.facts(), is_demo=is_demo), self._run_command)

    def _run_command(self, key_id: str | None) -> None:
        if key_id is not None:
            self.call_later(self.action_do, key_id)

    def do_outage(self) -> None:
        """Ask the demo behind this screen to begin the outage, or to end it; nothing where there is no demo."""
        if self._demo_control is None:
            return
        try:
            self._demo_control.touch()
        except OSError as error:
            self.front.say(_("The demo cannot be reached: {reason}").format(reason=error.strerror or str(error)))
        else:
            self.front.say(_("Asked the demo: the outage begins, or ends."))

    def do_undo(self) -> None:
        """Take back the last action of the person at work, at once; the line says what was appended."""
        from node.tui.undoing import undo_last

        undo_last(self)

    def do_quit(self) -> None:
        """Leave once everything is saved, after 10 s at most; what is not saved is said after the screen is gone."""
        self.front.say(_("Saving, then leaving."))
        self.run_worker(self._leave, group="quit", exclusive=True, thread=True, exit_on_error=False)

    def _leave(self) -> None:
        self.unsaved = self.writer.close()
        self.call_from_thread(self.exit, EXIT_OK)

    def look_for_changes(self) -> None:
        """Read again where another connection, ours or another process's, has committed."""
        if self._is_looking:
            return  # a slow computer: the answer comes, and asking again would only put it off
        self._is_looking = True
        self.in_background(self._look, "version")

    async def _look(self) -> None:
        try:
            version = await self.reader.ask(read.data_version)
        except sqlite3.Error as error:
            self._cannot_read(storage_fault(error, self.places))
            return
        except LarderError as error:
            self._cannot_read(error)
            return
        finally:
            self._is_looking = False
        self._is_read_fault_said = False
        if self.is_showing:
            self._have_version(version)

    def _cannot_read(self, error: LarderError) -> None:
        if self.is_showing and not self._is_read_fault_said:
            self._is_read_fault_said = True  # once, not twice a second over everything else
            self.front.say_error(error)

    def _have_version(self, version: int) -> None:
        now_s = clock.monotonic_s()
        has_moved = version != self._version
        if not has_moved and now_s - self._judged_at_s < COLD_AGAIN_S:
            self.draw_frame()  # ages tick
            return
        self._version, self._judged_at_s = version, now_s
        acts = self.acts
        self.look_up(
            lambda connection: queries.status_view(connection, self.places, self.now(), acts),
            self._have_status,
            group="status",
        )
        if has_moved:
            self.front.ask_again()

    def _have_status(self, status: Status) -> None:
        self.status = status
        self.draw_frame()

    def _fatal_error(self) -> None:
        # In place of the library's picture of every local variable: names and diets do not belong on a terminal.
        if self._exception is not None:
            self.remember_fault(self._exception)
        self._close_messages_no_wait()

    def _watch_saving(self) -> None:
        backlog = self.writer.backlog()
        if not self.is_showing or (backlog.count == 0 and self._saving_said is None):
            return
        self.draw_frame()
        sentence = saving_sentence(backlog)
        if sentence != self._saving_said:
            self._saving_said = sentence
            self.front.say(sentence or _("Saved."))


def run(places: Places, *, who: int = 0) -> int:
    """Show the screen until the person leaves and return the exit code: 0, or 1 with a sentence on stderr."""
    # What the imports made stays for good: without this the first paint pays for looking through all of it once more.
    gc.freeze()
    try:
        bring_up_to_date(places)
    except LarderError as error:
        print(*error_text(error), sep="\n", file=sys.stderr)
        return EXIT_REFUSED
    if os.environ.get("TERM") in TERMINALS_WITHOUT_SIZE:
        os.environ["TERM"] = "vt100"
    app = LarderApp(places, who=who)
    hook_before = threading.excepthook
    threading.excepthook = partial(_leave_without_terminal, app)
    try:
        app.run()
    finally:
        threading.excepthook = hook_before
        unsaved = app.unsaved or app.writer.close()
        app.reader.close()
    for label in unsaved:
        print(_("Not saved: {what}").format(what=label), file=sys.stderr)
    for fault in app.faults:
        print(fault, file=sys.stderr)
    return EXIT_REFUSED if unsaved or app.return_code else EXIT_OK


def _leave_without_terminal(app: LarderApp, ended: threading.ExceptHookArgs) -> None:
    """End the process, all saved, once nothing can be written to the terminal any more: a connection that broke.

    The library's output thread just ends then, and everything that draws waits for it for ever.
    """
    if ended.thread is None or ended.thread.name != OUTPUT_THREAD:
        threading.__excepthook__(ended)
        return
    unsaved = app.writer.close()
    os._exit(EXIT_REFUSED if unsaved else EXIT_OK)
