"""A connection to a broker: the contract on both real brokers, and every trap of the library met on purpose."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client

from node.actions.keeping import open_market
from node.places import Places
from node.sync import mqtt
from node.sync.certificates import ensure_certificate
from node.sync.effects import LinkDown, LinkUp
from node.sync.health import LOGIN_REFUSED
from node.sync.mqtt import MESSAGES_QUEUED_MAX, Address, Login, Will
from node.sync.rights import topic_root
from tests.node.builders import a_market_folder
from tests.node.sync.brokers import KINDS, Paired, RunningBroker, a_broker, a_paired_market, free_ports, wait_until, who
from tests.node.sync.fake_broker import a_fake_broker
from tests.node.sync.links import Remembered, a_link, connected, own_login

ANYBODY = Login("a" * 26, "secret")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return a_market_folder(tmp_path)


@pytest.fixture
def peer(places: Places) -> Paired:
    store = open_market(places)
    try:
        return a_paired_market(store)
    finally:
        store.close()


@pytest.fixture(params=KINDS)
def broker(places: Places, peer: Paired, request: pytest.FixtureRequest) -> Iterator[RunningBroker]:  # noqa: ARG001
    """Each broker in turn, knowing one paired market."""
    with a_broker(places, request.param) as running:
        yield running


# The contract of a transport, on both brokers.


@pytest.mark.parametrize("is_tls", [False, True])
def test_messages_of_every_size_arrive_byte_for_byte(broker: RunningBroker, peer: Paired, is_tls: bool) -> None:
    owner, group = who(broker.places)
    payloads = [b"", b"\x00", bytes(range(256)), b"x" * 32768]
    with (
        connected(broker, own_login(broker.places, owner)) as (_link, here),
        connected(broker, Login(peer.node_id, peer.secret), is_tls=is_tls) as (there, _remembered),
    ):
        for payload in payloads:
            assert there.publish(f"{topic_root(group)}blk/{peer.node_id}", payload, qos=1, is_retained=False)
        wait_until(lambda: len(here.received) == len(payloads), "the messages")
    assert sorted(message.payload for message in here.received) == sorted(payloads)
    assert not any(message.is_retained for message in here.received)


def test_a_retained_message_is_marked_for_who_comes_later_and_live_for_who_was_there(
    broker: RunningBroker, peer: Paired
) -> None:
    owner, group = who(broker.places)
    topic = f"{topic_root(group)}head/{owner}"
    login = Login(peer.node_id, peer.secret)
    with connected(broker, own_login(broker.places, owner)) as (link, _remembered):
        with connected(broker, login) as (_early, early):
            link.publish(topic, b"here I stand", qos=1, is_retained=True)
            wait_until(lambda: len(early.received) == 1, "the live one")
        with connected(broker, login) as (_late, late):
            wait_until(lambda: late.received != [], "the retained one")
    assert [message.is_retained for message in early.received] == [False]
    assert {message.is_retained for message in late.received} == {True}


def test_who_goes_without_a_word_is_reported_by_the_broker(broker: RunningBroker, peer: Paired) -> None:
    owner, group = who(broker.places)
    will = Will(f"{topic_root(group)}bye/{peer.node_id}", b"bye")
    remembered = Remembered()
    with connected(broker, own_login(broker.places, owner)) as (_link, here):
        gone = a_link(Login(peer.node_id, peer.secret), [Address("127.0.0.1", broker.port)], remembered, will=will)
        gone.start()
        wait_until(lambda: gone.state().is_up, "the link")
        client: Any = gone._client
        client.socket().shutdown(2)  # as a cable does it: no goodbye
        wait_until(lambda: any(message.topic == will.topic for message in here.received), "the word of the broker")
        gone.stop()


def test_a_broker_killed_and_started_again_is_found_again_with_its_subscriptions(
    broker: RunningBroker, peer: Paired
) -> None:
    owner, group = who(broker.places)
    topic = f"{topic_root(group)}blk/{peer.node_id}"
    with (
        connected(broker, own_login(broker.places, owner)) as (_link, here),
        connected(broker, Login(peer.node_id, peer.secret), is_tls=True) as (there, _remembered),
    ):
        broker.kill(signal.SIGKILL)
        wait_until(lambda: here.count(LinkDown) == 1 and not there.state().is_up, "the links to go down")
        assert not there.publish(topic, b"into nothing", qos=1, is_retained=False)
        broker.start()
        wait_until(lambda: here.count(LinkUp) == 2 and there.state().is_up, "the links to come back")
        there.publish(topic, b"after", qos=1, is_retained=False)
        wait_until(lambda: [message.payload for message in here.received] == [b"after"], "the message")


def test_a_broker_with_another_certificate_than_the_paired_one_is_never_sent_a_password(
    broker: RunningBroker, peer: Paired, tmp_path: Path
) -> None:
    other = ensure_certificate(Places(tmp_path / "other"), node_id=peer.node_id)
    remembered = Remembered()
    address = [Address("127.0.0.1", broker.tls_port)]
    link = a_link(Login(peer.node_id, peer.secret), address, remembered, certificate=other)
    link.start()
    wait_until(lambda: link.state().reason not in ("not tried yet", ""), "the refusal")
    assert not link.state().is_up
    link.stop()
    assert remembered.events == []


# The traps.


def test_a_callback_that_raises_neither_ends_the_thread_nor_the_link() -> None:
    arrived: list[object] = []

    def fail_once(event: object) -> None:
        arrived.append(event)
        if len(arrived) == 2:
            raise RuntimeError("planted")

    with a_fake_broker() as broker:
        link = mqtt.BrokerLink(
            "test",
            [Address("127.0.0.1", broker.port)],
            ANYBODY,
            topics=["x/#"],
            will=None,
            tls=None,
            on_event=fail_once,
            spread=lambda: 0.0,
        )
        link.start()
        wait_until(lambda: link.state().is_up, "the link")
        broker.send("x/1", b"1")
        broker.send("x/2", b"2")
        wait_until(lambda: len(arrived) == 3, "the message after the fault")
        assert link.state().faults == 1
        assert broker.connects == 1
        link.stop()


def test_a_network_thread_that_ended_is_noticed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = Remembered()
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    with a_fake_broker() as broker:
        link = a_link(ANYBODY, [Address("127.0.0.1", broker.port)], remembered)
        link.start()
        wait_until(lambda: link.state().is_up, "the link")
        client: Any = link._client

        def end(*_arguments: object) -> None:
            raise RuntimeError("planted in the library itself")

        client._loop = end
        wait_until(lambda: not link._is_alive(), "the end of the thread")
        # This is the trap: the library goes on to say that it is connected.
        assert client.is_connected()
        link.tend()
        assert remembered.count(LinkDown) == 1
        wait_until(lambda: link.state().is_up, "the link again")
        assert broker.connects == 2
        link.stop()


def test_what_cannot_be_sent_is_bounded_counted_and_never_waited_for() -> None:
    with a_fake_broker() as broker:
        link = a_link(ANYBODY, [Address("127.0.0.1", broker.port)], Remembered())
        link.start()
        wait_until(lambda: link.state().is_up, "the link")
        broker.is_mute = True  # takes everything, acknowledges nothing
        taken = [link.publish("x/1", b"1", qos=1, is_retained=False) for _message in range(MESSAGES_QUEUED_MAX + 9)]
        assert taken.count(False) == 9 == link.state().unsent
        link.stop()


def test_nothing_is_given_to_the_library_while_the_link_is_down() -> None:
    (port,) = free_ports(1)
    link = a_link(ANYBODY, [Address("127.0.0.1", port)], Remembered())
    assert not link.publish("x/1", b"1", qos=1, is_retained=False)
    link.start()
    assert not link.publish("x/1", b"1", qos=1, is_retained=False)
    link.stop()


def test_a_dead_broker_at_the_start_raises_nothing_and_says_why() -> None:
    (port,) = free_ports(1)
    remembered = Remembered()
    link = a_link(ANYBODY, [Address("127.0.0.1", port)], remembered)
    link.start()
    wait_until(lambda: link.state().reason == "nobody answers there", "the reason")
    link.stop()
    assert remembered.events == []


def test_the_next_address_is_tried_and_the_one_that_worked_comes_first() -> None:
    (dead,) = free_ports(1)
    with a_fake_broker() as broker:
        link = a_link(ANYBODY, [Address("127.0.0.1", dead), Address("127.0.0.1", broker.port)], Remembered())
        link.start()

        def is_up() -> bool:
            link.tend()
            return link.state().is_up

        wait_until(is_up, "the second address")
        assert link.address.port == broker.port
        link.stop()


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_a_broker_that_refuses_us_is_said_in_words_and_asked_again(code: int) -> None:
    with a_fake_broker(code=code) as broker:
        remembered = Remembered()
        link = a_link(ANYBODY, [Address("127.0.0.1", broker.port)], remembered)
        link.start()
        wait_until(lambda: broker.connects > 1, "the second try")
        reason = link.state().reason
        assert not link.state().is_up
        broker.code = 0
        wait_until(lambda: link.state().is_up, "a better mood")
        assert (reason == LOGIN_REFUSED) == (code in {4, 5})
        assert reason and remembered.count(LinkUp) == 1
        link.stop()


def test_a_broker_that_takes_the_connection_and_never_answers_counts_as_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    with a_fake_broker(is_mute=True) as broker:
        link = a_link(ANYBODY, [Address("127.0.0.1", broker.port)], Remembered())
        link.start()
        wait_until(lambda: link.state().reason not in ("not tried yet", ""), "the end of patience")
        assert not link.state().is_up
        link.stop()


def test_a_person_who_asks_does_not_wait_for_the_next_try() -> None:
    with a_fake_broker(code=3) as broker:
        link = a_link(ANYBODY, [Address("127.0.0.1", broker.port)], Remembered())
        link.start()
        wait_until(lambda: broker.connects >= 1, "the first try")
        broker.code = 0
        link.retry_now()
        wait_until(lambda: link.state().is_up, "the link")
        link.stop()


def test_a_library_that_is_told_to_wait_for_an_answer_would_hang_so_nothing_of_ours_does() -> None:
    text = Path(mqtt.__file__).read_text("utf-8")
    for name in ("wait_for_publish", "is_published", ".connect("):
        assert name not in text
    assert hasattr(Client, "connect_async")
