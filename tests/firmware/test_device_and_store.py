"""The C device, a damaged line, the host's session and the real store in memory, killed and reset at any moment."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firmware.board import MODULUS, PIN, POWER_ON, CBoard
from tests.firmware_bridge.link.simulated import UID, a_temperature_desc
from tests.firmware_bridge.test_chaos import ACTIONS, PHASES, Market


class BoardMarket(Market):
    """A market whose board is the C device; its first record has the number first_seq."""

    def __init__(self, path: Path, seed: int, *, first_seq: int = 0, noise: float = 0.0) -> None:
        self.first_seq = first_seq
        self.board = CBoard(uid=UID, descriptions=(a_temperature_desc(),), ring_records=4096)
        super().__init__(path, seed, noise=noise)

    def reset_board(self, *, does_keep_ring: bool) -> None:
        self.boot += 1
        if not does_keep_ring:
            self.lost |= {record.value for record in self.board.records()}
            self.losses += 1
            self.losses_after_contact += bool(self.stored())
        self.board.start(boot=self.boot, first_seq=self.first_seq, cause=PIN if does_keep_ring else POWER_ON)
        self.device = self.board  # type: ignore[assignment]
        self.booted_ms = self.now_ms


@settings(max_examples=30, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    actions=ACTIONS,
    seed=st.integers(0, 1 << 32),
    noise=st.sampled_from([0.0, 0.0005, 0.003]),
    first_seq=st.sampled_from([0, MODULUS - 30]),
)
def test_after_any_kills_and_resets_only_what_was_lost_with_power_is_missing(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]], seed: int, noise: float, first_seq: int
) -> None:
    path = tmp_path_factory.mktemp("device") / "telemetry.db"
    market = BoardMarket(path, seed, first_seq=first_seq, noise=noise)
    for action, duration_ms in actions:
        market.run(duration_ms, produce_every_ms=50)
        if action == "kill":
            market.kill_bridge()
        elif action in ("reset", "power"):
            market.reset_board(does_keep_ring=action == "reset")
    market.run(1_000, produce_every_ms=50)
    market.settle()
    stored = market.stored()
    assert sorted(set(stored)) == stored, "nothing is stored twice or out of order"
    assert set(market.produced) - set(stored) <= market.lost
    causes = {cause for _, cause in market.gaps()}
    assert causes <= {"power", "device_forgot"}
    assert causes or not market.losses_after_contact, "what is missing is said"
    assert not causes or market.losses, "nothing is called lost that the board kept"
    market.store.conn.close()
    market.board.close()
