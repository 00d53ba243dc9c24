"""How every benchmark of Larder ends: one JSON object on the last line, each figure beside what it is held against."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. against says what it is compared with; ratio is value / against_value."""

    name: str
    value: float
    unit: str
    against: str
    against_value: float

    @property
    def ratio(self) -> float:
        return self.value / self.against_value


def report(bench: str, figures: list[Figure]) -> None:
    """Print the figures for a person, then all of them as the last line for a program."""
    for figure in figures:
        print(
            f"{figure.name}: {figure.value:,.4g} {figure.unit}, {figure.ratio:,.4g} x {figure.against}"
            f" ({figure.against_value:,.4g} {figure.unit})"
        )
    rounded = [
        asdict(figure)
        | {"value": _round(figure.value), "against_value": _round(figure.against_value)}
        | {"ratio": _round(figure.ratio)}
        for figure in figures
    ]
    print(json.dumps({"bench": bench, "figures": rounded}))


def _round(number: float) -> float:
    """Keep six significant digits: more would only be noise."""
    return float(f"{number:.6g}")
