"""Names of devices, as bytes in the program and as text in the store.

Not a check of who is who. A board of the native link has 8 bytes and shows as 16 hex digits (LINK section 2); hardware
of others has a label that a person chose (LINK section 5), kept longer than 8 bytes so that the two never meet.
"""

import re

from firmware_bridge.link.messages import UID_BYTES

_BOARD_TEXT = re.compile(r"[0-9a-f]{16}")


def uid_text(uid: bytes) -> str:
    """Return a device's name as text: 16 hex digits of a board, or the label of other hardware."""
    return uid.hex() if len(uid) == UID_BYTES else uid.rstrip(b"\x00").decode("ascii")


def uid_bytes(text: str) -> bytes:
    """Return the name that `uid_text` gave as text, as bytes again."""
    if _BOARD_TEXT.fullmatch(text):
        return bytes.fromhex(text)
    return text.encode("ascii").ljust(UID_BYTES + 1, b"\x00")
