"""Find images with duplicates, likely slices of the same patient, or a listed group elsewhere in
the set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.duplicates import Match
from medpipe.audits.images.groups import Groups
from medpipe.audits.proportions import Share, share
from medpipe.errors import DataError
from medpipe.formatting import listed

TRAINING = "train"
"""How the name of a part begins that is trained on, in small or large letters: ``train``,
``Training set``, ``train_1``.
"""
OPTION = "--train"
MOST_EXAMPLES = 12
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Relation:
    """Images of a part that have a relative; ``examples`` name one image and its relative each.

    ``weighs``: whether the verdict rests on it, as on copies and groups of a table where it is
    known what is trained on, or where there is but one part. Likeness of slices is calibrated on
    brain MRI alone. ``bears_on``: the accuracies that it touches; ``note``: what could not be
    counted.
    """

    part: str
    kind: str
    found: Share
    examples: tuple[tuple[str, str, str, float], ...]
    weighs: bool
    bears_on: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Layout:
    """All images in the order of the parts: ``ids``, ``part_of`` and ``cluster`` of copies, str
    ``(N,)``; ``trained_on``, "" if untold.
    """

    ids: NDArray[np.str_]
    part_of: NDArray[np.str_]
    cluster: NDArray[np.str_]
    trained_on: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.part_of.tolist()))


@dataclass(frozen=True, eq=False)
class _Against:
    """What the images ``here`` of a part are held against."""

    part: str
    here: Flags
    other: Flags
    where: str
    weighs: bool
    bears_on: str

    @property
    def is_itself(self) -> bool:
        return bool((self.here & self.other).any())


def training_part(parts: Sequence[str], named: str = "") -> str:
    """The part that is trained on: the one ``named``, else the only one whose name begins with
    `TRAINING`; "" where that is not told.

    Raises `DataError` where no part bears the name.
    """
    if named:
        if named not in parts:
            raise DataError(
                f"{OPTION}: expected the name of a part ({', '.join(parts)}), got {named!r}"
            )
        return named
    begun = _begun(parts)
    return begun[0] if len(begun) == 1 else ""


def _begun(parts: Sequence[str]) -> list[str]:
    return [name for name in parts if name.lower().startswith(TRAINING)]


def group_of_each(
    table: Mapping[str, str] | None, ids: NDArray[np.str_]
) -> NDArray[np.str_] | None:
    """The group of each image as a table has it, "" where it has none. Raises `DataError` where a
    table is about other images.
    """
    if table is None:
        return None
    if not table.keys() & set(ids.tolist()):
        raise DataError(
            f"table: expected paths of images such as {str(ids[0])!r} in the column image, got"
            f" others, {next(iter(table))!r} first"
        )
    return np.array([table.get(i, "") for i in ids.tolist()])


def relations(layout: Layout, found: Groups, known: NDArray[np.str_] | None) -> Iterator[Relation]:
    """For each part its copies, likely slices of patients, and with ``known`` groups ``(N,)`` those
    of a group that is elsewhere, too.
    """
    for against in _sides(layout):
        copies = [link for link in found.links if link.is_copy]
        yield _inferred(
            layout,
            against,
            f"copies of images {against.where}",
            found.slice,
            copies,
            against.weighs,
        )
        yield _inferred(
            layout,
            against,
            f"likely slices of patients {against.where}",
            found.patient,
            found.links,
            False,
        )
        if known is not None and _is_compared(layout, against, known):
            yield _by_table(layout, against, known)


def not_compared(layout: Layout, known: NDArray[np.str_] | None) -> Iterator[str]:
    """A sentence for everything that could not be held against what is trained on."""
    if len(layout.parts) > 1 and not layout.trained_on:
        begun = _begun(layout.parts)
        why = (
            f"more than one part called training ({', '.join(begun)})"
            if begun
            else "no part called training"
        )
        yield (
            f"{why} among the parts {listed(layout.parts)}, so that it is open which images are"
            f" trained on; {OPTION} NAME names the part"
        )
    if known is None:
        return
    for against in _sides(layout):
        if not against.is_itself or len(layout.parts) == 1:
            for name, flags in {
                against.part: against.here,
                layout.trained_on: against.other,
            }.items():
                if name and not (known[flags] != "").any():
                    yield (
                        f"the table names no group of any image of {name}, so that the groups of"
                        f" {against.part} were not compared"
                    )


def _sides(layout: Layout) -> Iterator[_Against]:
    for part in layout.parts:
        here = layout.part_of == part
        if part != layout.trained_on and layout.trained_on:
            yield _Against(
                part,
                here,
                layout.part_of == layout.trained_on,
                "trained on",
                True,
                f"any accuracy reported on “{part}” after training on “{layout.trained_on}”",
            )
            continue
        if len(layout.parts) > 1 and not layout.trained_on:
            yield _Against(
                part,
                here,
                ~here,
                "in another part",
                False,
                f"any accuracy reported on “{part}” after training on another part",
            )
        is_all = len(layout.parts) == 1
        yield _Against(
            part,
            here,
            here,
            f"in {'the set' if is_all else part} itself",
            is_all,
            f"any accuracy on images of {'this set' if is_all else f'“{part}”'} split at random",
        )


def _inferred(
    layout: Layout,
    a: _Against,
    kind: str,
    group: NDArray[np.int64],
    links: Sequence[Match],
    weighs: bool,
) -> Relation:
    met = [
        p
        for p in links
        if (a.here[p.first] and a.other[p.second]) or (a.here[p.second] and a.other[p.first])
    ]
    numbers, count = np.unique(group[a.other], return_counts=True)
    flags = a.here & np.isin(group, numbers[count > 1] if a.is_itself else numbers)
    examples = tuple(shown(p, layout.ids) for p in _spread(met, layout.cluster))
    return Relation(
        a.part,
        kind,
        _share(kind, flags, a.here, layout.ids, layout.cluster),
        examples,
        weighs,
        a.bears_on,
    )


def _is_compared(layout: Layout, a: _Against, known: NDArray[np.str_]) -> bool:
    """Whether groups on both sides are known; within a part they are compared only where there is
    no other.
    """
    return (not a.is_itself or len(layout.parts) == 1) and all(
        (known[side] != "").any() for side in (a.here, a.other)
    )


def _by_table(layout: Layout, a: _Against, known: NDArray[np.str_]) -> Relation:
    """The share among the images whose group is known; of how many others it is not is noted."""
    told = a.here & (known != "")
    names, count = np.unique(known[a.other & (known != "")], return_counts=True)
    flags = np.isin(known, names[count > 1] if a.is_itself else names)
    kind = (
        f"of a group of the table with other images {a.where}"
        if a.is_itself
        else f"of a group of the table that is {a.where}"
    )
    sides = (
        {a.part: a.here}
        if a.is_itself
        else {a.part: a.here, layout.trained_on or "the other parts": a.other}
    )
    unknown = [
        f"{int((known[side] == '').sum()):,} of {int(side.sum()):,} in {name}"
        for name, side in sides.items()
        if (known[side] == "").any()
    ]
    note = f"of unknown group and not counted: {listed(unknown)}" if unknown else ""
    return Relation(
        a.part,
        kind,
        _share(kind, flags, told, layout.ids, known),
        (),
        a.weighs,
        f"{a.bears_on}, said of new groups",
        note,
    )


def _share(
    kind: str, flags: Flags, among: Flags, ids: NDArray[np.str_], cluster: NDArray[np.str_]
) -> Share:
    return share(kind, flags[among], ids[among].tolist(), cluster[among].tolist())


def _spread(pairs: Sequence[Match], cluster: NDArray[np.str_]) -> list[Match]:
    """One pair a cluster, so that examples are not all of one image."""
    first: dict[str, Match] = {}
    for p in pairs:
        first.setdefault(str(cluster[p.first]), p)
    return list(first.values())[:MOST_EXAMPLES]


def shown(pair: Match, ids: NDArray[np.str_]) -> tuple[str, str, str, float]:
    """The paths of a pair, how one comes from the other, and their correlation."""
    return str(ids[pair.first]), str(ids[pair.second]), pair.how, round(pair.score, 4)
