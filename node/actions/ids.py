"""Ids of actions, made when a form is opened, so that a retry after an unknown outcome has no second effect."""

from __future__ import annotations

import os

ACTION_ID_BYTES = 16


def new_action_id() -> bytes:
    """Return a fresh random id. Called by screens and verbs; actions take it as an argument."""
    return os.urandom(ACTION_ID_BYTES)
