"""telemetry.db for readers: channels, newest readings, readings of a window, gaps, counts.

Not a writer and not a judge of freshness. The one package of the bridge that `node` imports, and only as a whole; works
while the bridge is stopped. Owns invariant 5 for what leaves the bridge. LINK section 8.
"""

from firmware_bridge.clock import HostNow
from firmware_bridge.store.quality import GOOD, SUSPECT
from firmware_bridge.store.read.asked import AskAnswered, answer_to
from firmware_bridge.store.read.board_clock import BoardTime, board_time
from firmware_bridge.store.read.brackets import Bracket, bracket
from firmware_bridge.store.read.devices import devices, error_counts, settings
from firmware_bridge.store.read.following import Following, Place, following, is_of_this_file, newest_place
from firmware_bridge.store.read.opening import TelemetryUnreadable, open_telemetry
from firmware_bridge.store.read.summaries import Summary, summaries
from firmware_bridge.store.read.values import (
    Channel,
    Counts,
    Device,
    ErrorCount,
    Gap,
    GapRow,
    LatestReading,
    Reading,
    ReadingRow,
    SettingVersion,
    SummaryRow,
)
from firmware_bridge.store.read.whole import StoredRow, Wanted, untimed, whole
from firmware_bridge.store.read.windows import channels, counts, gaps, latest, readings
from firmware_bridge.store.version import SCHEMA_VERSION

__all__ = [
    "GOOD",
    "SCHEMA_VERSION",
    "SUSPECT",
    "AskAnswered",
    "BoardTime",
    "Bracket",
    "Channel",
    "Counts",
    "Device",
    "ErrorCount",
    "Following",
    "Gap",
    "GapRow",
    "HostNow",
    "LatestReading",
    "Place",
    "Reading",
    "ReadingRow",
    "SettingVersion",
    "StoredRow",
    "Summary",
    "SummaryRow",
    "TelemetryUnreadable",
    "Wanted",
    "answer_to",
    "board_time",
    "bracket",
    "channels",
    "counts",
    "devices",
    "error_counts",
    "following",
    "gaps",
    "is_of_this_file",
    "latest",
    "newest_place",
    "open_telemetry",
    "readings",
    "settings",
    "summaries",
    "untimed",
    "whole",
]
