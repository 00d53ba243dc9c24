"""Who may log in at the embedded broker and what they may do, from the same two files that mosquitto reads.

Imports amqtt, so it is loaded by the embedded broker alone. Owns no rule: the rules are `rights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.contexts import Action  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin  # type: ignore[import-untyped]

from node.sync.rights import Rights, covers, is_secret_of, read_acl

FILE_BYTES_MAX = 256 * 1024


class LarderLogins(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]
    """Judges logins and topics; reads both files again when they change."""

    @dataclass
    class Config:
        """Where the files lie."""

        passwords: str = ""
        rights: str = ""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._passwords = _Watched(Path(context.config.passwords))
        self._rights = _Watched(Path(context.config.rights))
        self._hashes: dict[str, str] = {}
        self._users: dict[str, Rights] = {}

    async def authenticate(self, *, session: Any) -> bool:
        """Tell whether a client may come in: a known user, the right password, a Will under a topic of its own."""
        self._refresh()
        user, password = session.username or "", session.password or ""
        if not is_secret_of(password, self._hashes.get(user, "")):
            return False
        return not session.will_flag or self._may(user, session.will_topic, is_write=True)

    async def topic_filtering(self, *, session: Any = None, topic: str | None = None, action: Any = None) -> bool:
        """Tell whether a message may pass. A subscription is granted; what it gets is judged at delivery."""
        if session is None or not topic:
            return False
        if action == Action.SUBSCRIBE:
            return True
        self._refresh()
        return self._may(session.username or "", topic, is_write=action == Action.PUBLISH)

    def _may(self, user: str, topic: str, *, is_write: bool) -> bool:
        rights = self._users.get(user)
        if rights is None:
            return False
        return any(covers(wanted, topic) for wanted in (rights.writes if is_write else rights.reads))

    def _refresh(self) -> None:
        if (passwords := self._passwords.changed()) is not None:
            pairs = (line.partition(":") for line in passwords.splitlines())
            self._hashes = {user: hashed for user, _, hashed in pairs if hashed}
        if (rights := self._rights.changed()) is not None:
            try:
                self._users = read_acl(rights)
            except ValueError:
                self._users = {}  # what cannot be read gives nobody a right


class _Watched:
    """A file whose text is read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def changed(self) -> str | None:
        """Return the text where it is another file than at the last call, else None; an absent file is empty."""
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen == self._seen:
                return None
            text = self._path.read_bytes()[:FILE_BYTES_MAX].decode("utf-8")
        except (OSError, UnicodeDecodeError):
            seen, text = (0, 0), ""
        self._seen = seen
        return text
