"""The ways through code that draws numbers, and the odds of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

__all__ = ["Drawn", "Path", "Refused", "ways"]

T = TypeVar("T")

_MOST_WAYS = 64
_MOST_WORK = 20_000


class Refused(Exception):  # noqa: N818  (a finding, not an error)
    """The code does something of which nobody knows what it depends on, or what else it changes."""


class Path:
    """One way through the code.

    Args:
        decided: the outcomes of its first decisions; those after them get the first outcome that is possible.
    """

    def __init__(self, decided: Sequence[int]) -> None:
        self._decided = decided
        self.taken: list[tuple[int, Sequence[float]]] = []
        """The outcome of each decision, and the odds of all its outcomes."""
        self._work = 0

    def decide(self, odds: Sequence[float]) -> int:
        """Decides between outcomes with these odds, which add up to 1; those without a chance are passed over."""
        at = len(self.taken)
        outcome = self._decided[at] if at < len(self._decided) else next(k for k, odd in enumerate(odds) if odd > 0)
        self.taken.append((outcome, odds))
        return outcome

    @property
    def weight(self) -> float:
        """The odds of this way."""
        return math.prod(odds[outcome] for outcome, odds in self.taken)

    def work(self) -> None:
        """Counts something that the code does.

        Raises:
            Refused: it does too much for a transform that only calls others.
        """
        self._work += 1
        if self._work > _MOST_WORK:
            raise Refused("it does more than a transform that only calls others")


def ways(run: Callable[[Path], T]) -> Iterator[tuple[float, T]]:
    """Runs code once for each way through it; yields the odds and the result of each.

    Raises:
        Refused: there are too many.
    """
    waiting: list[list[int]] = [[]]
    count = 0
    while waiting:
        decided = waiting.pop()
        path = Path(decided)
        result = run(path)
        count += 1
        if count > _MOST_WAYS:
            raise Refused(f"there are more than {_MOST_WAYS} ways through it")
        yield path.weight, result
        for at in range(len(decided), len(path.taken)):
            outcome, odds = path.taken[at]
            before = [each for each, _ in path.taken[:at]]
            waiting += [[*before, other] for other in range(outcome + 1, len(odds)) if odds[other] > 0]


class _Variable:
    """A number that is drawn evenly from 0 to 1, as far as it is known on this way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.low, self.high = 0.0, 1.0
        self.is_used = False

    def is_below(self, value: float) -> bool:
        if self.is_used:
            raise Refused("it compares a drawn number that it has used already")
        if value <= self.low:
            return False
        if value >= self.high:
            return True
        odds = (value - self.low) / (self.high - self.low)
        below = self.path.decide((odds, 1.0 - odds)) == 0
        if below:
            self.high = value
        else:
            self.low = value
        return below


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


def _refuse(*_: Any) -> NoReturn:
    raise Refused("it does more with a drawn number than scale and compare it")


class Drawn:
    """A stand-in for a number that is drawn evenly between two others; it can be scaled, compared and used once."""

    def __init__(self, path: Path, low: float, high: float) -> None:
        if not (_is_number(low) and _is_number(high)):
            raise Refused("it draws between what are not two numbers")
        self._variable = _Variable(path)
        self._scale, self._offset = float(high) - float(low), float(low)

    def use(self) -> tuple[float, float]:
        """Hands the number on as an argument: the bounds between which it is drawn evenly.

        Raises:
            Refused: it was handed on before, and the two would be one number.
        """
        variable = self._variable
        if variable.is_used:
            raise Refused("it uses a drawn number twice")
        variable.is_used = True
        ends = (self._scale * variable.low + self._offset, self._scale * variable.high + self._offset)
        return min(ends), max(ends)

    def item(self) -> Drawn:
        """As a tensor of one number has it."""
        return self

    def _scaled(self, scale: float, offset: float) -> Drawn:
        made = object.__new__(Drawn)
        made._variable = self._variable
        made._scale, made._offset = self._scale * scale, self._offset * scale + offset
        return made

    def _is_below(self, value: Any) -> bool:
        if not _is_number(value):
            _refuse()
        if self._scale == 0:
            return bool(self._offset < value)
        limit = (value - self._offset) / self._scale
        return self._variable.is_below(limit) if self._scale > 0 else not self._variable.is_below(limit)

    # Whether a bound belongs to a range of floats changes odds by less than 1e-15.
    def __lt__(self, value: Any) -> bool:
        return self._is_below(value)

    def __le__(self, value: Any) -> bool:
        return self._is_below(value)

    def __gt__(self, value: Any) -> bool:
        return not self._is_below(value)

    def __ge__(self, value: Any) -> bool:
        return not self._is_below(value)

    def __add__(self, value: Any) -> Drawn:
        return self._scaled(1.0, float(value)) if _is_number(value) else _refuse()

    def __sub__(self, value: Any) -> Drawn:
        return self._scaled(1.0, -float(value)) if _is_number(value) else _refuse()

    def __rsub__(self, value: Any) -> Drawn:
        return self._scaled(-1.0, float(value)) if _is_number(value) else _refuse()

    def __mul__(self, value: Any) -> Drawn:
        return self._scaled(float(value), 0.0) if _is_number(value) else _refuse()

    def __truediv__(self, value: Any) -> Drawn:
        return self._scaled(1.0 / value, 0.0) if _is_number(value) and value else _refuse()

    def __neg__(self) -> Drawn:
        return self._scaled(-1.0, 0.0)

    __radd__, __rmul__ = __add__, __mul__
    __eq__ = __ne__ = __bool__ = __hash__ = _refuse
    __float__ = __int__ = __index__ = __str__ = __repr__ = __format__ = _refuse
