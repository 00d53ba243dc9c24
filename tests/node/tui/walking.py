"""Find every screen and every dialog by walking the classes, so that a new one is covered without being named."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import node.tui.dialogs
import node.tui.screens
from node.tui.dialogs.base import Dialog
from node.tui.screens.base import FactScreen


def _load(package: Any) -> None:
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def _below(base: type) -> list[type]:
    found = []
    for one in base.__subclasses__():
        if one.__module__.startswith("node."):
            found += [one, *_below(one)]
    return sorted(set(found), key=lambda one: one.__name__)


def screen_classes() -> list[type[FactScreen]]:
    """Return every screen."""
    _load(node.tui.screens)
    return _below(FactScreen)


def dialog_classes() -> list[type[Dialog[Any]]]:
    """Return every dialog."""
    _load(node.tui.dialogs)
    return _below(Dialog)
