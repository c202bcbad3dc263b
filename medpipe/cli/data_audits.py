"""The command `audit-data`: audit a folder or archive of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.codes import INCOMPLETE, check_output_file, check_output_folder
from medpipe.formatting import plural

if TYPE_CHECKING:
    from medpipe.pipeline.data.image_sets import ImageSet
    from medpipe.pipeline.imaging.image_set_audit import ImageAudit

FolderArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder, zip or tar file: [part/]class/[patient/]image, or images beside a table."
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", help="CSV with the columns image and --column (patients)."),
]
ColumnOption = Annotated[
    str,
    typer.Option("--column", help="Column of the table with patients or other groups."),
]
TrainOption = Annotated[
    str,
    typer.Option(
        "--train",
        help="The training part (default: the only part whose name begins with train).",
    ),
]
SplitOption = Annotated[
    Path | None,
    typer.Option("--split", help="CSV with the columns image and split, to check for leakage."),
]
WriteSplitOption = Annotated[
    Path | None,
    typer.Option("--write-split", help="CSV file for a leakage-free split."),
]
LayoutOption = Annotated[
    str, typer.Option("--layout", help="Folder layout, such as class/part/image.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for a short signed report with pictures."),
]
Pkcs12Option = Annotated[
    Path | None,
    typer.Option("--pkcs12", help="PKCS#12 file to sign with (default: a local identity)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("audit-data")(audit_data)


def audit_data(
    folder: FolderArgument,
    table: TableOption = None,
    column: ColumnOption = "patient",
    train: TrainOption = "",
    layout: LayoutOption = "",
    split: SplitOption = None,
    write_split: WriteSplitOption = None,
    out: OutOption = None,
    pkcs12: Pkcs12Option = None,
    as_json: JsonOption = False,
) -> None:
    """Find duplicates, shared patients, outliers and shortcuts in a set of images. Exits with 3 if
    files were unusable.
    """
    from medpipe.cli.inputs import given_files
    from medpipe.cli.show import say, say_json, talk_on_stderr, transfer, working
    from medpipe.pipeline.data.image_sets import read_image_set
    from medpipe.pipeline.imaging.grouping import read_table
    from medpipe.pipeline.imaging.image_set_audit import audit_images

    if out is not None:
        check_output_folder(out, "--out")
    if write_split is not None:
        check_output_file(write_split, "--write-split")
    if as_json:
        talk_on_stderr()
    with given_files():
        groups = None if table is None else read_table(_text(table), column, str(table))
        split_of = None if split is None else read_table(_text(split), "split", str(split))
        with transfer(f"reading {folder}") as progress:
            images = read_image_set(folder, lambda done, total: progress(done, total, ""), layout)
    with given_files(), working(f"auditing {folder}"):
        found = audit_images(images, groups, train, split_of)
    if as_json:
        say_json(found.as_json())
    else:
        _print(found)
    if write_split is not None:
        with given_files():
            say(f"Split: {_write_split(write_split, images, groups)}")
    if out is not None:
        say(f"Report: {_write(out, images, found, pkcs12)}")
    if found.problems:
        raise typer.Exit(INCOMPLETE)


def _write(out: Path, images: ImageSet, found: ImageAudit, pkcs12: Path | None) -> Path:
    from medpipe.cli.judging import signing_identity
    from medpipe.evidence.files import write_atomically
    from medpipe.pipeline.imaging.image_set_audit import pictures_of
    from medpipe.report.data_report import FILE, data_report
    from medpipe.signing.sign_pdf import sign_pdf

    pdf = data_report(
        found.as_json(), pictures_of(images, found), datetime.now(UTC).replace(microsecond=0)
    )
    signed = sign_pdf(
        pdf,
        signing_identity(pkcs12),
        reason="I audited these images with medpipe; the attached file holds the results",
    )
    write_atomically(out / FILE, signed)
    return out / FILE


def _write_split(place: Path, images: ImageSet, table: dict[str, str] | None) -> Path:
    import csv
    import io

    import numpy as np

    from medpipe.evidence.files import write_atomically
    from medpipe.pipeline.data.image_groups import groups
    from medpipe.pipeline.imaging.leaked_images import group_of_each
    from medpipe.pipeline.imaging.split_audit import clean_split

    ids = np.concatenate([part.sample_id for part in images.data.parts.values()])
    known = group_of_each(table or images.group_of() or None, ids)
    split = clean_split(images.data, groups(images.data), known)
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([("image", "split"), *split.items()])
    write_atomically(place, written.getvalue().encode())
    return place


def _text(table: Path) -> str:
    from medpipe.errors import DataError

    try:
        return table.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(
            f"{table}: expected a table that can be read, got: {error.strerror or error}"
        ) from error


def _print(found: ImageAudit) -> None:
    from medpipe.cli.show import say

    say(f"{found.source}: {found.verdict}")
    say(f"Read as {found.layout}" + "".join(f"; {note}" for note in found.notes))
    for reason in found.reasons:
        say(f"  ○ {reason}")
    for open_ in found.undecided:
        say(f"  ? {open_}")
    classes = list(next(iter(found.counts.values())))
    _print_table(
        ["part", *classes],
        [[part, *(f"{n:,}" for n in count.values())] for part, count in found.counts.items()],
    )
    _print_relations(found)
    _print_groups(found)
    if found.contradicted:
        say("Copies with two labels")
        _print_pairs(found.contradicted)
        _say_bearing(found, "contradicted")
    _print_outliers(found)
    _print_shortcuts(found)
    if found.problems:
        say(f"Files and folders that could not be used: {len(found.problems):,}")
        for path, what in found.problems:
            say(f"  {path}: {what}")


def _print_relations(found: ImageAudit) -> None:
    from medpipe.cli.show import say

    say("Related images (proportion with 95 % interval over clusters of copies)")
    _print_table(
        ["part", "images that are", "proportion", "affects"],
        [[r.part, r.kind, _share(r.found), r.bears_on] for r in found.relations],
    )
    for r in found.relations:
        if r.note:
            say(f"{r.part}, {r.kind}: {r.note}")
        if r.examples and (r.weighs or not r.kind.endswith("itself")):
            say(f"{r.part}, {r.kind}, such as")
            _print_pairs(r.examples)


def _print_pairs(pairs: Sequence[tuple[str, str, str, float]]) -> None:
    from medpipe.cli.show import say

    for one, other, how, score in pairs[:SHOWN]:
        say(f"  {one}  =  {other}  {how}, correlation {score:.4f}")


def _print_outliers(found: ImageAudit) -> None:
    from medpipe.cli.show import say

    say("Outliers (proportion with 95 % interval)")
    _print_table(
        ["images that are", "proportion", ""],
        [[o.kind, _share(o.found) if o.found else "–", o.note] for o in found.oddities],
    )
    for o in found.oddities:
        if o.examples:
            say(f"{o.kind}, such as")
            for path, what in o.examples[:SHOWN]:
                say(f"  {path}  {what}")
    _say_bearing(found, "oddities")


def _print_shortcuts(found: ImageAudit) -> None:
    """What classifiers without a network reach, and which file types there are."""
    from medpipe.cli.show import say

    say("Accuracy without a network, in percentage points above the most common class")
    reached = [
        [b.part, b.model, f"{100 * b.right:.1f} %", _points(b.above), b.bears_on]
        for b in found.baselines
    ]
    _print_table(
        ["part", "sees", "accuracy", "above", "affects"],
        reached or [["no baseline was trained", *[""] * 4]],
    )
    say("File types and their classes")
    rows = [
        [s["mode"], s["tables"], s["size"], f"{s['images']:,}", _counts(s["classes"])]
        for s in found.sources
    ]
    _print_table(["mode", "JPEG tables", "size", "images", "classes"], rows)
    _say_bearing(found, "sources")


def _print_groups(found: ImageAudit) -> None:
    from medpipe.cli.show import say

    say("Distinct slices (copies counted once)")
    total = Counter(dict.fromkeys(found.slices, 0))
    for count in found.counts.values():
        total.update(count)
    _print_table(
        ["class", "images", "distinct slices"],
        [[kind, f"{total[kind]:,}", f"{n:,}"] for kind, n in found.slices.items()],
    )
    if found.shared:
        say(f"{plural(found.shared, 'slice')} in more than one class")
    for s in found.split:
        verdict = "free of leakage" if s.is_free else "not free of leakage"
        say(f"Split, {s.part} after training on {s.trained_on}: {verdict}")
        _print_table(
            ["images that", "proportion"],
            [
                ["have a copy in training", _share(s.copies)],
                ["are likely of a patient in training", _share(s.patients)],
                ["resemble a training image (second method)", _share(s.second)],
                ["resemble one of another patient (by chance)", _percent(s.expected)],
            ],
        )


def _percent(i: Any) -> str:
    return f"{100 * i.estimate:.1f} % ({100 * i.low:.1f} to {100 * i.high:.1f})"


def _say_bearing(found: ImageAudit, of: str) -> None:
    from medpipe.cli.show import say

    say(f"This affects {found.bears_on[of]}.")


def _share(found: Any) -> str:
    i = found.interval
    return (
        f"{found.count:,} of {i.n:,}, {100 * i.estimate:.1f} % ({100 * i.low:.1f} to"
        f" {100 * i.high:.1f})"
    )


def _points(i: Any) -> str:
    return f"{100 * i.estimate:+.1f} ({100 * i.low:+.1f} to {100 * i.high:+.1f})"


def _counts(count: Any) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in count.items())


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    from medpipe.cli.show import show_table

    show_table(head, rows)
