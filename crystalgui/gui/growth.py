"""Building a page over several turns of the event loop, so that the window answers in between.

Widgets can only be made in the thread of the window, and a page of forms and
plots takes longer than a person should wait for a click.  A `Growing` widget
is built by a generator that yields wherever the window may do something else;
`in_turns` drives it, a step a turn.  Made directly it is built at once, as
tests and dialogs like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer

Steps = Iterator[None]


Grown = TypeVar("Grown", bound="Growing")


class _Remembered(Iterator[None]):
    """Steps that fail again when they failed: what is half built is never complete."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._error: Exception | None = None

    def __next__(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            next(self._steps)
        except StopIteration:
            raise
        except Exception as error:
            self._error = error
            raise


class Growing:
    """A widget made as ``Kind(..., at_once=False)`` that is complete when `growth` has ended.

    Attributes
    ----------
    growth : iterator of None
        What is still to be built, one step each; after an error each step raises it again.
    """

    growth: Steps = iter(())

    def grow(self, steps: Steps, at_once: bool) -> None:
        """Build now, or leave the steps to `growth`."""
        self.growth = _Remembered(steps)
        if at_once:
            complete(self)


def begun(kind: type, *arguments: Any) -> Any:
    """A hidden widget of this kind, begun when it can grow and complete when it cannot."""
    more = {"at_once": False} if issubclass(kind, Growing) else {}
    widget = kind(*arguments, **more)
    widget.hide()  # else it is shown, half built, together with its parent
    return widget


def complete(widget: Grown) -> Grown:
    """A widget that is needed now, with all that was still to be built of it."""
    for _ in widget.growth:
        pass
    return widget


def in_turns(
    owner: QObject,
    steps: Steps,
    done: Callable[[], None],
    failed: Callable[[Exception], None],
) -> None:
    """Take the first step now and each other one in a turn of its own, then call ``done``.

    Nothing more happens when ``owner`` is gone.
    """
    try:
        next(steps)
    except StopIteration:
        done()
    except Exception as error:  # noqa: BLE001 - a broken page must not take the window along
        failed(error)
    else:
        QTimer.singleShot(0, owner, lambda: in_turns(owner, steps, done, failed))


def rest_of(widget: object) -> Steps:
    """What is still to be built of a widget that was `begun`."""
    return widget.growth if isinstance(widget, Growing) else iter(())
