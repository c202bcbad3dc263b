"""Progress of long tasks: the task reports it, and a caller can listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, str], None]
"""Takes the steps done, of how many, and what is done now."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(done: int, total: int, what: str) -> None:
    """Tell the listener, if there is one, that ``done`` of ``total`` steps of ``what`` are over."""
    listener = _listener.get()
    if listener is not None:
        listener(done, total, what)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within this, `tell` calls ``listener``."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
