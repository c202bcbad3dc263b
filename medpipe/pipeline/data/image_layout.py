"""Recognise the folder layout of an image set: which folder is a class, a part or a patient.

Read are ``class/image``, ``part/class/image`` and both with a folder for each patient;
``class/part`` where the second folders are called as parts are (``train``, ``test``,
``validation``); and images beside a table (`medpipe.pipeline.data.image_tables`). Folders around
all of a set are left out. What could be read in two ways is refused, never guessed: the layout can
be stated.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medpipe.errors import DataError
from medpipe.formatting import plural
from medpipe.marking.manifest import NAME as MANIFEST
from medpipe.pipeline.data.data_files import FileSet
from medpipe.pipeline.data.image_tables import Table, read_tables

WHOLE = "all"
"""The name of the one part of a set without parts."""

OPTION = "--layout"
ENDINGS = (".jpg", ".jpeg", ".png")
MAX_CLASSES = 200
LAYOUTS = (
    "class/image",
    "part/class/image",
    "class/part/image",
    "class/patient/image",
    "patient/class/image",
    "part/class/patient/image",
    "part/patient/class/image",
    "class/part/patient/image",
    "table",
)

_PART = re.compile(
    r"(train(ing)?|test(ing)?|val(id(ation)?)?|dev(elopment)?|eval(uation)?|hold[-_ ]?out"
    r"|fold|split)([-_ ]?(set|data|images?|\d+))*"
)
_CONTAINER = re.compile(
    r"(images?|imgs?|pictures?|masks?|labels?|annotations?|segmentations?|data)"
)
_DOCUMENT = re.compile(
    r"(readme|licen[cs]e|citation|changelog)[^/]*|[^/]*\.md|dataset_infos?\.json|"
    + re.escape(MANIFEST)
)
MANY_PARTS = 10
"""More folders than this above the classes are patients, not parts."""


@dataclass(frozen=True)
class LabelledImage:
    """An image's ``path`` in the set, the ``part`` and class (``label``) that it is of, and its
    ``group``, which is "" if not known.
    """

    path: str
    part: str
    label: str
    group: str


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """All images of ``files`` as their ``layout`` says, sorted by path.

    ``group``: what a group is: ``patient``, ``lesion``, or "" for none. ``problems``: the files
    that have no place in the layout, with a sentence each. ``notes``: sentences on what was taken
    for what. ``tables``: names of the tables that were used.
    """

    files: FileSet
    layout: str
    images: tuple[LabelledImage, ...]
    group: str
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({image.label for image in self.images}))


def index_images(every: FileSet, layout: str = "") -> ImageIndex:
    """What folders and tables say of each image; only tables are read. ``layout``: one of
    `LAYOUTS`.

    Raises `DataError` where there is no image, or the layout cannot be told.
    """
    if layout and layout not in LAYOUTS:
        raise DataError(f"{OPTION}: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not _images(every):
        raise DataError(
            f"{every.place}: expected images ({', '.join(ENDINGS)}), found none; "
            "give the folder that holds them"
        )
    tables, _ = read_tables(every, _images(every))
    by_table = layout == "table" or (
        not layout and _tells_classes(tables) and _is_uninformative(_images(every))
    )
    files = _without_top(every, _images(every), 0 if by_table else max(1, layout.count("/")))
    tables, others = read_tables(files, _images(files))
    index = _by_table(files, tables) if by_table else _by_folder(files, tables, layout)
    if len(index.classes) > MAX_CLASSES:
        raise DataError(
            f"{files.place}: expected at most {MAX_CLASSES} classes, got "
            f"{len(index.classes):,}, such as {index.classes[0][:40]!r}, reading it as "
            f"{index.layout}; {_say_layout()}"
        )
    return replace(index, problems=tuple(sorted([*index.problems, *_unused(index, others)])))


def _images(files: FileSet) -> list[str]:
    return [name for name in files.names if name.lower().endswith(ENDINGS)]


def _say_layout() -> str:
    return (
        "arrange them as <part>/<class>/<image> or <part>/<class>/<patient>/<image>, or tell"
        f" audit-data how to read them by {OPTION}: {', '.join(LAYOUTS)}"
    )


def _unused(index: ImageIndex, others: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The files that are neither images of the set, tables nor documents, with a sentence each."""
    used = {i.path for i in index.images} | {name for name, _ in index.problems} | {*index.tables}
    found = [(name, what) for name, what in others if name not in used]
    said = f"expected images as {index.layout}, got a file elsewhere or of another kind"
    used |= {name for name, _ in found}
    return [
        *found,
        *(
            (name, said)
            for name in index.files.names
            if name not in used and not _DOCUMENT.fullmatch(name.lower())
        ),
    ]


def _without_top(files: FileSet, images: Sequence[str], least: int) -> FileSet:
    """Without the folders around all images, as long as ``least`` stay and none is called as parts
    are.
    """
    top: list[str] = []
    steps = [name.split("/")[:-1] for name in images]
    while all(len(s) > len(top) + least for s in steps):
        name = steps[0][len(top)]
        if any(s[len(top)] != name for s in steps) or _is_part(name):
            break
        top.append(name)
    if not top:
        return files
    start = "/".join(top) + "/"
    outside = {name for name in files.names if not name.startswith(start)}
    new = {
        name: (
            name
            if name in outside or name.removeprefix(start) in outside
            else name.removeprefix(start)
        )
        for name in files.names
    }
    return replace(
        files,
        names=tuple(sorted(new.values())),
        stored={short: files.stored.get(name, name) for name, short in new.items()},
        empty=tuple(name.removeprefix(start) for name in files.empty),
    )


def _is_part(name: str) -> bool:
    return _PART.fullmatch(name.casefold()) is not None


def _is_part_level(names: Iterable[str]) -> bool:
    """Whether at least half of the folders are called as parts are."""
    called = [_is_part(name) for name in set(names)]
    return 2 * sum(called) >= len(called)


def _is_uninformative(images: Sequence[str]) -> bool:
    """Whether no folder can be a class: there are none, or parts, containers or numbered ones
    alone.
    """
    levels: dict[int, set[str]] = defaultdict(set)
    for name in images:
        for level, step in enumerate(name.split("/")[:-1]):
            levels[level].add(step.casefold())
    return all(
        _is_part_level(names)
        or all(_CONTAINER.fullmatch(name) for name in names)
        or len({re.sub(r"\d+", "", name) for name in names}) == 1
        for names in levels.values()
    )


def _tells_classes(tables: Sequence[Table]) -> bool:
    return any("class" in table.columns for table in tables)


def _by_table(files: FileSet, tables: Sequence[Table]) -> ImageIndex:
    """Classes from tables; parts from a column, else a folder or the table's own name."""
    telling = [table for table in tables if "class" in table.columns]
    if not telling:
        raise DataError(
            f"{files.place}: expected a table (.csv or .tsv) with a column that names images "
            "and one that names classes, such as image_id and dx, got none"
        )
    kind = _group_kind(telling)
    images, problems = [], []
    for path in _images(files):
        rows = [(table, table.rows[path]) for table in telling if path in table.rows]
        labels = {row["class"] for _, row in rows} - {""}
        if len(labels) != 1:
            got = f"two ({', '.join(sorted(labels))})" if labels else "none"
            problems.append((path, f"expected its class in {_names(telling)}, got {got}"))
            continue
        table, row = next((t, row) for t, row in rows if row["class"])
        folder = next((step for step in path.split("/")[:-1] if _is_part(step)), "")
        own = table.name.rpartition("/")[2].rpartition(".")[0]
        part = row.get("part") or folder or (own if _is_part(own) else WHOLE)
        images.append(LabelledImage(path, part, labels.pop(), row.get(kind, "")))
    notes = [f"classes are those of the column {t.columns['class']} of {t.name}" for t in telling]
    notes += [
        f"groups are those of the column {t.columns[kind]} of {t.name}"
        for t in telling
        if kind in t.columns
    ]
    return ImageIndex(
        files,
        "images beside a table",
        tuple(images),
        kind,
        tuple(problems),
        tuple(notes),
        tuple(table.name for table in telling),
    )


def _names(tables: Sequence[Table]) -> str:
    return " and ".join(table.name for table in tables)


def _group_kind(tables: Sequence[Table]) -> str:
    """What the groups of the tables are: patients, else lesions, else "" for none."""
    return next(
        (kind for kind in ("patient", "lesion") if any(kind in t.columns for t in tables)), ""
    )


def _by_folder(files: FileSet, tables: Sequence[Table], layout: str) -> ImageIndex:
    """Classes from folders; patients from folders, else from a table."""
    depth = Counter(name.count("/") for name in _images(files))
    most = max(depth, key=lambda d: (depth[d], d))
    if layout:
        most = layout.count("/")
    steps = {name: name.split("/")[:-1] for name in _images(files) if name.count("/") == most}
    if layout and not steps:
        raise DataError(
            f"{files.place}: expected images as {layout}, got them "
            f"{plural(min(depth), 'folder')} deep, such as {_images(files)[0]}; {_say_layout()}"
        )
    roles = layout.split("/")[:-1] if layout else _roles(files, list(steps.values()))
    at = {role: roles.index(role) for role in roles}
    kind, groups = "patient", {}
    if "patient" not in at:
        kind = _group_kind(tables)
        groups = {
            path: row[kind] for t in tables if kind in t.columns for path, row in t.rows.items()
        }
    images = tuple(
        LabelledImage(
            path,
            s[at["part"]] if "part" in at else WHOLE,
            s[at["class"]],
            s[at["patient"]] if "patient" in at else groups.get(path, ""),
        )
        for path, s in steps.items()
    )
    used = tuple(t.name for t in tables if "patient" not in at and kind in t.columns)
    notes = [
        f"groups are those of the column {t.columns[kind]} of {t.name}"
        for t in tables
        if t.name in used
    ]
    return ImageIndex(
        files,
        "/".join(f"<{role}>" for role in [*roles, "image"]),
        images,
        kind,
        (),
        (*notes, *_said_of(images, roles, layout)),
        used,
    )


def _said_of(images: Sequence[LabelledImage], roles: Sequence[str], stated: str) -> Iterable[str]:
    """Sentences on what was taken for what, where it might be otherwise."""
    parts = {image.part for image in images}
    if list(roles) == ["part", "class"] and not stated and not _is_part_level(parts):
        yield (
            f"the folders {_few(parts)} were taken for parts, and those in them for classes; if it"
            f" is the other way round, say {OPTION} class/part/image"
        )
    if "patient" in roles and not stated:
        classes = defaultdict(set)
        for image in images:
            classes[image.group].add(image.label)
        shared = sum(len(found) > 1 for found in classes.values())
        if shared:
            yield (
                f"{shared:,} of {plural(len(classes), 'patient folder')} have a namesake in another"
                " class: they were taken for the same patients"
            )


def _few(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:4]) + (", …" if len(known) > 4 else "")


def _roles(files: FileSet, steps: Sequence[Sequence[str]]) -> list[str]:
    """What each level of folders is. Raises `DataError` where that can be read in two ways."""
    levels = [{s[level] for s in steps} for level in range(len(steps[0]))]
    part = next((i for i, names in enumerate(levels) if _is_part_level(names)), None)
    rest = [i for i in range(len(levels)) if i != part]
    roles = ["part"] * len(levels)
    if len(rest) == 1:
        roles[rest[0]] = "class"
    elif len(rest) == 2:
        pairs = {(s[rest[0]], s[rest[1]]) for s in steps}
        roles[rest[0]], roles[rest[1]] = _two(files, pairs, part is not None, steps[0])
    elif not rest:
        where = f"in folders of parts alone, {_few(levels[0])}" if levels else "in no folder"
        raise DataError(
            f"{files.place}: expected a folder for each class, or a table (.csv or .tsv) with "
            f"columns such as image_id and class, got images {where}; add one of them"
        )
    else:
        raise DataError(
            f"{files.place}: expected images as <part>/<class>/<image> or <class>/<image>, got "
            f"them {plural(len(levels), 'folder')} deep{_such_as(steps[0])}; {_say_layout()}"
        )
    return roles


def _such_as(steps: Sequence[str]) -> str:
    return f", such as in {'/'.join(steps)}" if steps else ""


def _two(
    files: FileSet, pairs: set[tuple[str, str]], has_parts: bool, example: Sequence[str]
) -> tuple[str, str]:
    """What two levels of folders are, neither of which is called as parts are."""
    above: dict[str, set[str]] = defaultdict(set)
    for first, second in pairs:
        above[second].add(first)
    first_count, second_count = len({first for first, _ in pairs}), len(above)
    shared = sum(len(found) > 1 for found in above.values()) / second_count
    if second_count == 1 < first_count and _CONTAINER.fullmatch(next(iter(above)).casefold()):
        return "class", "folder"
    is_container = all(_CONTAINER.fullmatch(name.casefold()) for name in above)
    if shared < 0.5 and not is_container:
        return "class", "patient"
    if first_count > max(second_count, 0 if has_parts else MANY_PARTS) and not is_container:
        return "patient", "class"
    numbered = sum(any(c.isdigit() for c in name) for name in above) > second_count / 2
    if has_parts or is_container or (numbered and second_count > 4 * first_count):
        raise DataError(
            f"{files.place}: expected folders of classes, and of patients if there are any, got "
            f"folders that can be read in two ways{_such_as(example)}; {_say_layout()}"
        )
    return "part", "class"
