"""The key and the certificate by which peers know this market's broker on the wire.

Not the node's key: the broker holds this one, so a broker can never sign a block. Owns the rule that the certificate
is no authority (CA:FALSE): a peer that pins it trusts this one certificate and nothing it might have signed.
"""

from __future__ import annotations

import os
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from node.errors import N_, LocalFault
from node.places import Places

# Valid at any time, so that a computer without a clock locks nobody out (RFC 5280, 4.1.2.5: the last date there is).
NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
PEM_BYTES_MAX = 8 * 1024
KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def ensure_certificate(places: Places, *, node_id: str) -> bytes:
    """Return the broker's certificate (DER), made now with its key where one of the two is missing.

    An existing pair is never replaced: peers have pinned it. Raises LocalFault where the files cannot be used.
    """
    try:
        if places.tls_certificate.exists() and places.tls_key.exists():
            return read_certificate(places.tls_certificate)
        places.tls_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        places.broker.mkdir(parents=True, exist_ok=True)
        private = _load_key(places.tls_key) if places.tls_key.exists() else Ed25519PrivateKey.generate()
        certificate = self_signed(private, node_id=node_id)
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole(places.tls_key, secret, mode=KEY_MODE)
        write_whole(places.tls_certificate, certificate.public_bytes(Encoding.PEM), mode=CERTIFICATE_MODE)
    except (OSError, ValueError) as error:
        raise _fault(places.tls_key, str(error)) from error
    return certificate.public_bytes(Encoding.DER)


def self_signed(private: Ed25519PrivateKey, *, node_id: str, is_authority: bool = False) -> x509.Certificate:
    """Return a certificate of `private` by itself, named after the node. Only a test asks for an authority."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    return signed(private, name, private, name, is_authority=is_authority)


def signed(
    private: Ed25519PrivateKey,
    name: x509.Name,
    issuer_private: Ed25519PrivateKey,
    issuer: x509.Name,
    *,
    is_authority: bool,
) -> x509.Certificate:
    """Return a certificate of `private` under `name`, signed by the issuer's key."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_private.public_key()),
            critical=False,
        )
        .sign(issuer_private, None)
    )


def read_certificate(path: Path) -> bytes:
    """Return the one certificate in a PEM file as DER. Raises LocalFault where there is not exactly one."""
    try:
        with path.open("rb") as file:
            text = file.read(PEM_BYTES_MAX).decode("ascii")
        if text.count(_BEGIN) != 1:
            raise ValueError("it does not hold one certificate")
        inner = text.partition(_BEGIN)[2].partition(_END)[0]
        return b64decode("".join(inner.split()), validate=True)
    except (OSError, ValueError) as error:
        raise _fault(path, str(error)) from error


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file in one step: written beside it with its mode, flushed, renamed. Raises OSError."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.replace(path)


def _load_key(path: Path) -> Ed25519PrivateKey:
    private = load_pem_private_key(path.read_bytes()[:PEM_BYTES_MAX], password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("it is not an Ed25519 key")
    return private


def _fault(path: Path, reason: str) -> LocalFault:
    return LocalFault(
        "broker.certificate",
        N_("The certificate of the broker at {path} cannot be used ({reason})."),
        N_("Put back the file from its copy; a new one means pairing every market again."),
        path=str(path),
        reason=reason,
    )
