"""Who may read and write which topic at a market's broker: one table, and the broker's files made from it.

Not the broker's start (`broker`). The broker is trusted with nothing but delivery: these rights keep a paired market
from speaking under another's topics and from reading what is addressed to others; every fact is signed besides.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Iterable
from hashlib import pbkdf2_hmac
from typing import NamedTuple

# Below `larder/1/<group>/`. `%u` is the user's own node id, `+` any one level.
PEER_READS = ("head/+", "blk/+", "bye/+", "pull/+/%u", "pull/+/any", "give/+/%u")
PEER_WRITES = ("head/%u", "blk/%u", "bye/%u", "pull/%u/+", "give/%u/+")
# Who was retired may say that it is there, and is told so; it hears nobody else's word.
RETIRED_READS = ("give/+/%u",)
RETIRED_WRITES = ("head/%u",)
OWNER_READS_AND_WRITES = "#"

# A hash in a password file is checked by the broker at each login; one of more rounds than this is not ours.
HASH_ITERATIONS_MAX = 100_000
_HASH = re.compile(r"\$7\$([0-9]{1,6})\$([A-Za-z0-9+/=]{4,88})\$([A-Za-z0-9+/=]{86,90})", re.ASCII)
_NODE_ID = re.compile(r"[a-z2-7]{26}", re.ASCII)


class Rights(NamedTuple):
    """What one user may read and write, as topic filters."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


def topic_root(group: bytes) -> str:
    """Return what every topic of a group begins with, slash included."""
    return f"larder/1/{group.hex()}/"


def peer_rights(group: bytes, node_id: str) -> Rights:
    """Return the rights of a paired market. Raises ValueError where the id is none."""
    return _rights(group, node_id, PEER_READS, PEER_WRITES)


def retired_rights(group: bytes, node_id: str) -> Rights:
    """Return the rights of a market that was retired. Raises ValueError where the id is none."""
    return _rights(group, node_id, RETIRED_READS, RETIRED_WRITES)


def owner_rights(group: bytes) -> Rights:
    """Return the rights of the market whose broker it is."""
    everything = (topic_root(group) + OWNER_READS_AND_WRITES,)
    return Rights(everything, everything)


def acl_text(group: bytes, owner: str, peers: Iterable[str], retired: Iterable[str] = ()) -> str:
    """Return the file of rights in mosquitto's format: one section a user, nothing for anybody else."""
    lines = ["# Made by larder-node. What is changed here by hand is lost."]
    users = {owner: owner_rights(group)} | {peer: peer_rights(group, peer) for peer in sorted(peers) if peer != owner}
    users |= {gone: retired_rights(group, gone) for gone in sorted(retired) if gone not in users}
    for user, rights in users.items():
        lines += ["", f"user {user}"]
        lines += [f"topic read {topic}" for topic in rights.reads]
        lines += [f"topic write {topic}" for topic in rights.writes]
    return "\n".join(lines) + "\n"


def read_acl(text: str) -> dict[str, Rights]:
    """Return the rights in a file that `acl_text` made. Raises ValueError at a line it did not make."""
    rights: dict[str, Rights] = {}
    user = ""
    for line in text.splitlines():
        match line.split(" "):
            case [""] | ["#", *_]:
                continue
            case ["user", name]:
                user = name
                rights[user] = Rights((), ())
            case ["topic", "read", topic] if user:
                rights[user] = rights[user]._replace(reads=(*rights[user].reads, topic))
            case ["topic", "write", topic] if user:
                rights[user] = rights[user]._replace(writes=(*rights[user].writes, topic))
            case _:
                raise ValueError("a line that is no right")
    return rights


def covers(topic_filter: str, topic: str) -> bool:
    """Tell whether a filter with `+` and `#` covers a topic (MQTT 3.1.1, 4.7)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)


def _rights(group: bytes, node_id: str, reads: tuple[str, ...], writes: tuple[str, ...]) -> Rights:
    if not _NODE_ID.fullmatch(node_id):
        raise ValueError("not a node id")
    root = topic_root(group)
    return Rights(
        tuple(root + topic.replace("%u", node_id) for topic in reads),
        tuple(root + topic.replace("%u", node_id) for topic in writes),
    )


def is_hash(text: str) -> bool:
    """Tell whether a text has the form of a hash, so that nothing else gets into the password file."""
    return _HASH.fullmatch(text) is not None


def is_secret_of(secret: str, text: str) -> bool:
    """Tell whether a hash was made from this secret. False for what is no hash."""
    found = _HASH.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= HASH_ITERATIONS_MAX:
        return False
    try:
        salt, digest = b64decode(found[2], validate=True), b64decode(found[3], validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(digest, pbkdf2_hmac("sha512", secret.encode(), salt, int(found[1]), len(digest)))
