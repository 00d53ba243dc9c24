"""Units by their SenML names, and what they measure. RFC 8428 section 12.1, and RFC 8798 for the secondary ones.

Not a conversion. A unit that is not listed is a fault: kept, shown, never used (LINK section 5).
"""

from typing import Final

from firmware_bridge.link.messages import Kind

_KINDS: Final = {
    "Cel": Kind.TEMPERATURE,
    "%RH": Kind.HUMIDITY,
    "kg": Kind.WEIGHT,
    "V": Kind.VOLTAGE,
    "count": Kind.COUNT,
}
# The rest of the tables, as far as a market may meet them; K is a temperature, but no rule here reads it as one.
_OTHERS: Final = frozenset(
    (
        *("m", "g", "s", "A", "K", "cd", "mol", "Hz", "rad", "sr", "N", "Pa", "J", "W", "C", "F", "Ohm", "S", "Wb"),
        *("T", "H", "lm", "lx", "Bq", "Gy", "Sv", "kat", "m2", "m3", "l", "m/s", "m/s2", "m3/s", "l/s", "W/m2"),
        *("cd/m2", "bit", "bit/s", "lat", "lon", "pH", "dB", "dBW", "Bspl", "/", "%", "%EL", "EL", "1/s", "1/min"),
        *("beat/min", "beats", "S/m", "B", "VA", "VAs", "var", "vars", "J/m", "kg/m3", "deg", "NTU", "dBm"),
        *("ms", "min", "h", "MHz", "kW", "kVA", "kvar", "Ah", "Wh", "kWh", "varh", "kvarh", "kVAh", "mV", "mA"),
    )
)


def kind_of_unit(unit: str) -> int | None:
    """Return what a unit measures, None for a unit nobody registered. No unit at all is 'other'."""
    if unit in _KINDS:
        return _KINDS[unit]
    return Kind.OTHER if unit in _OTHERS or not unit else None
