"""The node's Ed25519 key: made, kept in a closed file, used to sign. The one file that imports `cryptography`.

Not the recovery key and not the TLS key. The secret never leaves this module and is in no message and no log.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from node.errors import N_, LocalFault

SECRET_BYTES = 32
SIGNATURE_BYTES = 64


class NodeKey:
    """A signing key held in memory."""

    __slots__ = ("_private",)

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public_key(self) -> bytes:
        """Return the 32 bytes of the public half."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64 byte signature of a message (RFC 8032)."""
        return self._private.sign(message)


def make_key(path: Path) -> NodeKey:
    """Make a key and keep it at `path` (mode 0400, folder 0700); an existing file is never overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = Ed25519PrivateKey.generate()
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(descriptor, private.private_bytes_raw().hex().encode("ascii") + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    # A link, unlike a rename, fails where a key is there already.
    path.hardlink_to(unfinished)
    unfinished.unlink()
    return NodeKey(private)


def load_key(path: Path) -> NodeKey:
    """Read the key at `path`. Raises LocalFault where it is absent, unreadable or damaged."""
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    if len(secret) != SECRET_BYTES:
        raise _unreadable(path)
    return NodeKey(Ed25519PrivateKey.from_private_bytes(secret))


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` over `message` was made by the holder of `public_key`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _unreadable(path: Path) -> LocalFault:
    return LocalFault(
        "key.unreadable",
        N_("The key of this market at {path} cannot be read."),
        N_("Selling goes on; put the key file back from its copy, so that the log can be signed again."),
        path=str(path),
    )
