"""Ask by how much a sensor is off and against what, then write it down; or take a calibration back, with a reason.

Not the rules (`node.actions.calibrations`). Leaving any step changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.actions.calibrations import calibrate, withdraw_calibration
from node.cold.sensors import SensorChannel
from node.domain.calibration import Correction, parse_milli, parse_point
from node.language import _
from node.tui.deciding import Decisions
from node.tui.dialogs.ask_words import AskWords
from node.tui.sensor_words import correction_text, number_text

if TYPE_CHECKING:
    from node.tui.app import LarderApp


async def ask_and_calibrate(app: LarderApp, decisions: Decisions, channel: SensorChannel) -> None:
    """Ask for the points or the offset, the reference, and the certificate."""
    is_now = channel.quality == "GOOD" and channel.raw_milli is not None
    raw = number_text(channel.raw_milli or 0) if is_now else _("nothing now")
    question = _(
        "{name}: the sensor itself says {raw}. Type points as RAW=REFERENCE, such as 0.4=0 60.9=60, or an offset"
        " such as +0.4"
    ).format(name=channel.name, raw=raw)
    typed = await app.push_screen_wait(
        AskWords(question, _("Points or offset"), may_be_empty=False, check=read_correction)
    )
    if typed is None:
        return
    correction = read_correction(typed)
    reference = await app.push_screen_wait(
        AskWords(_("With which instrument was it compared?"), _("Reference"), may_be_empty=True)
    )
    if reference is None:
        return
    certificate = await app.push_screen_wait(
        AskWords(_("The number of that instrument's certificate?"), _("Certificate"), may_be_empty=True)
    )
    if certificate is None:
        return
    decisions.write(
        _("calibrate {name}").format(name=channel.name),
        lambda tx, action_id, yes: calibrate(
            tx,
            action_id=action_id,
            who=app.who,
            sensor=channel.sensor,
            kind=channel.kind,
            unit=channel.unit,
            correction=correction,
            reference=reference,
            certificate=certificate,
            yes=yes,
        ),
        lambda made: app.front.say(
            _("Calibrated {name}: {correction}.").format(name=channel.name, correction=correction_text(made.value))
        ),
    )


async def ask_and_withdraw(app: LarderApp, decisions: Decisions, channel: SensorChannel) -> None:
    """Ask why, then take the last calibration back."""
    question = _("Why is the last calibration of {name} taken back? It is kept in the log.").format(name=channel.name)
    reason = await app.push_screen_wait(AskWords(question, _("Reason"), may_be_empty=False))
    if reason is None:
        return
    decisions.write(
        _("take a calibration of {name} back").format(name=channel.name),
        lambda tx, action_id, _yes: withdraw_calibration(
            tx, action_id=action_id, who=app.who, sensor=channel.sensor, reason=reason
        ),
        lambda taken: app.front.say(
            _("Taken back for {name}: {correction}.").format(name=channel.name, correction=correction_text(taken.value))
        ),
    )


def read_correction(typed: str) -> Correction:
    """Read points, with spaces between them, or an offset. Raises Refused."""
    if "=" in typed:
        return Correction(points=tuple(parse_point(point) for point in typed.split()))
    return Correction(offset_milli=parse_milli(typed))
