"""The broker's certificate: who gets in with which one, judged by real TLS handshakes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.errors import LocalFault
from node.places import Places
from node.sync.certificates import ensure_certificate, read_certificate, self_signed, signed
from node.sync.pinning import PACKET_BYTES_MAX, pinned_context

MILL_ROAD, HARBOUR = "m" * 26, "h" * 26


@contextlib.contextmanager
def a_tls_server(folder: Path, certificates: list[x509.Certificate], key: Ed25519PrivateKey) -> Iterator[int]:
    """A server that shows these certificates, says one byte to whoever shakes hands, and the port it listens at."""
    chain, secret = folder / "chain.pem", folder / "server.key"
    chain.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(b"!")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def lets_in(context: ssl.SSLContext, port: int) -> bool:
    """Whether this client would go on to send its password to that server."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        try:
            with context.wrap_socket(plain) as tls:
                return tls.recv(1) == b"!"
        except ssl.SSLError:
            return False


def trusting(certificate: x509.Certificate) -> ssl.SSLContext:
    """A client that trusts a certificate as OpenSSL does, without our comparison."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate.public_bytes(Encoding.DER))
    return context


def forged(authority_key: Ed25519PrivateKey, authority: x509.Certificate) -> tuple[x509.Certificate, Ed25519PrivateKey]:
    """A certificate in Harbour's name that Mill Road's key signed."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HARBOUR)])
    return signed(key, name, authority_key, authority.subject, is_authority=False), key


def test_the_paired_certificate_is_let_in_and_another_one_is_not(tmp_path: Path) -> None:
    key, other_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    certificate = self_signed(key, node_id=HARBOUR)
    context = pinned_context(certificate.public_bytes(Encoding.DER))
    with a_tls_server(tmp_path, [certificate], key) as port:
        assert lets_in(context, port)
    with a_tls_server(tmp_path, [self_signed(other_key, node_id=HARBOUR)], other_key) as port:
        assert not lets_in(context, port)


def test_a_certificate_that_is_no_authority_lets_nothing_in_that_it_signed(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    certificate = self_signed(key, node_id=MILL_ROAD)
    forgery, forger_key = forged(key, certificate)
    with a_tls_server(tmp_path, [forgery, certificate], forger_key) as port:
        assert not lets_in(trusting(certificate), port)
        assert not lets_in(pinned_context(certificate.public_bytes(Encoding.DER)), port)


def test_with_an_authority_openssl_would_believe_the_forgery_and_the_comparison_still_refuses_it(
    tmp_path: Path,
) -> None:
    key = Ed25519PrivateKey.generate()
    authority = self_signed(key, node_id=MILL_ROAD, is_authority=True)
    forgery, forger_key = forged(key, authority)
    with a_tls_server(tmp_path, [forgery, authority], forger_key) as port:
        assert lets_in(trusting(authority), port)
        assert not lets_in(pinned_context(authority.public_bytes(Encoding.DER)), port)


def test_strict_checking_accepts_our_certificate(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    certificate = self_signed(key, node_id=HARBOUR)
    context = pinned_context(certificate.public_bytes(Encoding.DER))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13
    with a_tls_server(tmp_path, [certificate], key) as port:
        assert lets_in(context, port)


def test_a_packet_that_announces_more_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    certificate = self_signed(key, node_id=HARBOUR)
    context = pinned_context(certificate.public_bytes(Encoding.DER))
    with (
        a_tls_server(tmp_path, [certificate], key) as port,
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain) as tls,
        pytest.raises(ssl.SSLError, match="too long"),
    ):
        tls.recv(PACKET_BYTES_MAX + 1)


def test_the_certificate_is_made_once_valid_at_any_time_and_its_key_is_closed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    first = ensure_certificate(places, node_id=HARBOUR)
    assert ensure_certificate(places, node_id=HARBOUR) == first == read_certificate(places.tls_certificate)
    certificate = x509.load_der_x509_certificate(first)
    assert (certificate.not_valid_before_utc.year, certificate.not_valid_after_utc.year) == (1970, 9999)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert stat.S_IMODE(places.tls_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(places.tls_key.parent.stat().st_mode) == 0o700


def test_a_lost_certificate_is_made_again_from_the_key_that_is_there(tmp_path: Path) -> None:
    places = Places(tmp_path)
    first = x509.load_der_x509_certificate(ensure_certificate(places, node_id=HARBOUR))
    places.tls_certificate.unlink()
    again = x509.load_der_x509_certificate(ensure_certificate(places, node_id=HARBOUR))
    assert again.public_key() == first.public_key()


@pytest.mark.parametrize("content", [b"", b"\xff", b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"])
def test_a_damaged_certificate_is_said_in_words(tmp_path: Path, content: bytes) -> None:
    places = Places(tmp_path)
    ensure_certificate(places, node_id=HARBOUR)
    places.tls_certificate.write_bytes(content)
    with pytest.raises(LocalFault, match="certificate of the broker"):
        ensure_certificate(places, node_id=HARBOUR)


def test_a_damaged_key_is_said_in_words(tmp_path: Path) -> None:
    places = Places(tmp_path)
    ensure_certificate(places, node_id=HARBOUR)
    places.tls_certificate.unlink()
    places.tls_key.write_text("nothing")
    with pytest.raises(LocalFault, match="certificate of the broker"):
        ensure_certificate(places, node_id=HARBOUR)
