"""Which images are related: patients, folds or copies, from the data itself or from a table that
somebody made of it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.audits.images.groups import combined
from medpipe.errors import DataError, UnavailableError
from medpipe.pipeline.data.image_groups import clusters
from medpipe.pipeline.data.images import ImageData
from medpipe.pipeline.data.paths import data_home

Groups = NDArray[np.str_]
PATIENT, CLUSTER = "patient_id", "cluster"


def with_clusters(data: ImageData) -> ImageData:
    """The data with a group ``cluster`` of copies in each part, where it knows no patients: what
    depends on each other, by pixels.
    """
    if all(PATIENT in part.groups for part in data.parts.values()):
        return data
    found = clusters(data)
    return replace(
        data,
        parts={
            name: replace(part, groups={**part.groups, CLUSTER: found[name]})
            for name, part in data.parts.items()
        },
    )


def cluster_of(data: ImageData) -> str:
    """The group whose images depend on each other, as far as the data knows: patients, else
    copies.
    """
    return PATIENT if all(PATIENT in part.groups for part in data.parts.values()) else CLUSTER


def groups_of(
    data: ImageData, part: str, asked: str | None, clusters_for: Sequence[str] = ()
) -> Groups | None:
    """The group of each image of a part as ``data.groups`` asks for it, of classes named the group
    of related images; ``""`` if not known. Groups of a table are combined with those inferred from
    the images (`combined`).

    Raises `UnavailableError` where a table is not there, `DataError` where it is broken or the data
    has no such group.
    """
    unknown = [name for name in clusters_for if name not in data.classes]
    if unknown:
        raise DataError(
            f"data.clusters_for: expected classes among {', '.join(data.classes)}, got"
            f" {', '.join(unknown)}"
        )
    found = _asked(data, part, asked)
    if found is None or not asked or not (clusters_for or asked.startswith("table:")):
        return found
    inferred = clusters(data)[part]
    chosen = np.isin(data.parts[part].label, [data.classes.index(name) for name in clusters_for])
    merged = combined(np.where(chosen, "", found), inferred)
    return np.where(chosen & (merged == ""), np.char.add("copies of ", inferred), merged)


def _asked(data: ImageData, part: str, asked: str | None) -> Groups | None:
    if asked is None:
        return None
    if asked.startswith("table:"):
        return _looked_up(data, part, asked)
    name = CLUSTER if asked == "clusters" else asked
    here = data.parts[part].groups
    if name == CLUSTER and name not in here:
        return clusters(data)[part]
    if name not in here:
        raise DataError(
            f"{data.source}: expected the {name} of every image, got"
            f" {', '.join(here) or 'no groups'}; give a table: table:FILE.csv:COLUMN"
        )
    return here[name]


def table_digest(asked: str | None) -> Mapping[str, str]:
    """The digest of the table by its name; empty where no table is asked for."""
    if asked is None or not asked.startswith("table:"):
        return {}
    path = _place(asked)
    return {path.name: f"sha256:{hashlib.sha256(_content(path)).hexdigest()}"}


def _looked_up(data: ImageData, part: str, asked: str) -> Groups:
    path, column = _place(asked), asked.split(":")[2]
    known = read_table(_content(path).decode("utf-8-sig", errors="replace"), column, str(path))
    ids = data.parts[part].sample_id.tolist()
    every = {i for each in data.parts.values() for i in each.sample_id.tolist()}
    if not known.keys() & every:
        raise DataError(
            f"{path}: expected paths of images such as {ids[0]!r} in the column image, got others,"
            f" {next(iter(known))!r} first"
        )
    return np.array([known.get(i, "") for i in ids])


def read_table(text: str, column: str, where: str) -> dict[str, str]:
    """The group by image of a CSV table with the columns ``image`` and ``column``. Raises
    `DataError` naming the line at fault.
    """
    rows = csv.DictReader(io.StringIO(text))
    columns = rows.fieldnames or []
    if "image" not in columns or column not in columns:
        raise DataError(
            f"{where}: expected the columns image and {column}, got {', '.join(columns) or 'none'}"
        )
    found: dict[str, str] = {}
    for row in rows:
        image, group = row["image"], row[column]
        if not image or not group:
            raise DataError(
                f"{where}, line {rows.line_num}: expected an image and its {column}, got an empty"
                " cell"
            )
        if found.setdefault(image, group) != group:
            raise DataError(
                f"{where}, line {rows.line_num}: expected one {column} for {image!r}, got"
                f" {found[image]!r} and {group!r}"
            )
    if not found:
        raise DataError(f"{where}: expected at least one row, got none")
    return found


def _place(asked: str) -> Path:
    return data_home() / asked.split(":")[1]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnavailableError(
            f"expected the table {path}, got none; place it there, or set MEDPIPE_DATA to its"
            " folder"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: expected a table that can be read, got: {error.strerror or error}"
        ) from error
