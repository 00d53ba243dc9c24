"""The demo's two markets with what lies between them: brokers, the relay, the central planner, and the outage.

Owns the order in which things begin: nobody can be paired before both have a certificate, and nobody is called before
there is somebody to call.
"""

from __future__ import annotations

import gettext
import json
import sys
from pathlib import Path

from demo_market import Market, Ports
from demo_processes import ROOT, Child, Failed, Processes, free_ports, is_free

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

HARBOUR, MILL_ROAD = "Harbour", "Mill Road"
DEPLOY = Path(__file__).resolve().parent


class Town:
    """Two markets, and whether the network between them is cut."""

    def __init__(self, folder: Path, *, broker: str, is_flaky: bool) -> None:
        """Hold nothing open yet. `broker` is one of BROKERS; a flaky central planner lies and fails in turn."""
        self.folder = folder
        self.broker = broker
        self.own = folder / "demo"
        self.processes = Processes(self.own)
        self.harbour = Market(folder / "harbour", HARBOUR, self.processes)
        self.mill_road = Market(folder / "mill-road", MILL_ROAD, self.processes)
        self.markets = (self.harbour, self.mill_road)
        self.digits = ""
        self.is_cut = False
        self._planner: Child | None = None
        self._planner_port = 0
        self.is_flaky = is_flaky
        self._relay: Child | None = None

    def open(self) -> None:
        """Make the markets where there are none, pair them, and start everything but the screen. Raises Failed."""
        self.own.mkdir(parents=True, exist_ok=True)
        for market in self.markets:
            market.found()
        harbour, mill_road, is_new = self._choose_ports()
        self._start_planner()
        pairs = [f"{ports.relay}:{ports.peers}" for ports in (harbour, mill_road)]
        command = [sys.executable, "-P", str(DEPLOY / "demo_relay.py"), *pairs]
        self._relay = self.processes.start("relay", command, takes_orders=True)
        self._hear("ready")
        for market, ports in zip(self.markets, (harbour, mill_road), strict=True):
            market.write_settings(ports, f"http://127.0.0.1:{self._planner_port}/")
            market.start_broker(ports, self.broker)
        if is_new:
            self._pair()
            (self.own / "ports.json").write_text(json.dumps([harbour, mill_road, self._planner_port]), "utf-8")
        self.harbour.start_sensors(self.own)
        for market in self.markets:
            market.start_node()

    def close(self) -> list[str]:
        """End every process and return a sentence for each that did not end well."""
        return self.processes.stop_all()

    def begin_outage(self) -> None:
        """Stop the central planner and cut the network between the markets. Raises Failed."""
        if self._planner is not None:
            self.processes.stop(self._planner)
            self._planner = None
        self._tell("cut")
        self.is_cut = True

    def end_outage(self) -> None:
        """Let the markets reach each other again, and the planner answer. Raises Failed."""
        self._tell("heal")
        self.is_cut = False
        if self._planner is None:
            self._start_planner()

    def digests(self) -> dict[str, str]:
        """Return each market's digest."""
        return {market.key: market.digest() for market in self.markets}

    def is_equal(self) -> bool:
        """Say whether every fact is signed and both markets hold the same."""
        return all(market.is_sealed() for market in self.markets) and len(set(self.digests().values())) == 1

    def _choose_ports(self) -> tuple[Ports, Ports, bool]:
        """Return both markets' ports and whether they are new; kept ones are used while nobody else has them.

        Their cards tell the markets where the relay listens, so with new ports they are paired anew.
        """
        file = self.own / "ports.json"
        try:
            harbour, mill_road, self._planner_port = json.loads(file.read_bytes())
            chosen = Ports(*harbour), Ports(*mill_road)
            if all(map(is_free, [*chosen[0], *chosen[1], self._planner_port])):
                return *chosen, False
        except (OSError, ValueError, TypeError):
            pass  # the folder is new, or its note is not ours any more: new ports are as good
        ports = free_ports(7)
        chosen, self._planner_port = (Ports(*ports[:3]), Ports(*ports[3:6])), ports[6]
        return *chosen, True

    def _pair(self) -> None:
        """Hand a card over in each direction, as two people do, and compare the digits. Raises Failed."""
        ours, theirs = self.own / "harbour.card", self.own / "mill-road.card"
        try:
            self.harbour.verb("pair", "card", "--out", str(ours))
            there = self.mill_road.verb("pair", "add", str(ours), "--yes", "--out", str(theirs))
            here = self.harbour.verb("pair", "add", str(theirs), "--yes")
        finally:
            for card in (ours, theirs):  # each holds a password
                card.unlink(missing_ok=True)
        if here["digits"] != there["digits"]:
            raise Failed(_("The two markets show different digits: {digits}").format(digits=[here, there]))
        self.digits = here["digits"]

    def _start_planner(self) -> None:
        command = [sys.executable, "-P", str(DEPLOY / "central_planner.py"), "--port", str(self._planner_port)]
        if self.is_flaky:
            command.append("--flaky")
        self._planner = self.processes.start("central-planner", command)

    def _tell(self, order: str) -> None:
        assert self._relay is not None and self._relay.process.stdin is not None
        self._relay.process.stdin.write(f"{order}\n".encode())
        self._relay.process.stdin.flush()
        self._hear(order)

    def _hear(self, word: str) -> None:
        """Wait for the relay's answer; where it has ended there is none. Raises Failed."""
        assert self._relay is not None and self._relay.process.stdout is not None
        if self._relay.process.stdout.readline().strip() != word.encode():
            self._relay.process.wait()
            raise Failed(self._relay.ending())
