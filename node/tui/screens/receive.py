"""Receive (F2): one line of a delivery after another, each saved at once and undone with Ctrl+Z.

Not the rules of receiving. Owns principle P9 for its form: what is typed is there again after Esc, a refusal, a crash.
"""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from node.actions.goods import Received
from node.actions.ids import new_action_id
from node.actions.undo import Undone
from node.errors import N_, LarderError, NeedsYes, Refused
from node.language import _
from node.ledger import read
from node.text import safe_text
from node.tui import queries
from node.tui.dialogs.choose import choose_item
from node.tui.drafting import DraftKeeper, Fields
from node.tui.keys import RECEIVE, Facts, bindings_of
from node.tui.questions import Questions
from node.tui.receiving import BEST_BEFORE, USE_BY, read_line, receive_line
from node.tui.scan import CHARACTERS_MAX
from node.tui.screens.base import FactScreen
from node.tui.screens.delivery_words import Entry, delivery_row, item_words
from node.tui.sentences import NAME_CELLS, quantity_text
from node.tui.widgets.choice import Choice
from node.tui.widgets.marked_table import Column, MarkedTable
from node.tui.widgets.words import Words

FORM = "receive"
LINES_SHOWN_MAX = 200
# The fields in the order in which Enter walks them; the last one saves.
FIELDS = ("find", "batch", "date", "kind", "quantity", "supplier")


class ReceiveScreen(FactScreen):
    """The delivery form and the list of what it took in."""

    name_of_keys = RECEIVE
    title_words = N_("Receive")
    BINDINGS = bindings_of(RECEIVE)
    AUTO_FOCUS = "#find"

    def __init__(self) -> None:
        super().__init__()
        self._item: read.Item | None = None
        self._action_id = new_action_id()
        self._entries: list[Entry] = []
        self._questions = Questions()
        self._draft = DraftKeeper(FORM, self, self._collect)
        self._is_filling = False

    def compose_body(self) -> ComposeResult:
        """Yield the form and the list."""
        with Horizontal(classes="row"):
            yield Words(_(" Scan item or type GTIN/name: ["))
            yield Input(id="find", compact=True, max_length=CHARACTERS_MAX)
            yield Words("]")
        yield Words(id="item")
        with Horizontal(classes="row"):
            yield Words(_(" Lot       ["))
            yield Input(id="batch", compact=True, max_length=20)
            yield Words(_("]  as printed, empty if none"))
        with Horizontal(classes="row"):
            yield Words(_(" Date      ["))
            yield Input(id="date", compact=True, max_length=10)
            yield Words(_("]  2911, +7  "))
            yield Choice([(USE_BY, N_("use by")), (BEST_BEFORE, N_("best before"))], id="kind")
        with Horizontal(classes="row"):
            yield Words(_(" Quantity  ["))
            yield Input(id="quantity", compact=True, max_length=CHARACTERS_MAX)
            yield Words("]  ", id="unit")
        with Horizontal(classes="row"):
            yield Words(_(" Supplier  ["))
            yield Input(id="supplier", compact=True, max_length=60)
            yield Words(_("]  stays for the next line"))
        yield Words(id="delivery-heading")
        yield MarkedTable(
            [
                Column(_("Item"), 25),
                Column(_("Lot"), 14, drops=1),
                Column(_("Qty"), 10),
                Column(_("Date"), 18, drops=2),
                Column("", 10),
            ],
            id="delivery",
        )

    def on_mount(self) -> None:
        """Bring back what was typed before the program ended."""
        super().on_mount()
        self._draft.bring_back(self._show_draft)
        self._draw()

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        return Facts(has_form_text=self._item is not None or bool(self._typed()), can_go_back=True)

    def take_item(self, item: read.Item) -> None:
        """Put an item into the form, unless a line of another one is being typed."""
        if self._item is not None and item.item_id != self._item.item_id and self._typed():
            self.app.bell()
            self.say(
                _("Save the line of {item} first (Ctrl+S), then scan the next one.").format(item=self._item_name())
            )
            return
        self._item, self.unknown_code = item, None
        self._set("find", "")
        self._draw_item()
        self.query_one("#batch").focus()
        self._draft.touched()

    # Scans and searches.

    def scanned(self, text: str) -> None:
        """Find the item of a scan and put it into the form."""
        self.app.look_up(lambda connection: queries.find(connection, text), partial(self._found, text), group="find")

    def do_search(self) -> None:
        """Put the cursor into the first field."""
        self.query_one("#find", Input).focus()

    def _found(self, text: str, found: queries.Found) -> None:
        if len(found.items) == 1:
            self.take_item(found.items[0])
        elif found.items:
            self.app.push_screen(choose_item(found.items), partial(self._chosen, found.items))
        else:
            if not self._typed():
                self.query_one("#delivery").focus()  # out of the fields, where `n` is a key
            self.not_known(text, found.gtin14)

    def _chosen(self, items: tuple[read.Item, ...], place: int | None) -> None:
        if place is not None:
            self.take_item(items[place])

    # The form.

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what is typed."""
        if not self._is_filling and event.input.id != "find":
            self._draft.touched()

    def on_choice_changed(self) -> None:
        """Keep what was chosen."""
        self._draft.touched()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; the last one saves the line."""
        field = event.input.id or ""
        if field == "find" and event.value.strip():
            self.scanned(event.value.strip())
        elif field == FIELDS[-1]:
            self.app.action_do("receive.save")
        elif field in FIELDS:
            self.query_one(f"#{FIELDS[FIELDS.index(field) + 1]}").focus()

    def do_save(self) -> None:
        """Queue the line. It is in the list at once, and reads saved after its commit."""
        if self._item is None:
            self.query_one("#find").focus()
            self.say(_("Which item? Scan it or type its name."))
            return
        try:
            line = read_line(
                self._item,
                quantity=self._get("quantity"),
                kind=self.query_one("#kind", Choice).value,
                label_date=self._get("date"),
                batch=self._get("batch"),
                supplier=self._get("supplier"),
                today=self.app.now().today,
            )
        except Refused as error:
            self.query_one("#date" if error.error_id.startswith("date") else "#quantity").focus()
            self.say_error(error)
            return
        entry = Entry(self._action_id, line, _("saving"))
        if self._submit(entry, frozenset()):
            self._entries = [*self._entries[-LINES_SHOWN_MAX + 1 :], entry]
            self._empty_form()
            self._draw()
            self.query_one("#delivery", MarkedTable).select(entry.action_id.hex())

    def tell_undone(self, undone: Undone) -> None:
        """Mark a line that was taken back."""
        for entry in self._entries:
            if entry.action_id == undone.action_id:
                entry.state = _("undone")
        self._draw()

    def _submit(self, entry: Entry, yes: frozenset[str]) -> bool:
        entry.state = _("saving")
        return self.app.write(
            _("receive {item}").format(item=safe_text(entry.line.item.name, NAME_CELLS)),
            receive_line(entry.line, action_id=entry.action_id, who=self.app.who, form=FORM, yes=yes),
            partial(self._saved, entry),
            partial(self._declined, entry, yes),
        )

    def _saved(self, entry: Entry, received: Received) -> None:
        entry.state, entry.received = _("saved"), received
        self._draw()
        self._draft.keep_now()  # the next line, if it is typed already
        self.say(
            _("Saved {item} +{quantity}, now {on_hand}.").format(
                item=safe_text(received.item.name, NAME_CELLS),
                quantity=quantity_text(received.quantity_milli, received.item.unit),
                on_hand=quantity_text(received.on_hand_after_milli, received.item.unit),
            )
        )

    def _declined(self, entry: Entry, yes: frozenset[str], error: LarderError) -> None:
        if isinstance(error, NeedsYes):
            entry.state = _("yes?")
            answered = partial(self._answered, entry, yes | {error.error_id})
            self._questions.ask(self.app, error, answered, partial(self._submit, entry, yes))
        else:
            self.app.bell()
            self.say_error(error)
            self._take_back_into_form(entry)
        self._draw()

    def _answered(self, entry: Entry, yes: frozenset[str], is_yes: bool) -> None:
        if is_yes:
            self._submit(entry, yes)
        else:
            self.say(_("Not received."))
            self._take_back_into_form(entry)
        self._draw()

    def _take_back_into_form(self, entry: Entry) -> None:
        """Put a line that was not taken back where it was typed; where another one is begun, it stays in the list."""
        if self._item is not None or self._typed():
            entry.state = _("NOT SAVED")
            return
        self._entries.remove(entry)
        self._action_id, self._item = entry.action_id, entry.line.item
        label_date = entry.line.label_date
        self._fill(
            {
                "batch": entry.line.batch or "",
                "date": label_date.isoformat() if label_date else "",
                "kind": entry.line.kind,
                "quantity": quantity_text(entry.line.quantity_milli, entry.line.item.unit),
                "supplier": entry.line.supplier or "",
            }
        )
        self._draw_item()
        self._draft.touched()

    # What is typed.

    def _typed(self) -> Fields:
        fields = {field: self._get(field).strip() for field in ("batch", "date", "quantity")}
        return {field: text for field, text in fields.items() if text}

    def _collect(self) -> Fields:
        typed = self._typed()
        if self._item is None and not typed:
            return {}
        item = {"item": self._item.item_id} if self._item is not None else {}
        kind = self.query_one("#kind", Choice).value
        return {**typed, **item, "kind": kind, "supplier": self._get("supplier"), "action": self._action_id.hex()}

    def _show_draft(self, fields: Fields) -> None:
        self._action_id = bytes.fromhex(fields.get("action", "")) or self._action_id
        self._fill(fields)
        self.say(_("Here is what was typed before. Ctrl+S saves it."))
        item_id = fields.get("item")
        if item_id is not None:
            self.app.look_up(lambda connection: read.item(connection, item_id), self._draft_item, group="draft-item")

    def _draft_item(self, item: read.Item | None) -> None:
        self._item = item
        self._draw_item()
        self.query_one("#batch" if item is not None else "#find").focus()

    def _empty_form(self) -> None:
        self._item, self._action_id = None, new_action_id()
        self._draft.forget()
        self._fill({"batch": "", "date": "", "quantity": ""})
        self._draw_item()
        self.query_one("#find").focus()

    def _fill(self, fields: Fields) -> None:
        self._is_filling = True
        for field, text in fields.items():
            if field == "kind":
                self.query_one("#kind", Choice).value = text
            elif field in FIELDS:
                self._set(field, text)
        self.call_after_refresh(self._filled)

    def _filled(self) -> None:
        self._is_filling = False

    def _get(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value

    def _set(self, field: str, text: str) -> None:
        self.query_one(f"#{field}", Input).value = text

    def _item_name(self) -> str:
        return safe_text(self._item.name, NAME_CELLS) if self._item is not None else ""

    def _draw_item(self) -> None:
        item = self._item
        words = "" if item is None else item_words(item)
        self.query_one("#item", Words).show(_(" Item      {words}").format(words=words))

    def _draw(self) -> None:
        self.query_one("#delivery-heading", Words).show(_(" THIS DELIVERY  {count}").format(count=len(self._entries)))
        self.query_one("#delivery", MarkedTable).set_rows([delivery_row(entry) for entry in self._entries])
