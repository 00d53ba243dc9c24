"""The verbs of two markets: cards by file, digits, peers, sync and the log of all, as a person runs them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market
from node.actions.requests import answer as answer_request
from node.actions.requests import open_requests
from node.health import write_heartbeat
from node.ledger.refusals import count_refused
from node.places import Places
from tests.node.cli.verbs import answer, command, environment, lines, process, refusal, run
from tests.node.markets import Market, exchange
from tests.node.tui.terminal import Terminal


@pytest.fixture
def pair(harbour: Places, tmp_path: Path) -> tuple[Places, Places]:
    """Two markets that have something, not paired yet."""
    mill = Places(tmp_path / "mill")
    lines(mill, "init", "--name", "Mill Road")
    for places in (harbour, mill):
        answer(places, "receive", "food/milk-whole", "5")
        answer(places, "sell", "food/milk-whole", "1")
    return harbour, mill


def paired(pair: tuple[Places, Places], tmp_path: Path) -> None:
    """Pair them by files, each with a yes."""
    harbour, mill = pair
    first, second = str(tmp_path / "harbour.card"), str(tmp_path / "mill.card")
    answer(harbour, "pair", "card", "--out", first)
    answer(mill, "pair", "add", first, "--yes", "--out", second)
    answer(harbour, "pair", "add", second, "--yes")


def exchanged(pair: tuple[Places, Places]) -> None:
    """Carry every block to the other side."""
    stores = [open_market(places) for places in pair]
    exchange(*(Market(places, store) for places, store in zip(pair, stores, strict=True)))
    for store in stores:
        store.close()


def test_two_markets_are_paired_by_files_and_show_the_same_digits(pair: tuple[Places, Places], tmp_path: Path) -> None:
    harbour, mill = pair
    card, back = tmp_path / "harbour.card", tmp_path / "mill.card"
    made = lines(harbour, "pair", "card", "--out", str(card))
    assert made[0] == f"saved: the card of Harbour in {card}"
    assert stat.S_IMODE(card.stat().st_mode) == 0o600
    assert "a card of this market waits for its answer" in lines(harbour, "pair", "list")
    first = answer(mill, "pair", "add", str(card), "--yes", "--out", str(back))
    second = answer(harbour, "pair", "add", str(back), "--yes")
    assert first["digits"] == second["digits"]
    assert {"we_stay", "we_join"} == {first["meeting"], second["meeting"]}
    exchanged(pair)
    assert answer(harbour, "verify")["digest"] == answer(mill, "verify")["digest"]
    assert [market["state"] for market in answer(mill, "pair", "list")["markets"]] == ["paired"]
    assert lines(harbour, "pair", "add", str(back), "--yes") == [
        "nothing new: Mill Road was paired by this card already"
    ]


def test_a_card_made_after_the_other_one_was_answered_is_not_taken_for_the_one_that_counts(
    pair: tuple[Places, Places], tmp_path: Path
) -> None:
    harbour, mill = pair
    theirs, ours = str(tmp_path / "mill.card"), str(tmp_path / "harbour.card")
    answer(mill, "pair", "card", "--out", theirs)
    answer(harbour, "pair", "add", theirs, "--yes")  # the card that this prints is lost
    answer(harbour, "pair", "card", "--out", ours)
    digits = answer(mill, "pair", "add", ours, "--yes")["digits"]
    _known, hint = lines(harbour, "pair", "add", theirs, "--yes")
    assert "larder pair forget Mill Road" in hint
    answer(harbour, "pair", "forget", "Mill Road")
    assert digits == answer(harbour, "pair", "add", theirs, "--yes")["digits"]


def test_a_card_can_be_typed_or_scanned_in(pair: tuple[Places, Places]) -> None:
    harbour, mill = pair
    card = answer(harbour, "pair", "card")["card"]
    said = run(mill, "pair", "add", "-", "--yes", typed=f"{card[:40]}\n{card[40:]}\n")
    assert said.exit_code == 0
    assert "now give this card to Harbour, it has not seen it yet:" in said.stdout
    ours = said.stdout[said.stdout.index("LARDER1:") :]
    assert run(harbour, "pair", "add", "-", "--yes", typed=ours).exit_code == 0


def test_nothing_is_paired_without_a_yes_to_the_digits(pair: tuple[Places, Places], tmp_path: Path) -> None:
    harbour, mill = pair
    card = tmp_path / "harbour.card"
    answer(harbour, "pair", "card", "--out", str(card))
    said = run(mill, "pair", "add", str(card))
    assert said.exit_code == 1
    assert "the other computer must show" in said.stderr
    with Terminal(command(mill, "pair", "add", str(card)), environment()) as terminal:
        terminal.wait_for(b"anything else to leave it:")
        assert b"Pair with Harbour, node " in terminal.output
        terminal.press(b"n\n")
        terminal.wait_for(b"That was not a yes; nothing was saved.")
    assert answer(mill, "pair", "list")["markets"] == []


@pytest.mark.parametrize(
    ("arguments", "typed", "error"),
    [
        (("pair", "add", "-", "--yes"), "", "card.wrong"),
        (("pair", "add", "-", "--yes"), "LARDER1:" + "A" * 70_000, "card.wrong"),
        (("pair", "add", "/nowhere/at/all", "--yes"), "", "system.refused"),
        (("pair", "retire", "Nobody", "--yes"), "", "pair.nobody"),
        (("pair", "forget", "Nobody"), "", "pair.nobody"),
        (("log", "--market", "Nobody"), "", "member.unknown"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    harbour: Places, arguments: tuple[str, ...], typed: str, error: str
) -> None:
    told = run(harbour, *arguments, "--json", typed=typed)
    assert (told.exit_code, told.stdout) == (1, "")
    assert f'"error":"{error}"' in told.stderr


def test_an_address_that_is_none_is_not_put_on_a_card(harbour: Places) -> None:
    harbour.settings.write_text('[sync]\nadvertise = ["http://harbour"]\n')
    assert refusal(harbour, "pair", "card")["error"] == "settings.address"
    harbour.settings.write_text(f"[sync]\nadvertise = {['harbour.local:8883'] * 9}\n")
    assert refusal(harbour, "pair", "card")["error"] == "settings.addresses"
    harbour.settings.write_text('[sync]\nadvertise = ["harbour.local:8883"]\n')
    assert answer(harbour, "pair", "card")["addresses"] == ["harbour.local:8883"]
    assert not any("no address" in line for line in lines(harbour, "pair", "card"))


def test_a_card_made_before_the_node_ever_ran_names_a_certificate_where_it_names_an_address(harbour: Places) -> None:
    from node.ledger.card import decode_card
    from node.sync.certificates import read_certificate

    assert decode_card(answer(harbour, "pair", "card")["card"]).certificate is None
    harbour.settings.write_text('[sync]\nadvertise = ["harbour.local:8883"]\n')
    made = decode_card(answer(harbour, "pair", "card")["card"]).certificate
    assert made is not None
    assert made == read_certificate(harbour.tls_certificate)
    assert made == decode_card(answer(harbour, "pair", "card")["card"]).certificate


def test_whoever_may_not_make_the_certificate_is_told_who_can(harbour: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    harbour.settings.write_text('[sync]\nadvertise = ["harbour.local:8883"]\n')
    monkeypatch.setattr("os.geteuid", lambda: harbour.node_key.parent.stat().st_uid + 1)
    assert refusal(harbour, "pair", "card")["error"] == "card.no_certificate"
    assert not harbour.tls_certificate.exists()


def test_the_broker_s_certificate_goes_onto_the_card(harbour: Places) -> None:
    from node.ledger.card import decode_card
    from node.sync.certificates import ensure_certificate

    der = ensure_certificate(harbour, node_id="harbour")
    assert decode_card(answer(harbour, "pair", "card")["card"]).certificate == der
    for garbage in (b"", b"\xff", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"):
        harbour.tls_certificate.write_bytes(garbage)
        assert refusal(harbour, "pair", "card")["error"] == "card.certificate"


def test_a_card_is_a_qr_code_where_it_fits(harbour: Places) -> None:
    said = lines(harbour, "pair", "card", "--qr")
    drawn = [line for line in said if set(line) <= set("█▀▄ ")]
    assert len(drawn) > 40
    assert len({len(line) for line in drawn}) == 1
    assert len(drawn) == (len(drawn[0]) + 1) // 2


def test_a_market_is_forgotten_and_retired(pair: tuple[Places, Places], tmp_path: Path) -> None:
    paired(pair, tmp_path)
    exchanged(pair)
    steward, other = sorted(pair, key=lambda places: not answer(places, "peers")["peers"][0]["is_steward"])[::-1]
    name = answer(steward, "peers")["peers"][0]["name"]
    assert lines(steward, "pair", "forget", name)[0].startswith("saved: this market's broker is closed to")
    assert answer(steward, "peers")["peers"][0]["state"] == "not paired"
    assert run(steward, "pair", "retire", name).exit_code == 1
    assert answer(steward, "pair", "retire", name, "--reason", "closed", "--yes")["blocks"] >= 1
    assert answer(steward, "peers")["peers"][0]["state"] == "RETIRED"
    founder = answer(other, "peers")["peers"][0]["name"]
    assert refusal(other, "pair", "retire", founder, "--yes")["error"] == "retire.not_steward"


def test_peers_say_how_to_pair_while_there_are_none_and_then_who_they_are(
    pair: tuple[Places, Places], tmp_path: Path
) -> None:
    harbour, _mill = pair
    assert lines(harbour, "peers") == ["No other market yet. Pair one with: larder pair card"]
    paired(pair, tmp_path)
    exchanged(pair)
    said = lines(harbour, "peers")
    assert said[0].startswith("paired Mill Road, never heard, node ")
    assert said[1] == "what was signed here was seen by 0 of 1"
    store = open_market(harbour)
    store.act("count", lambda tx: count_refused(tx, "signature", None, 3))
    store.close()
    assert lines(harbour, "peers")[2].startswith("refused 3 times: signature, from nobody known")


def test_sync_is_asked_even_while_the_node_is_away(harbour: Places) -> None:
    assert lines(harbour, "sync") == [
        "asked; larder-node is away, and nothing is lost: it exchanges facts when it is back"
    ]
    store = open_market(harbour)
    assert [request.kind for request in open_requests(store.reader)] == ["sync"]
    store.close()


def test_sync_prints_what_the_node_answers(harbour: Places) -> None:
    write_heartbeat(harbour.node_heartbeat, clock.now(), state="running", message="")
    assert answer(harbour, "--wait", "0", "sync") == {
        "format": "larder-sync/1",
        "is_asked": True,
        "node": "here",
        "answer": None,
    }
    store = open_market(harbour)
    with Terminal(command(harbour, "sync"), environment()) as terminal:
        # The same thing asked twice while it waits is one request, so whatever is open is answered until the verb is.
        while terminal.process.poll() is None:
            for request in open_requests(store.reader):
                store.act("answer", lambda tx, number=request.id: answer_request(tx, number, "2 peers \x1b[2Jasked"))
            terminal.read(0.1)
        terminal.wait_for(b"asked: 2 peers ?[2Jasked")
    store.close()


def test_the_log_shows_the_facts_of_all_markets_and_of_one(pair: tuple[Places, Places], tmp_path: Path) -> None:
    harbour, _mill = pair
    paired(pair, tmp_path)
    exchanged(pair)
    everything = answer(harbour, "log")["facts"]
    assert {"Harbour", "Mill Road"} == {fact["market"] for fact in everything}
    of_mill = answer(harbour, "log", "--market", "mill road")["facts"]
    assert {"Mill Road"} == {fact["market"] for fact in of_mill}
    assert of_mill == [fact for fact in everything if fact["market"] == "Mill Road"]
    assert answer(harbour, "log", "--limit", "1")["is_cut"]
    assert not any(fact["is_undo"] for fact in everything)
    answer(harbour, "sell", "food/milk-whole", "1")
    answer(harbour, "undo")
    undo, sale = lines(harbour, "log")[:2]
    assert "Harbour: undo: sold Milk (whole) 1 l" in undo
    assert "Harbour: sold Milk (whole) 1 l" in sale
    for places in pair:
        said = lines(places, "log")
        assert any("sold Milk (whole) 1 l" in line for line in said)
        assert any("brought into the group Milk (whole) 4 l" in line for line in said)


def test_what_only_another_market_trades_in_is_not_out_of_stock_here(
    pair: tuple[Places, Places], tmp_path: Path
) -> None:
    harbour, mill = pair
    paired(pair, tmp_path)
    answer(mill, "receive", "4006381333931", "3", "--name", "Plum jam")
    answer(harbour, "receive", "4012345678901", "3", "--name", "Quince jelly")
    answer(harbour, "sell", "4012345678901", "3")
    exchanged(pair)
    assert any("Plum jam" in line for line in lines(harbour, "items", "plum"))
    assert [row["item"]["name"] for row in answer(harbour, "stock")["rows"]] == ["Milk (whole)", "Quince jelly"]
    assert [row["item"]["name"] for row in answer(mill, "stock")["rows"]] == ["Milk (whole)", "Plum jam"]


def test_a_market_that_joined_keeps_its_history_and_says_why_it_cannot_undo(
    pair: tuple[Places, Places], tmp_path: Path
) -> None:
    paired(pair, tmp_path)
    joined = next(places for places in pair if _joined(places))
    assert refusal(joined, "undo")["error"] == "undo.before_joining"
    assert lines(joined, "history")
    assert lines(joined, "status")


def _joined(places: Places) -> bool:
    store = open_market(places)
    try:
        return store.reader.execute("SELECT count(*) FROM home_stream").fetchone() != (0,)
    finally:
        store.close()


def test_whoever_cannot_read_the_key_is_told_who_can(pair: tuple[Places, Places]) -> None:
    harbour, mill = pair
    cards = {places: answer(places, "pair", "card")["card"] for places in pair}
    for places, theirs in ((harbour, mill), (mill, harbour)):
        places.node_key.rename(places.node_key.with_suffix(".away"))
        said = run(places, "pair", "add", "-", "--yes", "--json", typed=cards[theirs])
        assert said.exit_code in {0, 1}
        if said.exit_code == 1:
            assert '"error":"pair.needs_key"' in said.stderr
            assert f"only {places.node_key.parent.owner()} can read its key" in said.stderr
            return
    raise AssertionError("nobody joined")


def test_pairing_loads_neither_the_screen_nor_the_network(harbour: Places, tmp_path: Path) -> None:
    said = process(harbour, "pair", "card", "--out", str(tmp_path / "card"))
    assert said.returncode == 0
    loads = "from node.cli.main import load; load('pair'); import sys; print({'textual', 'paho'} & set(sys.modules))"
    assert process(harbour, prefix=[sys.executable, "-c", loads]).stdout == "set()\n"
