"""What a fridge, a freezer, a shelf scale and a room would measure: deterministic from a seed.

Not a board and not a protocol. Time is an argument, in seconds of the simulated place; a step never looks back. Every
number here is an engineering choice that makes curves a shopkeeper would recognise.
"""

import math
import random
from dataclasses import dataclass
from typing import Protocol

STEP_S = 5.0  # longest stretch integrated at once
DAY_S = 86_400.0
DS18B20_STEP_MILLI_C = 62.5  # one sixteenth of a degree (LINK section 7)


@dataclass(frozen=True, slots=True)
class Sample:
    """What is measured at one moment, in raw units of the channel, and whether a door stands open."""

    value: int
    is_door_open: bool


class Place(Protocol):
    """Something that can be measured."""

    def sample(self, at_s: float) -> Sample:
        """Move on to at_s (never backwards) and measure."""


@dataclass(frozen=True, slots=True)
class CabinetKind:
    """How one kind of cooled cabinet behaves; degrees Celsius and seconds."""

    thermostat_c: float
    hysteresis_c: float
    coil_c: float  # what the air tends to while the compressor runs
    cooling_s: float  # time constants of a first-order lag
    warming_s: float
    open_s: float
    probe_s: float
    openings_per_day: float
    noise_c: float


FRIDGE = CabinetKind(3.0, 0.8, -12.0, 1_500.0, 9_000.0, 240.0, 60.0, 60.0, 0.03)
FREEZER = CabinetKind(-19.0, 1.0, -32.0, 1_800.0, 14_000.0, 420.0, 90.0, 12.0, 0.03)
ROOM_C = 21.0
OPEN_S_MEAN, OPEN_S_MAX = 12.0, 55.0


class Cabinet:
    """A fridge or a freezer: compressor with hysteresis, first-order lag, doors that let the room in."""

    def __init__(self, kind: CabinetKind, source: random.Random) -> None:
        self._kind = kind
        self._random = source
        self._at_s = 0.0
        self._air_c = kind.thermostat_c + source.uniform(-0.5, 0.5) * kind.hysteresis_c
        self._probe_c = self._air_c
        self._is_cooling = source.random() < 0.5
        self._open_until_s = 0.0
        self._opens_at_s = self._next_opening_s()

    def sample(self, at_s: float) -> Sample:
        """Move on to at_s and measure: thousandths of a degree in the steps of a DS18B20."""
        while self._at_s < at_s:
            self._step(min(STEP_S, at_s - self._at_s))
        measured_c = self._probe_c + self._random.gauss(0.0, self._kind.noise_c)
        steps = round(measured_c * 1000 / DS18B20_STEP_MILLI_C)
        return Sample(math.floor(steps * DS18B20_STEP_MILLI_C), self._is_open)

    @property
    def _is_open(self) -> bool:
        return self._at_s < self._open_until_s

    def _step(self, step_s: float) -> None:
        kind = self._kind
        if not self._is_open and self._at_s >= self._opens_at_s:
            self._open_until_s = self._at_s + min(OPEN_S_MAX, self._random.expovariate(1 / OPEN_S_MEAN))
            self._opens_at_s = self._next_opening_s()
        if self._air_c > kind.thermostat_c + kind.hysteresis_c:
            self._is_cooling = True
        elif self._air_c < kind.thermostat_c - kind.hysteresis_c:
            self._is_cooling = False
        towards = [(ROOM_C, kind.warming_s)]
        if self._is_cooling:
            towards.append((kind.coil_c, kind.cooling_s))
        if self._is_open:
            towards.append((ROOM_C, kind.open_s))
        for target_c, lag_s in towards:
            self._air_c += (target_c - self._air_c) * -math.expm1(-step_s / lag_s)
        self._probe_c += (self._air_c - self._probe_c) * -math.expm1(-step_s / kind.probe_s)
        self._at_s += step_s

    def _next_opening_s(self) -> float:
        return self._at_s + self._random.expovariate(self._kind.openings_per_day / DAY_S)


class Shelf:
    """A shelf on a scale: whole units of one product are taken, now and then it is filled up. Grams."""

    UNIT_G, UNITS_FULL, NOISE_G = 500, 24, 0.6
    TAKEN_PER_DAY = 120.0

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._units = self.UNITS_FULL
        self._next_s = 0.0
        self._plan(0.0)

    def sample(self, at_s: float) -> Sample:
        """Move on to at_s and weigh: grams."""
        while self._next_s <= at_s:
            taken = min(self._units, self._random.choice((1, 1, 1, 2, 3)))
            self._units = self.UNITS_FULL if self._units - taken < 2 else self._units - taken
            self._plan(self._next_s)
        weight_g = self._units * self.UNIT_G + self._random.gauss(0.0, self.NOISE_G)
        return Sample(round(weight_g), is_door_open=False)

    def _plan(self, from_s: float) -> None:
        self._next_s = from_s + self._random.expovariate(self.TAKEN_PER_DAY / DAY_S)


class Room:
    """The air of the shop: a day's wave and slow noise."""

    MEAN_C, SWING_C, WANDER_C = 20.5, 1.8, 0.02

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._drift_c = 0.0

    def sample(self, at_s: float) -> Sample:
        """Measure at at_s: thousandths of a degree."""
        self._drift_c = 0.99 * self._drift_c + self._random.gauss(0.0, self.WANDER_C)
        wave_c = self.SWING_C * math.sin(2 * math.pi * (at_s / DAY_S - 0.3))
        return Sample(round((self.MEAN_C + wave_c + self._drift_c) * 1000), is_door_open=False)


def a_place(kind: str, source: random.Random) -> Place:
    """Return the place of this kind: fridge, freezer, shelf or ambient."""
    if kind == "fridge":
        return Cabinet(FRIDGE, source)
    if kind == "freezer":
        return Cabinet(FREEZER, source)
    return Shelf(source) if kind == "shelf" else Room(source)
