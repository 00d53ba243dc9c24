"""The rights at a market's broker, on real brokers: judged by what arrives, since a subscription proves nothing."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.actions.keeping import open_market
from node.ledger.logins import password_hash
from node.ledger.read import open_reader
from node.places import Places
from node.sync.broker import broker_files, own_secret, prepare, reload_broker, write_rights
from node.sync.mqtt import Address, Login
from node.sync.rights import (
    acl_text,
    covers,
    is_hash,
    is_secret_of,
    owner_rights,
    peer_rights,
    read_acl,
    topic_root,
)
from tests.components import need_program
from tests.node.builders import a_market_folder
from tests.node.sync.brokers import KINDS, Paired, a_broker, a_paired_market, pid_in, wait_until, who
from tests.node.sync.links import Remembered, a_link, connected, own_login

GROUP = b"g" * 16
A, B = "a" * 26, "b" * 26
END = b"end"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A market in a folder whose name has a space and a letter beyond ASCII."""
    return a_market_folder(tmp_path / "Märkte am Hafen")


def pair(places: Places, *, is_active: bool = True) -> Paired:
    store = open_market(places)
    try:
        return a_paired_market(store, is_active=is_active)
    finally:
        store.close()


def retire(places: Places, peer: Paired) -> None:
    """Fold a retirement of a market that nobody here has forgotten."""
    store = open_market(places)
    try:
        store.batch(
            "test",
            lambda tx: tx.connection.execute(
                "INSERT INTO retirement (stream, seq, member, cut_stream, blocks, hash)"
                " VALUES (x'00', 1, ?, x'', 0, x'')",
                (peer.origin,),
            ),
        )
    finally:
        store.close()


def every_topic(group: bytes, ids: list[str]) -> list[str]:
    """Every kind of topic, of and to everybody, and some that nobody may use."""
    root = topic_root(group)
    topics = [f"{root}{kind}/{publisher}" for kind in ("head", "blk", "bye") for publisher in ids]
    topics += [f"{root}{kind}/{a}/{b}" for kind in ("pull", "give") for a in ids for b in [*ids, "any"]]
    return [*topics, f"{root}other/{ids[0]}", f"larder/1/{'0' * 32}/head/{ids[1]}", "larder/2/x", root + "head"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_arrives_is_exactly_what_the_table_says_for_every_topic_and_every_user(places: Places, kind: str) -> None:
    first, second = pair(places), pair(places)
    owner, group = who(places)
    logins = {owner: own_login(places, owner)} | {
        peer.node_id: Login(peer.node_id, peer.secret) for peer in (first, second)
    }
    rights = {owner: owner_rights(group)} | {user: peer_rights(group, user) for user in (first.node_id, second.node_id)}
    topics = every_topic(group, list(logins))
    expected = {
        (reader, topic, writer.encode())
        for writer in logins
        for topic in topics
        if any(covers(wanted, topic) for wanted in rights[writer].writes)
        for reader in logins
        if any(covers(wanted, topic) for wanted in rights[reader].reads)
    }
    with a_broker(places, kind) as broker, ExitStack() as stack:
        links = {user: stack.enter_context(connected(broker, login)) for user, login in logins.items()}
        for user, (link, _remembered) in links.items():
            for topic in topics:
                link.publish(topic, user.encode(), qos=0, is_retained=False)
            link.publish(f"{topic_root(group)}head/{user}", END, qos=0, is_retained=False)
        for _link, remembered in links.values():
            wait_until(lambda kept=remembered: sum(m.payload == END for m in kept.received) == 3, "the ends")
        arrived = [
            (reader, message.topic, message.payload)
            for reader, (_link, remembered) in links.items()
            for message in remembered.received
            if message.payload != END
        ]
    assert len(arrived) == len(set(arrived))
    assert set(arrived) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_retired_market_may_say_that_it_is_there_and_hears_only_what_is_for_it(places: Places, kind: str) -> None:
    peer, retired = pair(places), pair(places)
    retire(places, retired)
    owner, group = who(places)
    root = topic_root(group)
    for_it = f"{root}give/{owner}/{retired.node_id}"
    with a_broker(places, kind) as broker, ExitStack() as stack:
        own, heard = stack.enter_context(connected(broker, own_login(places, owner)))
        gone, told = stack.enter_context(connected(broker, Login(retired.node_id, retired.secret)))
        for topic in (f"{root}head/{owner}", f"{root}blk/{owner}", f"{root}give/{owner}/{peer.node_id}", for_it):
            own.publish(topic, b"word", qos=0, is_retained=False)
        for topic in (f"blk/{retired.node_id}", f"pull/{retired.node_id}/any", f"head/{retired.node_id}"):
            gone.publish(root + topic, b"there", qos=0, is_retained=False)
        wait_until(lambda: any(message.topic == for_it for message in told.received), "the word")
        wait_until(lambda: any(message.payload == b"there" for message in heard.received), "that it is there")
        assert [message.topic for message in told.received] == [for_it]
        said = [message.topic for message in heard.received if message.payload == b"there"]
    assert said == [f"{root}head/{retired.node_id}"]


@pytest.mark.parametrize("kind", KINDS)
def test_strangers_wrong_passwords_and_markets_that_are_not_paired_any_more_are_not_let_in(
    places: Places, kind: str
) -> None:
    peer, gone = pair(places), pair(places, is_active=False)
    with a_broker(places, kind) as broker:
        remembered = Remembered()
        logins = (
            Login("", ""),
            Login("x" * 26, peer.secret),
            Login(peer.node_id, "wrong"),
            Login(peer.node_id, ""),
            Login(gone.node_id, gone.secret),
        )
        links = [a_link(login, [Address("127.0.0.1", broker.port)], remembered) for login in logins]
        for link in links:
            link.start()
        wait_until(lambda: all(link.state().reason not in ("not tried yet", "") for link in links), "the answers")
        assert not any(link.state().is_up for link in links)
        for link in links:
            link.stop()
        assert remembered.events == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_market_paired_while_the_broker_runs_gets_in_and_one_that_is_forgotten_is_out(
    places: Places, kind: str
) -> None:
    with a_broker(places, kind) as broker:
        peer = pair(places)
        reader = open_reader(places)
        assert write_rights(places, reader)
        assert not write_rights(places, reader)
        with connected(broker, Login(peer.node_id, peer.secret)):
            pass
        store = open_market(places)
        store.batch("test", lambda tx: tx.connection.execute("UPDATE peer SET is_active = 0"))
        store.close()
        assert write_rights(places, reader)
        reader.close()

        def is_refused() -> bool:
            link = a_link(Login(peer.node_id, peer.secret), [Address("127.0.0.1", broker.port)], Remembered())
            link.start()
            wait_until(lambda: link.state().is_up or link.state().reason not in ("not tried yet", ""), "an answer")
            was_up = link.state().is_up
            link.stop()
            return not was_up

        wait_until(is_refused, "the broker to read its files again")


def test_the_embedded_broker_refuses_a_will_under_a_topic_of_somebody_else(places: Places) -> None:
    from node.sync.mqtt import Will

    peer = pair(places)
    owner, group = who(places)
    with a_broker(places, "embedded") as broker:
        link = a_link(
            Login(peer.node_id, peer.secret),
            [Address("127.0.0.1", broker.port)],
            Remembered(),
            will=Will(f"{topic_root(group)}bye/{owner}", b"1"),
        )
        link.start()
        wait_until(lambda: link.state().reason not in ("not tried yet", ""), "an answer")
        assert not link.state().is_up
        link.stop()


def test_mosquitto_takes_the_generated_configuration_without_a_complaint(places: Places) -> None:
    with a_broker(places) as broker:
        assert reload_broker(pid_in(places))
        assert broker.process is not None
        broker.kill(15)
    said = (places.run / "broker.log").read_text()
    complaints = [line for line in said.splitlines() if "Error:" in line or "Warning:" in line]
    assert [line for line in complaints if "run as root" not in line] == []


def test_mosquitto_listens_at_the_two_ports_of_the_configuration_and_nowhere_else(places: Places) -> None:
    with a_broker(places) as broker:
        assert broker.process is not None
        assert listening(broker.process.pid) == {("127.0.0.1", broker.port), ("127.0.0.1", broker.tls_port)}


def listening(pid: int) -> set[tuple[str, int]]:
    """Where a process listens, as the kernel tells it."""
    sockets = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                host, port = fields[1].split(":")
                words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


def test_a_stranger_under_the_number_of_an_old_broker_is_not_told_anything(places: Places) -> None:
    sleeper = subprocess.Popen([need_program("sleep"), "100"])
    try:
        pid_in(places).write_text(str(sleeper.pid))
        assert not reload_broker(pid_in(places))
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
    assert not reload_broker(pid_in(places).with_name("none"))


def test_secrets_stay_out_of_the_files_and_text_that_is_no_hash_too(places: Places) -> None:
    peer = pair(places)
    store = open_market(places)
    store.batch(
        "test",
        lambda tx: tx.connection.execute(
            "INSERT INTO peer (origin, public_key, name, addresses, password_hash, paired_ms, is_active)"
            " VALUES (x'00', x'00', 'x', '[]', 'plain' || char(10) || 'root:$7$', 0, 1)"
        ),
    )
    store.close()
    files = prepare(places, port=1, tls_port=2)
    passwords = files.passwords.read_text()
    assert len(passwords.splitlines()) == 2
    assert peer.secret not in passwords
    assert own_secret(places) not in passwords + files.rights.read_text() + files.config.read_text()
    assert broker_files(places) == files


def test_a_password_file_is_what_mosquitto_itself_would_make(tmp_path: Path) -> None:
    program = need_program("mosquitto_passwd")
    made = tmp_path / "passwd"
    subprocess.run([program, "-b", "-c", str(made), "harbour", "secret"], check=True, capture_output=True)
    hashed = made.read_text().strip().partition(":")[2]
    assert is_hash(hashed)
    assert is_secret_of("secret", hashed)
    assert not is_secret_of("other", hashed)


def test_a_hash_is_of_its_secret_alone_and_always_the_same() -> None:
    assert password_hash("one") == password_hash("one") != password_hash("two")
    assert is_secret_of("one", password_hash("one"))
    for wrong in ("", "one", "$7$0$aaaa$" + "a" * 88, "$7$101$a*aa$" + "a" * 88, password_hash("one") + "\n"):
        assert not is_secret_of("one", wrong)


@given(st.text(max_size=60))
def test_no_text_that_has_not_the_form_of_a_node_id_gets_into_the_rights(text: str) -> None:
    if len(text) != 26:
        with pytest.raises(ValueError, match="node id"):
            acl_text(GROUP, A, [text])


def test_rights_read_back_are_the_rights_written() -> None:
    rights = read_acl(acl_text(GROUP, A, [B, A]))
    assert rights == {A: owner_rights(GROUP), B: peer_rights(GROUP, B)}


@pytest.mark.parametrize("line", ["topic read x", "user a b", "pattern read x", "user a\ntopic readwrite x"])
def test_a_line_that_is_no_right_gives_nobody_anything(line: str) -> None:
    with pytest.raises(ValueError, match="no right"):
        read_acl(line)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "is_covered"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "b", False),
        ("#", "a", True),
    ],
)
def test_a_filter_covers_what_the_standard_says(topic_filter: str, topic: str, is_covered: bool) -> None:
    assert covers(topic_filter, topic) is is_covered
