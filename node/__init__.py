"""The market's own software: the ledger, what staff can do, the screen and the verbs.

Not the serial side: that is `firmware_bridge`, a separate process. Owns nothing itself but the version.
"""

VERSION = "0.1.0"
