"""Waiting for what comes at once on an idle machine, and in a minute on a busy one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytestqt.qtbot import QtBot

LONG = 60_000  # ms


class PatientBot(QtBot):
    """A `QtBot` that gives up after a minute in place of five seconds."""

    def waitUntil(self, callback: Callable[[], Any], *, timeout: int = LONG) -> None:
        """Wait until the callback is true."""
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: Any, *, timeout: int = LONG, **more: Any) -> Any:
        """Wait for a signal in a ``with`` block."""
        return super().waitSignal(signal, timeout=timeout, **more)
