"""The command that audits published figures alone: no run, no data, no torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medpipe.cli.codes import REFUTED

if TYPE_CHECKING:
    from medpipe.specs import Claim, Specs
    from medpipe.specs.figures import Figures

SpecsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Folder of specifications (default: specs), or the same files as for --from.",
        show_default=False,
    ),
]
FromOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        help=(
            "A results table, classification report or confusion matrix (CSV, TSV, TXT), or "
            "figure records (YAML), of any paper. Several files are compared with each other."
        ),
        show_default=False,
    ),
]
BuildOption = Annotated[
    bool,
    typer.Option("--build", help="Also build the recorded networks with torch and count."),
]
AllOption = Annotated[bool, typer.Option("--all", help="Also show the checks that found no fault.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 if a contradiction is certain.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("audit-figures")(audit_figures)


def audit_figures(
    specs: SpecsArgument = None,
    tables: FromOption = None,
    build: BuildOption = False,
    everything: AllOption = False,
    as_json: JsonOption = False,
    strict: StrictOption = False,
) -> None:
    """Find contradictions in published figures, without data and without a run."""
    from medpipe.audits.published_figures import audit_figures as audit
    from medpipe.cli.findings import print_built, print_claims_touched, print_findings
    from medpipe.cli.show import say, say_json

    figures, claims = _records(specs or [], tables or [])
    findings = audit(figures, claims)
    built = _built(figures) if build else []
    if as_json:
        touched = {
            c.id: [f.id for f in findings if c.id in f.claims and f.severity != "clean"]
            for c in claims
        }
        say_json(
            {
                "findings": [asdict(f) for f in findings],
                "claims": touched,
                "built": built,
                "notes": figures.notes,
            }
        )
    else:
        for note in figures.notes:
            say(note)
        print_findings(findings, everything=everything)
        if claims:
            print_claims_touched([c.id for c in claims], findings)
        print_built(built)
    if strict and any(f.proves for f in findings):
        raise typer.Exit(REFUTED)


def _records(given: list[Path], tables: list[Path]) -> tuple[Figures, tuple[Claim, ...]]:
    from medpipe.errors import SpecError
    from medpipe.specs import load_specs

    files = [path for path in given if path.is_file()]
    folders = [path for path in given if path not in files]
    if files or tables:
        from medpipe.audits.tables import figures_from_tables

        if folders:
            raise SpecError(
                str(folders[0]),
                "files, where tables are given",
                "a folder or nothing; give one or the other",
            )
        return figures_from_tables([*files, *tables]), ()
    if len(folders) > 1:
        raise SpecError(str(folders[1]), "one folder of specifications", "a second one")
    specs = folders[0] if folders else Path("specs")
    loaded: Specs = load_specs(specs)
    if not loaded.figures:
        raise SpecError(
            f"{specs}/figures",
            "at least one file of figure records",
            "none; see docs/figures.md for their format",
        )
    return loaded.figures, loaded.claims


def _built(figures: Figures) -> list[dict[str, object]]:
    from medpipe.pipeline.models.layered import built

    return [built(network) for network in figures.architectures]


def say_first(specs: Specs) -> None:
    """What the published figures show by themselves, in a few lines, before anything is run."""
    from medpipe.audits.published_figures import audit_figures as audit
    from medpipe.cli.findings import print_findings_in_short

    if specs.figures:
        print_findings_in_short(audit(specs.figures, specs.claims))
