"""What was asked for ahead of its turn: values, and in their places the errors to be raised when their turn comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["AskedAhead"]


class AskedAhead:
    """A queue of outcomes. No error in it is part of a reference cycle once it is raised."""

    def __init__(self) -> None:
        self._outcomes: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._outcomes)

    def ask(self, ask: Callable[[], Any]) -> bool:
        """Asks now, and keeps what comes of it; returns whether that is a value."""
        try:
            value = ask()
        except StopIteration:  # a new one, as the traceback of this one leads back to the caller
            self._outcomes.append(StopIteration())
            return False
        except Exception as error:  # noqa: BLE001  (raised when its turn comes)
            self._outcomes.append(error)
            return False
        self._outcomes.append(value)
        return True

    def take(self) -> Any:
        """Takes the oldest value out.

        Raises:
            Exception: what was raised in its place.
        """
        outcome = self._outcomes.popleft()
        if isinstance(outcome, Exception):
            try:
                raise outcome
            finally:
                del outcome  # whose traceback leads to this frame
        return outcome
