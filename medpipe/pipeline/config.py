"""Parameters as written, checked before anything is loaded: unknown, missing and ill-typed keys are
refused with their path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medpipe.errors import SpecError

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Source = (
    Annotated[str, Field(min_length=1)]
    | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
)


def stand_in(wanted: str | list[str], taken: str) -> tuple[str, ...]:
    """A note where the first data set asked for is not the one taken."""
    first = wanted if isinstance(wanted, str) else wanted[0]
    return () if taken == first else (f"{taken} stands in for {first}, which was not found",)


class Section(BaseModel):
    """A mapping with exactly the keys that its class names; values are not converted (``"5"`` is no
    number).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Training(Section):
    """What every training states. ``patience`` in epochs without a better validation accuracy; null
    never stops early.
    """

    optimizer: Literal["adam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    batch_size: Positive
    epochs: Positive
    patience: Positive | None
    reported_epoch: Literal["best", "last"]
    precision: Literal["fp32", "bf16"]


S = TypeVar("S", bound=Section)


def parse(kind: type[S], written: Mapping[str, Any], where: str) -> S:
    """Check ``written`` against ``kind``. Raises `SpecError` for the first thing that is wrong;
    ``where`` begins its path.
    """
    try:
        return kind.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    expected, got = {
        "extra_forbidden": ("only known keys", "this unknown one"),
        "missing": ("this key", "nothing"),
    }.get(first["type"], (first["msg"], repr(first["input"])))
    raise SpecError(".".join([where, *_keys(first["loc"], written)]), expected, got)


def _keys(steps: Sequence[int | str], document: Any) -> Iterator[str]:
    """The steps of pydantic's path that are keys of the document; others name a branch of a union
    of types.
    """
    for i, step in enumerate(steps):
        if isinstance(document, Mapping) and (step in document or i == len(steps) - 1):
            document = document.get(step)
            yield str(step)
        elif isinstance(document, list) and isinstance(step, int):
            document = document[step]
            yield str(step)
