"""A figure as it was printed, read back as the closed interval of values that could have been
printed so.

Everything is exact (`fractions.Fraction`), so that a value on the edge of a rounding interval is
never lost to floating point.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from medpipe.errors import SpecError

_NUMBER = re.compile(
    r"(?P<bound>[<>≤≥~≈])?\s*(?P<sign>[+\-−])?\s*(?P<digits>[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?P<fraction>\.[0-9]+)?"
    r"(?:[eE](?P<exponent>[+\-]?[0-9]{1,3}))?\s*(?P<unit>%|k|K|M|B|x|×|ms|s|MB|MiB|GB|GiB|/[0-9]+|pp|points)?"
)
_SCALE = {
    "%": Fraction(1, 100),
    "pp": Fraction(1, 100),
    "points": Fraction(1, 100),
    "k": Fraction(1000),
    "K": Fraction(1000),
    "M": Fraction(10**6),
    "B": Fraction(10**9),
}
_UNIT_WORDS = {
    "x": "times",
    "×": "times",
    "ms": "ms",
    "s": "s",
    "MB": "MB",
    "MiB": "MiB",
    "GB": "GB",
    "GiB": "GiB",
}
_MEASURES = {
    "time": {"ms": Fraction(1, 1000), "s": Fraction(1)},
    "size": {
        "MB": Fraction(10**6),
        "MiB": Fraction(2**20),
        "GB": Fraction(10**9),
        "GiB": Fraction(2**30),
    },
}
MOST_DIGITS = 30


@dataclass(frozen=True)
class Printed:
    """What a printed number says.

    ``value``: the number itself, per cent as a fraction of one. ``step``: one unit of the last
    printed digit. ``zeros``: one unit of the last digit that is not a trailing zero of a whole
    number (``110M``: ten million; not of per cent), else the same as ``step``. ``bound``: ``below``
    or ``above`` where the text gives only a limit. ``unit``: what follows the number, where that is
    no mere scale. ``about``: the text says so (``~100``, ``≈4.9``); it then stands for values up to
    one ``zeros`` away, not half a ``step``.
    """

    text: str
    value: Fraction
    step: Fraction
    zeros: Fraction
    bound: str | None = None
    unit: str = ""
    about: bool = False

    @property
    def reach(self) -> Fraction:
        """How far from the number a value that was printed so can lie."""
        return self.zeros if self.about else self.step / 2

    def exactly(self) -> Printed:
        """The same number without rounding; trailing zeros may still be meant roughly."""
        return replace(
            self, step=Fraction(0), zeros=self.zeros if self.zeros > self.step else Fraction(0)
        )

    @property
    def low(self) -> Fraction | None:
        """The smallest value that rounds to the text; None without limit."""
        return (
            None
            if self.bound == "below"
            else self.value
            if self.bound == "above"
            else self.value - self.reach
        )

    @property
    def high(self) -> Fraction | None:
        """The largest value that rounds to the text; None without limit."""
        return (
            None
            if self.bound == "above"
            else self.value
            if self.bound == "below"
            else self.value + self.reach
        )


def read_printed(text: str, where: str) -> Printed:
    """Read a printed number such as ``78.94%``, ``-0.03%``, ``3,394,053``, ``4.2M``, ``3.98e-01``,
    ``25.7x``, ``<2%``, ``4.9/5``.

    Raises `SpecError` for a text that is not exactly one number with at most a unit, or for one
    beyond 10**±30.
    """
    found = _printed(text)
    if found is None:
        raise SpecError(
            where,
            "one printed number such as 78.94%, 3,394,053, 4.2M or 3.98e-01, of at most"
            f" {MOST_DIGITS} digits",
            f"{text[:60]!r}; give the number of a longer text under 'number', or make it kind:"
            " fact",
        )
    return found


@lru_cache(maxsize=4096)  # every audit reads the same figures again
def _printed(text: str) -> Printed | None:
    found = _NUMBER.fullmatch(text.strip())
    if (
        found is None
        or len(found["digits"]) + len(found["fraction"] or "") > MOST_DIGITS
        or abs(int(found["exponent"] or 0)) > MOST_DIGITS
    ):
        return None
    digits, fraction = found["digits"].replace(",", ""), found["fraction"] or ""
    unit = found["unit"] or ""
    scale = _SCALE.get(unit, Fraction(1)) * Fraction(10) ** int(found["exponent"] or 0)
    magnitude = Fraction(digits + fraction) * scale
    step = scale * Fraction(1, 10 ** max(0, len(fraction) - 1))
    trailing = (
        0 if fraction or unit in ("%", "pp", "points") else len(digits) - len(digits.rstrip("0"))
    )
    zeros = step * 10 ** (trailing if magnitude else 0)
    bound = {"<": "below", "≤": "below", ">": "above", "≥": "above"}.get(found["bound"] or "")
    value = -magnitude if found["sign"] in ("-", "−") else magnitude
    return Printed(
        text, value, step, zeros, bound, _UNIT_WORDS.get(unit, ""), found["bound"] in ("~", "≈")
    )


def in_one_unit(numbers: Sequence[Printed]) -> tuple[Printed, ...] | None:
    """The numbers as they are if no two differ in unit, else in seconds or bytes; None where no
    unit is common to them.

    A number without a unit goes with one other unit, but not with two: nobody could say which of
    them it has.
    """
    units = {n.unit for n in numbers if n.unit}
    if len(units) < 2:
        return tuple(numbers)
    scale = next((s for s in _MEASURES.values() if units <= s.keys()), None)
    if scale is None or any(not n.unit for n in numbers):
        return None
    return tuple(
        replace(
            n,
            value=n.value * scale[n.unit],
            step=n.step * scale[n.unit],
            zeros=n.zeros * scale[n.unit],
            unit="",
        )
        for n in numbers
    )
