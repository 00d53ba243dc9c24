"""The files a market's broker reads: who may log in, who may do what, and for the demo its whole configuration.

Not a broker and not its start. Owns the rule that a market that is not paired any more is in neither file, and that one
that was retired is let in to hear that alone.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import signal
import sqlite3
from pathlib import Path
from typing import NamedTuple

from node.errors import N_, LocalFault
from node.ledger.logins import password_hash
from node.ledger.names import node_id
from node.ledger.read import open_reader
from node.ledger.roster import retired_members
from node.ledger.seal import group_id
from node.places import Places
from node.sync.certificates import ensure_certificate, write_whole
from node.sync.rights import acl_text, is_hash

SHIPPED_CONFIG = Path(__file__).parents[2] / "deploy" / "mosquitto" / "larder.conf"
# A market has tens of peers; the broker takes 64 connections.
PEERS_MAX = 64
SECRET_BYTES_MAX = 128
FILE_MODE = 0o640
SECRET_MODE = 0o600
_OPTION = re.compile(r"^(?P<name>[a-z_]+) (?P<value>.+)$")


class BrokerFiles(NamedTuple):
    """Where one broker's files lie."""

    config: Path
    passwords: Path
    rights: Path
    pid: Path


def broker_files(places: Places) -> BrokerFiles:
    """Return the paths of a market's broker."""
    folder = places.broker
    return BrokerFiles(folder / "larder.conf", folder / "passwd", folder / "acl", places.run / "broker.pid")


def own_secret(places: Places) -> str:
    """Return the password of our own node at our own broker, made now where there is none. Raises LocalFault."""
    path = places.tls_key.with_name("broker.secret")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, secrets.token_urlsafe(32).encode("ascii"), mode=SECRET_MODE)
        secret = path.read_bytes()[:SECRET_BYTES_MAX].decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise _fault(path, error) from error
    if not secret:
        raise _fault(path, ValueError("it is empty"))
    return secret


def write_rights(places: Places, connection: sqlite3.Connection) -> bool:
    """Write who may log in and what they may do, for all markets paired now; return whether something changed.

    A running mosquitto reads both again. Raises LocalFault where the files cannot be written.
    """
    files = broker_files(places)
    owner = node_id(connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()[0])
    # Whoever is retired reads nobody's facts any more, but is still let in to be told so.
    retired = {node_id(origin) for origin in retired_members(connection)}
    logins = {
        node_id(origin): hashed
        for origin, hashed in connection.execute(
            "SELECT origin, password_hash FROM peer WHERE password_hash IS NOT NULL"
            " AND (is_active = 1 OR origin IN (SELECT member FROM retirement))"
            " ORDER BY origin IN (SELECT member FROM retirement), paired_ms LIMIT ?",
            (PEERS_MAX,),
        ).fetchall()
        if is_hash(hashed)
    }
    logins[owner] = password_hash(own_secret(places))
    passwords = "".join(f"{user}:{hashed}\n" for user, hashed in sorted(logins.items()))
    try:
        places.broker.mkdir(parents=True, exist_ok=True)
        # Rights first: somebody new must never be let in before what they may do is written.
        is_changed = _replace(
            files.rights, acl_text(group_id(connection), owner, logins.keys() - retired, logins.keys() & retired)
        )
        is_changed = _replace(files.passwords, passwords) or is_changed
    except OSError as error:
        raise _fault(places.broker, error) from error
    if is_changed:
        reload_broker(files.pid)
    return is_changed


def prepare(places: Places, *, port: int, tls_port: int) -> BrokerFiles:
    """Write everything a mosquitto on loopback needs for this market, and return where it lies.

    Start it with `mosquitto -c CONFIG`. The configuration is the shipped one with paths and ports replaced.
    """
    connection = open_reader(places)
    try:
        owner = node_id(connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()[0])
        ensure_certificate(places, node_id=owner)
        write_rights(places, connection)
    finally:
        connection.close()
    files = broker_files(places)
    try:
        _replace(files.config, _config(SHIPPED_CONFIG.read_text("utf-8"), places, files, port, tls_port))
    except OSError as error:
        raise _fault(files.config, error) from error
    return files


def reload_broker(pid_file: Path) -> bool:
    """Have a running mosquitto read its files again, where its process id is in this file; return whether it was told.

    An old file may name the process of somebody else by now, so the name of the program is looked at first.
    """
    try:
        pid = int(pid_file.read_text("ascii").strip())
        if Path(f"/proc/{pid}/comm").read_text("utf-8").strip() != "mosquitto":
            return False
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def _config(template: str, places: Places, files: BrokerFiles, port: int, tls_port: int) -> str:
    """Return the shipped configuration with the paths and ports of one folder, on loopback only."""
    given = {
        "password_file": [str(files.passwords)],
        "acl_file": [str(files.rights)],
        "certfile": [str(places.tls_certificate)],
        "keyfile": [str(places.tls_key)],
        "listener": [f"{port} 127.0.0.1", f"{tls_port} 127.0.0.1"],
    }
    lines = []
    for line in template.splitlines():
        option = _OPTION.match(line)
        values = given.get(option["name"]) if option else None
        lines.append(f"{option['name']} {values.pop(0)}" if option and values else line)
    if any(given.values()):
        raise ValueError(f"the shipped configuration lacks {given}")
    # Started by root, mosquitto becomes another user, who may not read the key of the one who made this folder.
    user = pwd.getpwuid(os.geteuid()).pw_name
    return "\n".join([*lines, "", f"pid_file {files.pid}", f"user {user}", ""])


def _replace(path: Path, text: str) -> bool:
    content = text.encode("utf-8")
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    write_whole(path, content, mode=FILE_MODE)
    return True


def _fault(path: Path, error: Exception) -> LocalFault:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return LocalFault(
        "broker.files",
        N_("The broker's file {path} cannot be used ({reason})."),
        N_("Selling goes on; check the rights of that folder, and that the disk takes writes."),
        path=str(path),
        reason=reason,
    )
