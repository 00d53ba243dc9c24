"""TLS towards a paired market: version 1.3, and exactly the certificate that came with the pairing.

Not a web of trust: no authority is asked and no name is compared, since addresses change and clocks may be unset.
"""

from __future__ import annotations

import hmac
import ssl
from hashlib import sha256

# One message of the protocol between markets with room to spare; a broker of ours refuses longer packets, another's
# might send one of 256 MiB, and the client would take it all into memory.
PACKET_BYTES_MAX = 64 * 1024


class _PinnedSocket(ssl.SSLSocket):
    """A TLS socket that ends the handshake with a comparison, before anything (a password) is sent."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive. Raises ssl.SSLError where a packet longer than any of ours was announced and is asked for."""
        if buflen > PACKET_BYTES_MAX:
            raise ssl.SSLError("a packet that is too long")
        return super().recv(buflen, flags)

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands. Raises ssl.SSLError where the other side shows another certificate than the paired one."""
        super().do_handshake(block)
        pinned = self.context.pinned if isinstance(self.context, PinnedContext) else b""
        if not hmac.compare_digest(pinned, sha256(self.getpeercert(binary_form=True) or b"").digest()):
            raise ssl.SSLError("not the certificate of the paired market")


class PinnedContext(ssl.SSLContext):
    """A context whose sockets compare the certificate with the pinned one."""

    sslsocket_class = _PinnedSocket
    pinned = b""


def pinned_context(certificate: bytes) -> PinnedContext:
    """Return the context that trusts this certificate (DER) alone. Raises ssl.SSLError where it is none."""
    context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate)
    context.pinned = sha256(certificate).digest()
    return context
