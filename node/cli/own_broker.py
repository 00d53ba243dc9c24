"""What a card says of this market's own broker: where peers reach it, and the certificate that it shows.

Not the broker and not the card. Owns the rule that a card with an address has a certificate, too.
"""

from __future__ import annotations

import os
from pathlib import Path

from node.errors import N_, LocalFault, Refused
from node.ledger.card import ADDRESSES_MAX, CERTIFICATE_BYTES_MAX, is_address
from node.places import Places
from node.settings import load_settings


def broker_of(places: Places) -> tuple[list[str], bytes | None]:
    """Return where peers reach our broker, and the certificate that it shows (DER), None where it has none yet."""
    addresses = load_settings(places.settings).sync.advertise
    wrong = next((address for address in addresses if not is_address(address)), None)
    if wrong is not None:
        raise LocalFault(
            "settings.address",
            N_("The address {address} in {path} is not a host and a port."),
            N_("Write it under [sync] advertise like this: harbour.local:8883."),
            address=wrong[:80],
            path=str(places.settings),
        )
    if len(addresses) > ADDRESSES_MAX:
        raise LocalFault(
            "settings.addresses",
            N_("{path} names {count} addresses; a card holds {most}."),
            N_("Leave the ones that other markets reach best under [sync] advertise."),
            path=str(places.settings),
            count=len(addresses),
            most=ADDRESSES_MAX,
        )
    return addresses, _certificate(places, is_needed=bool(addresses))


def _certificate(places: Places, *, is_needed: bool) -> bytes | None:
    """Return the certificate of our broker (DER), made now where it is needed; None where it has and needs none.

    A card with addresses and no certificate would pair two markets that can never meet, and nobody would be told.
    """
    if not places.tls_certificate.exists():
        return _made_certificate(places) if is_needed else None
    from ssl import PEM_cert_to_DER_cert

    try:
        certificate = PEM_cert_to_DER_cert(places.tls_certificate.read_text(encoding="ascii").strip())
    except ValueError:  # not PEM, not ASCII, not base64
        certificate = b""
    if not 0 < len(certificate) <= CERTIFICATE_BYTES_MAX:
        raise LocalFault(
            "card.certificate",
            N_("The certificate of this market's broker in {path} cannot be read."),
            N_("Move it away and start larder-node, which makes a new one; then make the card again."),
            path=str(places.tls_certificate),
        )
    return certificate


def _made_certificate(places: Places) -> bytes:
    """Make the broker's certificate as larder-node would. Raises Refused where the key would not be the node's own."""
    from node.ledger.read import market, open_reader
    from node.sync.certificates import ensure_certificate

    if places.node_key.parent.stat().st_uid != os.geteuid():
        raise Refused(
            "card.no_certificate",
            N_("The broker of this market has no certificate yet, and only {owner} can make it."),
            N_("Start larder-node once, then run this again."),
            owner=owner_of(places.node_key.parent),
        )
    connection = open_reader(places)
    try:
        return ensure_certificate(places, node_id=market(connection).node_id)
    finally:
        connection.close()


def owner_of(folder: Path) -> str:
    """Return who owns a folder, in a word that a person can ask for."""
    try:
        return folder.owner()
    except (OSError, KeyError):
        return "root"
