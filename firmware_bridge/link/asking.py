"""What a linked host asks of a board: its uptime, its descriptions, and that a command be done. Sans-IO.

Not the session: it knows nothing of states, records or acknowledgements. Rules: LINK sections 2 and 3 (TIME_REQ at link
and each 60 s; descriptions only when desc_crc differs from the stored one; a command waits 1 s, 5 tries).
"""

import zlib
from collections import deque
from typing import NamedTuple

from firmware_bridge.link.events import CommandAnswered, DescriptionsHeard, SessionEvent, UptimeHeard
from firmware_bridge.link.messages import Cmd, CmdRsp, Desc, FromHost, Hello, Op, TimeReq, TimeRsp, encode
from firmware_bridge.link.sequence import MODULUS

TIME_REQ_MS = 60_000  # LINK section 3
TIME_REQ_AGAIN_MS = 2_000  # an unanswered one again, so that one lost frame does not leave a boot without a map
COMMAND_WAIT_MS, COMMAND_TRIES = 1_000, 5  # LINK section 3
DESC_AGAIN_MS = 5_000  # incomplete descriptions are asked for again, for ever, but slowly
CMD_ID_MAX = 0xFFFF
COMMANDS_WAITING_MAX = 8  # of one board; more are refused as busy: a person waits for each


class _Wanted(NamedTuple):
    """A command somebody asked for, under the name by which its answer is found."""

    ask_id: str
    op: int
    args: bytes


class Asking:
    """Keep the open questions to one board."""

    def __init__(self, first_cmd_id: int) -> None:
        self._uid = b""
        self._boot = 0
        self._requests: list[FromHost] = []
        self._token = 0
        self._time_asked_at_ms: int | None = None
        self._is_time_answered = True
        self._cmd_id = first_cmd_id % CMD_ID_MAX
        self._command: Cmd | None = None
        self._command_for = ""  # who asked for the open command; '' is the host itself
        self._wanted: deque[_Wanted] = deque()
        self._ended: list[CommandAnswered] = []
        self._command_at_ms = 0
        self._command_tries = 0
        self._announced_crc = 0  # what the board's HELLO said
        self._desc_crc: int | None = None  # what we wait for
        self._heard_crc: int | None = None  # what we had and handed on
        self._channels = 0
        self._descriptions: dict[int, Desc] = {}
        self._desc_asked_at_ms: int | None = None

    def linked(self, hello: Hello, known_desc_crc: int | None, now_ms: int) -> None:
        """Begin, or begin again, with the board of this HELLO: ask what is not known and not asked already."""
        is_same_boot = (hello.uid, hello.boot) == (self._uid, self._boot)
        self._uid, self._boot = hello.uid, hello.boot
        is_described = hello.channels == 0 or hello.desc_crc == known_desc_crc
        is_heard = is_same_boot and hello.desc_crc == self._heard_crc
        is_needed = not is_described and not is_heard
        is_asked = is_needed and is_same_boot and hello.desc_crc == self._desc_crc
        self._announced_crc, self._channels = hello.desc_crc, hello.channels
        if self._command is not None and not is_same_boot and self._command_for:
            self._end_command(None)  # the boot it was meant for is over
        if not is_asked:
            if not self._command_for:
                self._command = None
            self._desc_crc, self._desc_asked_at_ms = hello.desc_crc if is_needed else None, None
            self._descriptions.clear()
        asked_at_ms = self._time_asked_at_ms
        if not is_same_boot or asked_at_ms is None or now_ms - asked_at_ms >= TIME_REQ_AGAIN_MS:
            self._time_asked_at_ms = None
        self._requests.clear()
        self._ask_descriptions(now_ms)
        self._ask_time(now_ms)

    def tick(self, now_ms: int) -> list[SessionEvent]:
        """Ask again what is due. Returns the command that nobody answered, if any."""
        self._ask_time(now_ms)
        if self._command is not None and now_ms - self._command_at_ms >= COMMAND_WAIT_MS:
            if self._command_tries >= COMMAND_TRIES:
                self._end_command(None)
            else:
                self._put_command(now_ms)
        if self._command is None and self._wanted:
            ask_id, op, args = self._wanted.popleft()
            self._begin_command(ask_id, op, args, now_ms)
        self._ask_descriptions(now_ms)
        return list(self._take_ended())

    def want(self, ask_id: str, op: int, args: bytes) -> bool:
        """Note a command that somebody asked for; False when too many wait already."""
        if len(self._wanted) >= COMMANDS_WAITING_MAX:
            return False
        self._wanted.append(_Wanted(ask_id, op, args))
        return True

    def give_up(self) -> list[SessionEvent]:
        """End what somebody asked for: the board is silent, and a person waits."""
        if self._command is not None and self._command_for:
            self._end_command(None)
        self._ended += [CommandAnswered(op, None, ask_id) for ask_id, op, _args in self._wanted]
        self._wanted.clear()
        return list(self._take_ended())

    def lost(self) -> None:
        """Forget all commands: the port is gone, and whoever asked is told by whoever knows that."""
        self._command = None
        self._wanted.clear()
        self._ended.clear()

    def take_requests(self) -> list[FromHost]:
        """Return what is to be sent now, in order."""
        requests, self._requests = self._requests, []
        return requests

    def hear_time(self, answer: TimeRsp, now_ms: int) -> list[SessionEvent]:
        """Take an uptime; one with an old token says nothing, since we do not know when it was asked for."""
        if answer.token != self._token or self._is_time_answered or self._time_asked_at_ms is None:
            return []
        self._is_time_answered = True
        return [UptimeHeard(self._boot, answer.now_ms, self._time_asked_at_ms, now_ms)]

    def hear_answer(self, answer: CmdRsp) -> list[CommandAnswered]:
        """Take the answer to the open command; any other is a repeat."""
        if self._command is None or answer.cmd_id != self._command.cmd_id:
            return []
        self._end_command(answer)
        return self._take_ended()

    def hear_desc(self, desc: Desc) -> list[SessionEvent]:
        """Collect a description; when all are there and their CRC is the announced one, they are news."""
        if self._desc_crc is None or desc.channel >= self._channels:
            return []
        self._descriptions[desc.channel] = desc
        if len(self._descriptions) < self._channels:
            return []
        in_order = tuple(self._descriptions[channel] for channel in range(self._channels))
        if zlib.crc32(b"".join(encode(each) for each in in_order)) != self._desc_crc:
            return []
        heard = DescriptionsHeard(self._desc_crc, in_order)
        self._desc_crc, self._heard_crc = None, self._desc_crc
        return [heard]

    def _take_ended(self) -> list[CommandAnswered]:
        ended, self._ended = self._ended, []
        return ended

    def _ask_time(self, now_ms: int) -> None:
        if self._time_asked_at_ms is not None:
            wait_ms = TIME_REQ_MS if self._is_time_answered else TIME_REQ_AGAIN_MS
            if now_ms - self._time_asked_at_ms < wait_ms:
                return
        self._token = (self._token + 1) % MODULUS
        self._is_time_answered = False
        self._time_asked_at_ms = now_ms
        self._requests.append(TimeReq(self._boot, self._token))

    def _ask_descriptions(self, now_ms: int) -> None:
        if self._desc_crc is None or self._command is not None:
            return
        if self._desc_asked_at_ms is not None and now_ms - self._desc_asked_at_ms < DESC_AGAIN_MS:
            return
        self._desc_asked_at_ms = now_ms
        self._begin_command("", Op.SEND_DESC, b"", now_ms)

    def _begin_command(self, ask_id: str, op: int, args: bytes, now_ms: int) -> None:
        self._cmd_id = self._cmd_id % CMD_ID_MAX + 1
        self._command, self._command_for = Cmd(self._boot, self._cmd_id, op, args), ask_id
        self._command_tries = 0
        if op == Op.SEND_DESC and ask_id and self._channels:
            self._desc_crc, self._desc_asked_at_ms = self._announced_crc, now_ms
            self._descriptions.clear()
        self._put_command(now_ms)

    def _end_command(self, answer: CmdRsp | None) -> None:
        assert self._command is not None, "only an open command can end"
        self._ended.append(CommandAnswered(self._command.op, answer, self._command_for))
        self._command = None

    def _put_command(self, now_ms: int) -> None:
        assert self._command is not None, "only an open command is sent"
        self._command_at_ms = now_ms
        self._command_tries += 1
        self._requests.append(self._command)
