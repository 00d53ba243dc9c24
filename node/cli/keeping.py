"""`larder init`, `verify` and `rebuild`: make a market, check its log whole, make its tables again."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click
import msgspec

from node import clock
from node.cli.desk import Desk, WaitNotice, close_store, reading
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import name_text
from node.language import _, ngettext

# Progress is said in so many steps; more lines would scroll away what matters.
PROGRESS_STEPS = 10


class InitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder init --json` prints."""

    format: str = "larder-init/1"
    saved: bool = True
    name: str
    node_id: str
    group_id: str
    data: str


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder verify --json` prints where all is well; a fault is an error object instead."""

    format: str = "larder-verify/1"
    is_ok: bool = True
    stream_count: int
    block_count: int
    sealed_event_count: int
    pending_event_count: int
    digest: str


class RebuildAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder rebuild --json` prints."""

    format: str = "larder-rebuild/1"
    saved: bool = True
    digest: str


@click.command("init", help=_("Make a market in the data folder."))
@click.option("--name", required=True, help=_("What the market is called."))
@as_json
@click.pass_obj
def init_verb(desk: Desk, name: str) -> None:
    """Make a market and print what comes next."""
    from node.actions.founding import create_market

    market = create_market(desk.places, name=name, moment=clock.now())
    folder = str(desk.places.root)
    value = InitAnswer(name=market.name, node_id=market.node_id, group_id=market.group_id, data=folder)
    lines = [
        _("saved: market {name} in {folder}").format(name=name_text(market.name), folder=folder),
        _("node {node_id}").format(node_id=market.node_id),
        _("next: larder receive CODE_OR_NAME QUANTITY takes the first delivery in"),
        _("next: larder tui opens the screen"),
    ]
    answer(desk, value, lines)


@click.command("verify", help=_("Check every signature, every chain and every table; names the first thing wrong."))
@as_json
@click.pass_obj
def verify_verb(desk: Desk) -> None:
    """Check the whole log; a fault is raised and names the first thing wrong."""
    from node.actions.keeping import verify

    with reading(desk) as connection:
        found = verify(connection, desk.places, progress=_progress(desk))
    value = VerifyAnswer(
        stream_count=found.streams,
        block_count=found.blocks,
        sealed_event_count=found.sealed_events,
        pending_event_count=found.pending_events,
        digest=found.digest,
    )
    blocks = ngettext("ok: {count} signed block", "ok: {count} signed blocks", found.blocks)
    waiting = ngettext(
        "ok: {count} fact waits for a signature", "ok: {count} facts wait for a signature", found.pending_events
    )
    lines = [
        _("{blocks}, facts in them {events}, streams {streams}").format(
            blocks=blocks.format(count=found.blocks), events=found.sealed_events, streams=found.streams
        ),
        waiting.format(count=found.pending_events),
        _("ok: the tables are what the log gives, digest {digest}").format(digest=found.digest),
    ]
    answer(desk, value, lines)


@click.command("rebuild", help=_("Make every table again from the log. Nothing of the log is changed."))
@as_json
@click.pass_obj
def rebuild_verb(desk: Desk) -> None:
    """Make the tables again and print the digest of what they hold."""
    from node.actions.keeping import open_market, rebuild

    store = open_market(desk.places, lock_wait_s=desk.wait_s, on_wait=WaitNotice(is_silent=desk.is_json))
    digest = rebuild(store, progress=_progress(desk))
    answer(
        desk,
        RebuildAnswer(digest=digest),
        [_("saved: the tables were made again, digest {digest}").format(digest=digest)],
    )
    close_store(store)


def _progress(desk: Desk) -> Callable[[int, int], None] | None:
    """Return what says how far a long check is, a line a step, where somebody watches."""
    if desk.is_json or not sys.stderr.isatty():
        return None

    def tell(done: int, total: int) -> None:
        step = max(1, total // PROGRESS_STEPS)
        if done % step == 0:
            words = ngettext("checked {done} of {total} block", "checked {done} of {total} blocks", total)
            print(words.format(done=done, total=total), file=sys.stderr, flush=True)

    return tell
