"""A broker password as mosquitto 2 keeps it: PBKDF2 with SHA-512, `$7$rounds$salt$hash` (see mosquitto_passwd).

Not the password and not the file. Every password here has 256 random bits, so few rounds are enough.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b, pbkdf2_hmac

HASH_ITERATIONS = 101  # mosquitto's own default
SALT_BYTES = 12
HASH_BYTES = 64


def password_hash(secret: str) -> str:
    """Return a secret as a password file holds it.

    The salt comes from the secret, which has 256 random bits: the same secret gives the same line, and a file that does
    not change is not written again.
    """
    salt = blake2b(secret.encode(), digest_size=SALT_BYTES, person=b"larder/salt").digest()
    digest = pbkdf2_hmac("sha512", secret.encode(), salt, HASH_ITERATIONS, HASH_BYTES)
    return f"$7${HASH_ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
