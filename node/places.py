"""Where a market's files lie below its data folder. Not a reader of any of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATA_FOLDER_DEFAULT = Path("/var/lib/larder")


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one market. Folders are made by `larder init`; the telemetry folder belongs to the bridge."""

    root: Path

    @property
    def market_db(self) -> Path:
        return self.root / "market" / "market.db"

    @property
    def market_lock(self) -> Path:
        return self.root / "market" / "market.lock"

    @property
    def market_turn(self) -> Path:
        return self.root / "market" / "market.turn"

    @property
    def telemetry_db(self) -> Path:
        return self.root / "telemetry" / "telemetry.db"

    @property
    def node_key(self) -> Path:
        return self.root / "keys" / "node.key"

    @property
    def private_db(self) -> Path:
        """Household needs. Opened by the staff process only, never replicated."""
        return self.root / "private" / "private.db"

    @property
    def settings(self) -> Path:
        return self.root / "larder.toml"

    @property
    def tls_key(self) -> Path:
        return self.root / "keys" / "broker-tls.key"

    @property
    def tls_certificate(self) -> Path:
        return self.root / "broker" / "broker-tls.pem"

    @property
    def broker(self) -> Path:
        """What the broker reads: its certificate, its passwords, its rights."""
        return self.root / "broker"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def node_heartbeat(self) -> Path:
        return self.run / "node.json"

    @property
    def node_lock(self) -> Path:
        return self.run / "node.lock"

    @property
    def bridge_heartbeat(self) -> Path:
        return self.run / "bridge.json"


def places_from_environment(data: Path | None) -> Places:
    """Return the paths below `data`, else below LARDER_DATA, else below /var/lib/larder."""
    if data is not None:
        return Places(data)
    return Places(Path(os.environ.get("LARDER_DATA") or DATA_FOLDER_DEFAULT))
