"""Commands that make evidence: plan, data, run and verify."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medpipe.cli.codes import INCOMPLETE, check_name, check_output_folder
from medpipe.cli.judging import AllClaimsOption
from medpipe.formatting import plural

if TYPE_CHECKING:
    from medpipe.evidence import Bundle
    from medpipe.running.plan import Plan, PlannedRun
    from medpipe.running.roots import Roots
    from medpipe.specs import Specs

SpecsOption = Annotated[Path, typer.Option("--specs", help="Folder of specifications.")]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="published, reduced or demonstration (default: the best that this machine can run).",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", help="Name of the bundle below --reports (default: subject and profile)."
    ),
]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder that holds the bundles.")]
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", min=1, help="Parallel runs (default: one per core, at most four)."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
CheckpointOption = Annotated[
    str | None, typer.Option("--checkpoint", help="Folder or hub id of other transformer weights.")
]
FromOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        help=(
            "Another bundle; its evidence is used again where it still matches. "
            "You can repeat this option."
        ),
    ),
]
AnyCodeOption = Annotated[
    bool,
    typer.Option(
        "--any-code",
        help=(
            "With --from: also use evidence of the same data from other code or "
            "packages; the ledger records this."
        ),
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Target folder (default: MEDPIPE_DATA, else the cache)."),
]
ExplainOption = Annotated[
    str | None,
    typer.Option(
        "--explain",
        metavar="RUN",
        help="Show every value of one run, and the file that sets it.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a claim is refuted.")]
Pkcs12Option = Annotated[
    Path | None,
    typer.Option("--pkcs12", help="PKCS#12 file to sign with (default: a local identity)."),
]

WORK = Path(".medpipe")
"""Logs, checkpoints and weights of runs, below the working folder; no part of any bundle."""

data_app = typer.Typer(
    no_args_is_help=True,
    help="List and download data sets.",
    rich_markup_mode=None,
)


@dataclass(frozen=True)
class Job:
    """Everything the making commands agree on before they start."""

    specs: Specs
    plan: Plan
    bundle: Bundle
    work: Path
    jobs: int
    device: str
    sources: tuple[Bundle, ...]
    any_code: bool
    roots: Roots


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(verify)
    app.command()(plan)
    app.command()(run)
    app.add_typer(data_app, name="data")


def choose_profile() -> tuple[str, str]:
    """The profile for this machine, and why."""
    from medpipe.pipeline.data.paths import IMAGE_FOLDERS, TEXT_FOLDERS, find
    from medpipe.running.processes import has_cuda

    found = [
        name for known in (TEXT_FOLDERS, IMAGE_FOLDERS) for name in known if find(name, known, None)
    ]
    if not found:
        return "demonstration", "no data set was found (MEDPIPE_DATA, or: medpipe data fetch NAME)"
    if has_cuda():
        return "published", f"found data ({', '.join(found)}) and a CUDA device"
    return "reduced", f"found data ({', '.join(found)}) but no CUDA device"


def prepare(
    specs_folder: Path,
    profile: str,
    name: str | None,
    reports: Path,
    jobs: int | None,
    device: str,
    checkpoint: str | None,
    sources: list[Path] | None,
    any_code: bool,
) -> Job:
    """Load the specifications and make the plan and the bundle's folder."""
    from medpipe.evidence import Bundle
    from medpipe.running.plan import make_plan
    from medpipe.running.processes import has_cuda
    from medpipe.specs import load_specs
    from medpipe.specs.other_weights import with_checkpoint

    if name is not None:
        check_name(name, "--name")
    specs = load_specs(specs_folder)
    specs.profile(profile)
    if checkpoint is not None:
        specs = with_checkpoint(specs, profile, checkpoint)
    name = name or f"{specs.subject.id}-{profile}"
    check_output_folder(reports / name, "--reports")
    check_output_folder(WORK / name, "the work folder")
    bundle = Bundle.create(reports / name, name, profile)
    others = tuple(Bundle.open(source) for source in sources or ())
    here = min(os.cpu_count() or 1, 4) if device == "cpu" or not has_cuda() else 1
    return Job(
        specs,
        make_plan(specs, specs.profile(profile)),
        bundle,
        WORK / name,
        jobs or here,
        device,
        others,
        any_code,
        roots_of(specs_folder),
    )


def roots_of(specs_folder: Path) -> Roots:
    """The folders below which the files of runs are named."""
    from medpipe.pipeline.data.paths import cache_home, data_home
    from medpipe.running.roots import Roots

    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or "~/.cache/huggingface", "hub"
    )
    return Roots.of(
        {
            "project": specs_folder.resolve().parent,
            "working": Path.cwd(),
            "data": data_home(),
            "cache": cache_home(),
            "hub": Path(hub).expanduser(),
        },
        WORK / ".elsewhere",
    )


def make_evidence(job: Job) -> int:
    """Run what is not there yet, with progress, and seal the bundle; returns how many planned runs
    failed.
    """
    from medpipe.cli.show import Watcher, errors, note, print_plan, say
    from medpipe.judging.estimate import own_metrics
    from medpipe.running.runner import execute, only_one, reuse, to_run, trusted_without_files

    with only_one(job.work):
        waiting = to_run(job.plan, job.bundle, job.roots)
        job.bundle.drop_runs(job.plan.keys)
        job.bundle.write_specs(job.specs.files)
        job.bundle.write_code(own_metrics(job.specs))
        waiting = reuse(waiting, job.bundle, job.sources, job.roots, any_code=job.any_code)
        print_plan(job.specs, job.plan, waiting, job.jobs, out=errors)
        print_reasons(waiting)
        if old := trusted_without_files(job.plan, job.bundle, waiting):
            unchanged = "the data digests" if job.any_code else "code, packages and data digests"
            note(
                f"{plural(old, 'older run')} without a record of the files read: used again"
                f" because {unchanged} are unchanged."
            )
        if waiting:
            with Watcher(waiting) as watcher:
                execute(
                    waiting,
                    job.bundle,
                    work=job.work,
                    jobs=job.jobs,
                    device=job.device,
                    roots=job.roots,
                    listener=watcher,
                )
        job.bundle.seal()
    failed = [
        p
        for p in job.plan.runs
        if (e := job.bundle.get(p.run.key)) and e.failure and e.failure.kind == "failed"
    ]
    for p in failed:
        say(
            f"Failed: {p.protocol} seed {p.run.seed}; the traceback is in"
            f" {job.work / p.run.key}.log"
        )
    return len(failed)


def print_reasons(waiting: Sequence[PlannedRun]) -> None:
    """Why evidence that is there is made again, each reason once."""
    from medpipe.cli.show import note

    reasons: dict[tuple[str, str], int] = {}
    for p in waiting:
        if p.again:
            reasons[p.again, p.protocol] = reasons.get((p.again, p.protocol), 0) + 1
    for (reason, protocol), count in reasons.items():
        note(f"Run again: {reason} ({protocol}, {plural(count, 'run')})")


def verify(
    specs: SpecsOption = Path("specs"),
    profile: ProfileOption = None,
    name: NameOption = None,
    reports: ReportsOption = Path("reports"),
    jobs: JobsOption = None,
    device: DeviceOption = "auto",
    checkpoint: CheckpointOption = None,
    sources: FromOption = None,
    any_code: AnyCodeOption = False,
    strict: StrictOption = False,
    pkcs12: Pkcs12Option = None,
    as_json: JsonOption = False,
    every: AllClaimsOption = False,
) -> None:
    """Run the whole audit: plan, run, judge, write and sign the report, and check it."""
    from medpipe.cli.figure_audits import say_first
    from medpipe.cli.judging import end_with, judge_and_store, sign_reports
    from medpipe.cli.show import note, print_json, talk_on_stderr
    from medpipe.cli.summary import print_next, print_reports, print_verdicts
    from medpipe.specs.loading import code_beside

    if as_json:
        talk_on_stderr()
    why = "given by --profile"
    if profile is None:
        profile, why = choose_profile()
    job = prepare(specs, profile, name, reports, jobs, device, checkpoint, sources, any_code)
    note(f"Profile {profile}: {why}.")
    say_first(job.specs)
    with code_beside(specs, job.specs):
        make_evidence(job)
        verdicts = judge_and_store(job.bundle)
        paths = sign_reports(job.bundle, pkcs12)
    if as_json:
        print_json(job.bundle)
    else:
        print_verdicts(job.specs, verdicts, every=every)
        print_reports(job.bundle, paths)
        print_next(job.bundle, every=every, signed=True)
    end_with(verdicts, strict)


def plan(
    specs: SpecsOption = Path("specs"),
    profile: ProfileOption = None,
    explain: ExplainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the runs of a profile, their claims, and the deviations from the published protocol."""
    from medpipe.cli.show import note, print_plan, print_plan_json, print_settings
    from medpipe.running.plan import make_plan
    from medpipe.specs import load_specs
    from medpipe.specs.origins import settings

    if profile is None:
        profile, why = choose_profile()
        note(f"Profile {profile}: {why}.")
    loaded = load_specs(specs)
    if explain is not None:
        found = loaded.protocol(explain)
        print_settings(found, profile, settings(found, loaded.profile(profile)), as_json)
        return
    made = make_plan(loaded, loaded.profile(profile))
    if as_json:
        print_plan_json(made)
    else:
        print_plan(loaded, made, made.runs, min(os.cpu_count() or 1, 4), deviations=True)


def run(
    specs: SpecsOption = Path("specs"),
    profile: ProfileOption = None,
    name: NameOption = None,
    reports: ReportsOption = Path("reports"),
    jobs: JobsOption = None,
    device: DeviceOption = "auto",
    checkpoint: CheckpointOption = None,
    sources: FromOption = None,
    any_code: AnyCodeOption = False,
) -> None:
    """Make the missing evidence. Interrupted runs continue from their checkpoint."""
    from medpipe.cli.show import say
    from medpipe.specs.loading import code_beside

    job = prepare(
        specs,
        profile or choose_profile()[0],
        name,
        reports,
        jobs,
        device,
        checkpoint,
        sources,
        any_code,
    )
    with code_beside(specs, job.specs):
        failed = make_evidence(job)
    say(f"Evidence: {job.bundle.folder}  root digest {job.bundle.root_digest}")
    if failed:
        say(f"Incomplete: {failed} of {plural(len(job.plan.runs), 'run')} failed.")
        raise typer.Exit(INCOMPLETE)


@data_app.command("status")
def data_status(as_json: JsonOption = False) -> None:
    """List the known data sets and which of them are present."""
    from medpipe.cli.show import print_data
    from medpipe.pipeline.data.describe import status

    print_data(status(), as_json)


@data_app.command("fetch")
def data_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets to download (default: all).")
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Download data sets; an interrupted download resumes."""
    from medpipe.cli.show import say, transfer
    from medpipe.pipeline.data.fetch import fetch
    from medpipe.pipeline.data.paths import FETCHABLE, data_home

    check_output_folder(folder or data_home(), "--folder" if folder else "MEDPIPE_DATA")
    for name in names or FETCHABLE:
        with transfer(name) as progress:
            path = fetch(name, folder or data_home(), progress=progress)
        say(f"{name}: {path}")
