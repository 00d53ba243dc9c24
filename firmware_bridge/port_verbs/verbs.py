"""`larder-bridge ports`, `ports probe`, `ports assign`: what a person asks of the serial ports, as plain lines.

Only words here: what is known, looked for and written is decided in the files beside it. `larder ports` hands over to
these verbs, since only the bridge opens ports.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from firmware_bridge import clock
from firmware_bridge.adapters.modbus.profile import load_profile
from firmware_bridge.errors import BridgeFault, LocalFault
from firmware_bridge.language import _
from firmware_bridge.port_verbs.block import append_block, block_text, free_uid
from firmware_bridge.port_verbs.known import KnownPort, holders, is_terminal_line, known_ports, printable
from firmware_bridge.port_verbs.looking import LISTEN_S, Found, look
from firmware_bridge.port_verbs.naming import rule_path, rule_text, usb_device, write_rule
from firmware_bridge.ports import Port, PortLost
from firmware_bridge.settings import (
    BOARD_UID_PATTERN,
    DATA_DEFAULT,
    UID_PATTERN,
    BridgeSettings,
    load_settings,
    settings_path,
)

EXIT_REFUSED, EXIT_TRY_AGAIN = 1, 3
HOT_PLUG = ("ttyUSB", "ttyACM")  # looked at unasked; a console or a modem on the board is only looked at by name
PSEUDO = "/dev/pts/"
UDEVADM_S = 10

as_json = click.option("--json", "is_json", is_flag=True, help=_("Print one JSON object."))


def words(verb: Callable[..., None]) -> Callable[..., None]:
    """Turn faults into two lines and an exit code."""

    @functools.wraps(verb)
    def told(*arguments: Any, **options: Any) -> None:
        try:
            verb(*arguments, **options)
        except BridgeFault as fault:
            click.echo(f"{fault.message}\n{fault.hint}", err=True)
            sys.exit(EXIT_TRY_AGAIN if fault.is_transient else EXIT_REFUSED)

    return told


@click.group("ports", invoke_without_command=True, help=_("List the serial ports; look at one; give one a name."))
@as_json
@click.pass_context
@words
def ports_group(context: click.Context, is_json: bool) -> None:
    """List every serial port when no other word follows."""
    if context.invoked_subcommand is not None:
        return
    settings, ports = _look_up(context.obj)
    if is_json:
        click.echo(json.dumps({"ports": [_as_json(port) for port in ports]}))
        return
    if not ports:
        click.echo(_("No serial port is plugged in."))
    for port in ports:
        _tell(port)
    for adapter in settings.adapters:
        if not Path(adapter.port).exists():
            click.echo(_("{port} of {uid} is not plugged in.").format(port=adapter.port, uid=adapter.uid))


@ports_group.command("probe", help=_("Look at PORT, or at each free port: what speaks there, and write its settings."))
@click.argument("port", required=False)
@click.option("--modbus", "with_modbus", is_flag=True, help=_("Also scan for Modbus stations 1 to 16."))
@click.option(
    "--listen",
    "listen_s",
    type=click.FloatRange(0.1, 600),
    default=LISTEN_S,
    show_default=True,
    metavar="SECONDS",
    help=_("How long to wait at each rate for somebody who only talks now and then."),
)
@click.option("--uid", metavar="LABEL", help=_("The label of what is found; chosen where nothing is said."))
@click.option("--profile", metavar="NAME", help=_("The Modbus profile, where several fit or none does."))
@click.option("--yes", is_flag=True, help=_("Write the settings without asking."))
@as_json
@click.pass_obj
@words
def probe_verb(
    data: Path,
    port: str | None,
    with_modbus: bool,
    listen_s: float,
    uid: str | None,
    profile: str | None,
    yes: bool,
    is_json: bool,
) -> None:
    """Look at free ports and offer the block for what is there."""
    must_be_root(data, "probe")
    if uid is not None and (UID_PATTERN.fullmatch(uid) is None or BOARD_UID_PATTERN.fullmatch(uid)):
        reason = _("a label is up to 32 small letters, digits, dots and dashes, and not 16 hex digits")
        raise click.BadParameter(reason, param_hint="--uid")
    if listen_s != listen_s:
        raise click.BadParameter(_("it must be a number of seconds"), param_hint="--listen")
    if profile is not None:
        load_profile(profile, settings_path(data).parent)
    answers = []
    for each in _candidates(data, port):
        answer = _probe(data, each, listen_s=listen_s, with_modbus=with_modbus, uid=uid, profile=profile)
        if not is_json:
            _tell_answer(answer)
        if answer.block and (yes or (not is_json and _agrees())):
            path = settings_path(data)
            append_block(path, answer.block)
            answer.is_written = True
            if not is_json:
                click.echo(_("Written to {path}. It counts once the bridge is started again.").format(path=path))
        answers.append(answer)
    if is_json:
        click.echo(json.dumps({"ports": [asdict(answer) for answer in answers]}))
    elif not answers:
        click.echo(_("No serial port is plugged in."))


@ports_group.command("assign", help=_("Write the udev rule that gives the device on PORT the name /dev/larder/NAME."))
@click.argument("port")
@click.argument("name")
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), metavar="DIR", help=_("Another root folder.")
)
@as_json
@click.pass_obj
@words
def assign_verb(data: Path, port: str, name: str, root: Path, is_json: bool) -> None:
    """Write one rule and say what it does."""
    if root == Path("/"):
        must_be_root(data, "assign")
    device = (root / port.lstrip("/")).resolve() if root != Path("/") else Path(port).resolve()
    usb = usb_device(device, root)
    text = rule_text(usb, name)
    path = rule_path(name, root)
    is_news = write_rule(path, text)
    if is_news and root == Path("/"):
        _reload_udev()
    if is_json:
        click.echo(json.dumps({"name": f"/dev/larder/{name}", "rule": text, "path": str(path), "changed": is_news}))
        return
    click.echo(text, nl=False)
    if usb.serial:
        told = _("From now on the device with serial number {serial} is /dev/larder/{name} on every port.")
    else:
        told = _("This device tells no serial number: whatever is plugged in at {place} is /dev/larder/{name}.")
    click.echo(told.format(serial=usb.serial, place=usb.place, name=name))
    click.echo(_("Written to {path}.").format(path=path) if is_news else _("The rule was there already."))


@dataclass(slots=True)
class Answer:
    """What looking at one port gave. reason: why nobody was asked; found None with no reason: silence."""

    port: str
    reason: str
    found: Found | None
    block: str
    is_written: bool


def _probe(
    data: Path, port: KnownPort, *, listen_s: float, with_modbus: bool, uid: str | None, profile: str | None
) -> Answer:
    if not port.is_present:
        return Answer(port.name, _("it is not plugged in"), None, "", False)
    held = ", ".join(holders([port.device]).get(port.device, ()))
    in_use = Answer(port.name, _("it is in use by {holders}").format(holders=held), None, "", False)
    # Somebody without a lock would lose bytes to us. A pseudo terminal is held open by its far end: there the lock
    # that opening asks for decides alone.
    if held and not port.device.startswith(PSEUDO):
        return in_use
    try:
        opening = functools.partial(_open, port.name)
        found = look(opening, clock.boottime_ms, listen_s=listen_s, with_modbus=with_modbus)
    except PortLost as lost:
        if held:
            return in_use
        return Answer(port.name, _("it cannot be opened: {reason}").format(reason=lost), None, "", False)
    if found is not None and found.protocol == "modbus" and profile is not None:
        found = replace(found, profile=profile)
    block = ""
    if found is not None and found.protocol != "ll1" and port.adapter is None:
        used = {adapter.uid for adapter in load_settings(settings_path(data)).adapters}
        block = block_text(found, port.name, uid or free_uid(found, used))
        if found.protocol == "modbus" and not found.profile:
            block = ""
    return Answer(port.name, "", found, block, False)


def _open(path: str, baud: int) -> Port:
    return Port(path, baud=baud)


def _tell_answer(answer: Answer) -> None:
    if answer.reason:
        click.echo(_("{port}: not looked at, {reason}.").format(port=answer.port, reason=answer.reason))
        return
    found = answer.found
    if found is None:
        click.echo(_("{port}: nobody answers.").format(port=answer.port))
        return
    sentences = {
        "ll1": _("a Larder board ({detail}); it needs no settings"),
        "mysensors": _("a MySensors gateway ({detail})"),
        "senml": _("lines of JSON ({detail})"),
        "mt-sics": _("a scale that speaks MT-SICS ({detail})"),
        "modbus": _("Modbus stations {units} at {baud} baud (profiles that fit: {detail})"),
    }
    detail = printable(found.detail) or (_("none") if found.protocol == "modbus" else _("it tells no more"))
    units = ", ".join(map(str, found.units))
    sentence = sentences[found.protocol].format(detail=detail, units=units, baud=found.baud)
    click.echo(f"{answer.port}: {sentence}.")
    if answer.block:
        click.echo("\n" + answer.block)
    elif found.protocol == "modbus" and not found.profile:
        click.echo(_("Say with --profile which one it is: a shipped one, or the path of your own that ends in .toml."))
    elif found.protocol != "ll1":
        click.echo(_("The settings know this port already."))


def _agrees() -> bool:
    if not sys.stdin.isatty():
        click.echo(_("Nothing was written. Add --yes to write it."))
        return False
    return click.confirm(_("Write this to the settings?"), default=False)


def _candidates(data: Path, port: str | None) -> list[KnownPort]:
    _settings, ports = _look_up(data)
    if port is None:
        return [each for each in ports if each.adapter or each.is_read or Path(each.device).name.startswith(HOT_PLUG)]
    device = os.path.realpath(port)
    known = next((each for each in ports if each.device == device or port in each.names), None)
    if known is not None:
        return [known]
    if not is_terminal_line(device):
        raise LocalFault(
            "ports.unknown",
            _("{port} is not a serial port.").format(port=printable(port)),
            _("larder ports lists those that are there."),
        )
    names = () if port == device else (port,)
    return [KnownPort(device, names, None, "", "", "", (), is_present=True, is_read=False)]


def _look_up(data: Path) -> tuple[BridgeSettings, list[KnownPort]]:
    settings = load_settings(settings_path(data))
    return settings, known_ports(settings, data / "run" / "bridge.json")


def _tell(port: KnownPort) -> None:
    told = [port.name]
    if port.name != port.device:
        told.append(f"-> {port.device}")
    told.append(port.protocol or _("not read"))
    if port.state:
        told.append(port.state)
    if port.uid or port.adapter:
        told.append(port.uid or port.adapter.uid if port.adapter else port.uid)
    if port.holders:
        told.append(_("held by {holders}").format(holders=", ".join(port.holders)))
    if port.error:
        told.append(port.error)
    click.echo("  ".join(printable(part) for part in told))


def _as_json(port: KnownPort) -> dict[str, Any]:
    return {
        "port": port.name,
        "device": port.device,
        "names": list(port.names),
        "protocol": port.protocol,
        "uid": port.uid or (port.adapter.uid if port.adapter else ""),
        "state": port.state,
        "held_by": list(port.holders),
        "error": port.error,
        "is_present": port.is_present,
    }


def must_be_root(data: Path, verb: str) -> None:
    """Refuse on an installed node to whoever is not root: the ports are the bridge's there."""
    if data == DATA_DEFAULT and os.geteuid() != 0:
        raise LocalFault(
            "ports.needs_root",
            _("On an installed computer only root may do this."),
            _("Run it as root: sudo larder ports {verb}.").format(verb=verb),
        )


def _reload_udev() -> None:
    """Let udev read the rule and go over the ports that are there; without udev there is nothing to tell."""
    udevadm = shutil.which("udevadm")
    if udevadm is None:
        click.echo(_("There is no udevadm here: the name appears when the device is plugged in again."), err=True)
        return
    for arguments in (["control", "--reload"], ["trigger", "--subsystem-match=tty"]):
        try:
            subprocess.run([udevadm, *arguments], capture_output=True, timeout=UDEVADM_S, check=True)
        except (OSError, subprocess.SubprocessError):
            click.echo(_("udev did not take the rule: plug the device in again."), err=True)
            return
