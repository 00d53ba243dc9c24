"""Fixtures for the tests of `node`: a clock that is set, unless a test says otherwise."""

from __future__ import annotations

import pytest

from node import clock
from node.clock import ClockQuality


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock count as set by NTP, on computers where it is not."""
    monkeypatch.setattr(clock, "quality", lambda _wall_ms: ClockQuality.TRUSTED)


@pytest.fixture
def unset_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock count as not set."""
    monkeypatch.setattr(clock, "quality", lambda _wall_ms: ClockQuality.NOT_SET)
