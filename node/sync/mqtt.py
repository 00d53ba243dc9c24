"""One connection to one broker. The only file that knows paho.

Not the protocol between markets (`engine`) and no queue of facts: what cannot be sent now is asked for again by
whoever lacks it. Owns the rules that keep paho harmless: nothing raised in a callback reaches its thread, a thread that
ended is replaced, every queue is bounded, and no return code is believed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import MQTT_ERR_QUEUE_SIZE, Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from node.errors import N_
from node.sync.effects import LinkDown, LinkUp, Received
from node.sync.health import LOGIN_REFUSED
from node.sync.pinning import PinnedContext

KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 5.0
# How long to wait before the next try: doubled from the first to the last, both drawn anew for each connection so that
# markets which lost the same broker do not come back at the same instant.
RETRY_FIRST_S, RETRY_FIRST_SPREAD_S = 1.0, 1.0
RETRY_LAST_S = 60.0
# On this computer or in a test nobody is spared by waiting a minute.
RETRY_LAST_LOOPBACK_S = 4.0
# Messages with an acknowledgement that may wait in memory; the next one is not sent and counted.
MESSAGES_QUEUED_MAX = 256
# Tries at one address before the next one is tried.
TRIES_PER_ADDRESS = 2
CLIENT_ID_RANDOM_BYTES = 4
# Refusals 4 and 5 of MQTT 3.1.1 (3.2.2.3), as paho numbers them.
_LOGIN_CODES = frozenset({134, 135})
STOP_WITHIN_S = 2.0

LinkEvent = LinkUp | LinkDown | Received


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Login(NamedTuple):
    """Who we are at a broker."""

    user: str
    password: str


class Will(NamedTuple):
    """What the broker says for us when we are gone without a word."""

    topic: str
    payload: bytes


class LinkState(NamedTuple):
    """How a link is: `reason` says why it is down, in words; `unsent` counts what found the queue full."""

    address: str
    is_up: bool
    reason: str
    unsent: int
    faults: int


class BrokerLink:
    """A connection that is kept up until told to stop. `on_event` is called in paho's thread and must only enqueue."""

    def __init__(
        self,
        name: str,
        addresses: Sequence[Address],
        login: Login,
        *,
        topics: Sequence[str],
        will: Will | None,
        tls: PinnedContext | None,
        on_event: Callable[[LinkEvent], None],
        spread: Callable[[], float],
    ) -> None:
        """Prepare a link; `start` connects. `topics` are subscribed at each connection, `spread` draws from 0 to 1."""
        if not addresses:
            raise ValueError("a link needs an address")
        self.name = name
        self._addresses = list(addresses)
        self._login = login
        self._topics = list(topics)
        self._will = will
        self._tls = tls
        self._on_event = on_event
        self._spread = spread
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._thread_name = ""
        self._failures = 0
        self._is_up = False
        self._reason = N_("not tried yet")
        self._refusal = ""
        self._unsent = 0
        self._faults = 0

    @property
    def address(self) -> Address:
        """Return the address that is used or tried now; the one that worked last comes first after a success."""
        return self._addresses[0]

    def state(self) -> LinkState:
        """Return how the link is now."""
        with self._lock:
            return LinkState(str(self.address), self._is_up, self._reason, self._unsent, self._faults)

    def start(self) -> None:
        """Begin to connect; returns at once. Tries for ever."""
        client_id = f"{self._login.user}-{os.urandom(CLIENT_ID_RANDOM_BYTES).hex()}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True, protocol=MQTTv311)
        client.username_pw_set(self._login.user, self._login.password)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(MESSAGES_QUEUED_MAX)
        client.reconnect_delay_set(*self._delays())
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=0, retain=False)
        if self._tls is not None:
            client.tls_set_context(self._tls)
            client.tls_insecure_set(True)  # no host name check: the certificate itself is compared
        client.on_connect = self._guarded(client, self._connected)
        client.on_subscribe = self._guarded(client, self._subscribed)
        client.on_message = self._guarded(client, self._arrived)
        client.on_disconnect = self._guarded(client, self._disconnected)
        client.on_connect_fail = self._guarded(client, self._failed)
        client.connect_async(self.address.host, self.address.port, keepalive=KEEPALIVE_S)
        self._client = client
        before = set(threading.enumerate())
        client.loop_start()
        # paho does not hand out its thread; what appeared under the client's name is it.
        self._thread_name = next(
            (thread.name for thread in threading.enumerate() if thread not in before and client_id in thread.name),
            client_id,
        )

    def stop(self) -> None:
        """Say goodbye and end, within STOP_WITHIN_S; a network that hangs is left to end by itself."""
        self._abandon(STOP_WITHIN_S)
        self._went_down(N_("ended"))

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool) -> bool:
        """Send where the link is up; return False where nothing was taken. True proves nothing about arrival."""
        client = self._client
        if client is None or not self._is_up:
            return False
        # The return code says "not connected" of messages that are sent later, so only a full queue counts.
        if client.publish(topic, payload, qos=qos, retain=is_retained).rc != MQTT_ERR_QUEUE_SIZE:
            return True
        with self._lock:
            self._unsent += 1
        return False

    def tend(self) -> None:
        """Replace a network thread that ended, and go on to the next address where this one does not answer.

        Called about each second by whoever owns the link.
        """
        if self._client is None:
            return
        if not self._is_alive():
            self._went_down(N_("the connection's thread ended and was replaced"))
            self._restart()
        elif not self._is_up and self._failures >= TRIES_PER_ADDRESS and len(self._addresses) > 1:
            self._addresses.append(self._addresses.pop(0))
            self._restart()

    def retry_now(self) -> None:
        """Try again at once where the link is down, as a person asked for it."""
        if self._client is not None and not self._is_up:
            self._restart()

    def _restart(self) -> None:
        self._abandon(0.0)
        self._failures = 0
        self.start()

    def _is_alive(self) -> bool:
        return any(thread.name == self._thread_name for thread in threading.enumerate())

    def _abandon(self, within_s: float) -> None:
        """Let go of the client without waiting for a network that may hang: its end waits in a thread of its own."""
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect()
        ending = threading.Thread(target=client.loop_stop, name=f"end-{self.name}", daemon=True)
        ending.start()
        if within_s:
            ending.join(within_s)

    def _delays(self) -> tuple[Any, Any]:
        """Return the first and the last delay in seconds (paho annotates int and takes any number)."""
        last_s = RETRY_LAST_LOOPBACK_S if self.address.host in {"127.0.0.1", "::1", "localhost"} else RETRY_LAST_S
        return RETRY_FIRST_S + RETRY_FIRST_SPREAD_S * self._spread(), last_s * (0.75 + 0.25 * self._spread())

    def _guarded(self, client: Client, callback: Callable[..., None]) -> Callable[..., None]:
        """Keep everything that `callback` raises away from paho: it would end the thread while "connected" stays true.

        Callbacks of a client that was let go do nothing.
        """

        def guarded(*arguments: Any) -> None:
            if self._client is not client:
                return
            try:
                callback(*arguments)
            except Exception as error:  # the boundary to paho's thread: counted, and told in `state`
                with self._lock:
                    self._faults += 1
                    self._reason = type(error).__name__
                logging.getLogger(__name__).debug("callback", exc_info=error)

        return guarded

    # Callbacks, in paho's thread.

    def _connected(self, client: Client, _userdata: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._failures += 1
            self._refusal = LOGIN_REFUSED if code.value in _LOGIN_CODES else str(code)
            self._went_down(self._refusal)
            return
        client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(self, _client: Client, _userdata: Any, _mid: int, _codes: Any, _properties: Any) -> None:
        # What was granted is not looked at: brokers grant what they will not deliver.
        with self._lock:
            self._is_up, self._reason, self._failures = True, "", 0
        self._on_event(LinkUp(self.name))

    def _arrived(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._on_event(Received(self.name, message.topic, bytes(message.payload), bool(message.retain)))

    def _disconnected(self, _client: Client, _userdata: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not self._is_up and not code.is_failure:
            return
        self._failures += not self._is_up
        # A broker that refuses the login hangs up right after; only the first says why.
        reason, self._refusal = self._refusal or str(code), ""
        self._went_down(reason)

    def _failed(self, _client: Client, _userdata: Any) -> None:
        self._failures += 1
        self._went_down(N_("nobody answers there"))

    def _went_down(self, reason: str) -> None:
        with self._lock:
            was_up, self._is_up = self._is_up, False
            self._reason = reason
        if was_up:
            self._on_event(LinkDown(self.name))
