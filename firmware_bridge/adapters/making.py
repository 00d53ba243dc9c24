"""From a block of the settings to the session that speaks with that port. The one place that knows all adapters.

Not a port. Everything that can be wrong is wrong here, before anything is opened: LocalFault with file, line, reason.
"""

from collections.abc import Callable
from pathlib import Path

from firmware_bridge.adapters.session import AdapterSession
from firmware_bridge.clock import HostNow
from firmware_bridge.errors import LocalFault
from firmware_bridge.session_protocol import LineSettings
from firmware_bridge.settings import MODBUS, MT_SICS, MYSENSORS, AdapterSettings, BridgeSettings, settings_fault

MYSENSORS_BAUD, SENML_BAUD, MT_SICS_BAUD = 115_200, 115_200, 9_600  # LINK section 5

SessionMaker = Callable[[], AdapterSession]


def prepare_adapters(
    settings: BridgeSettings, now: Callable[[], HostNow]
) -> dict[str, tuple[SessionMaker, LineSettings]]:
    """Return by port how its session is made and how its line is set. Raises LocalFault for a wrong profile."""
    beside = Path() if settings.path is None else settings.path.parent
    prepared = {}
    for adapter in settings.adapters:
        try:
            prepared[adapter.port] = prepare_adapter(adapter, beside, now)
        except LocalFault as fault:
            if fault.error_id != "profile.unknown" or settings.path is None:
                raise  # a file of its own, which the fault names
            raise settings_fault(settings.path, adapter.line, fault.message.removesuffix(".")) from fault
    return prepared


def prepare_adapter(
    adapter: AdapterSettings, beside: Path, now: Callable[[], HostNow]
) -> tuple[SessionMaker, LineSettings]:
    """Return how the session of one block is made and how its line is set. Raises LocalFault for a wrong profile.

    beside: the folder of the settings, from which the paths of own profiles count.
    """
    if adapter.protocol == MODBUS:
        from firmware_bridge.adapters.modbus.profile import load_profile
        from firmware_bridge.adapters.modbus.session import ModbusSession

        profile = load_profile(adapter.profile, beside)
        line = _line(adapter, profile.line)
        return lambda: ModbusSession(adapter.uid, profile, adapter.units, line, now), line
    if adapter.protocol == MYSENSORS:
        from firmware_bridge.adapters.mysensors.session import MySensorsSession

        line = _line(adapter, LineSettings(MYSENSORS_BAUD))
        return lambda: MySensorsSession(adapter.uid, line, now), line
    if adapter.protocol == MT_SICS:
        from firmware_bridge.adapters.mt_sics.session import MtSicsSession

        line = _line(adapter, LineSettings(MT_SICS_BAUD))
        return lambda: MtSicsSession(adapter.uid, line, now, serial=adapter.serial), line
    from firmware_bridge.adapters.senml.session import SenmlSession

    line = _line(adapter, LineSettings(SENML_BAUD))
    return lambda: SenmlSession(adapter.uid, line, now), line


def _line(adapter: AdapterSettings, usual: LineSettings) -> LineSettings:
    return LineSettings(adapter.baud or usual.baud, adapter.parity or usual.parity)
