"""The commands of a reader study: make a blinded reading of real and synthetic images, and score
what readers sent back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medpipe.cli.codes import check_output_folder

if TYPE_CHECKING:
    from medpipe.reader_study.drawing import Drawn
    from medpipe.reader_study.scoring import Result

RealOption = Annotated[
    Path, typer.Option("--real", help="Folder of real images (JPEG or PNG, at any depth).")
]
SyntheticOption = Annotated[Path, typer.Option("--synthetic", help="Folder of synthetic images.")]
StudyOption = Annotated[Path, typer.Option("--out", help="Folder for reading.html and key.json.")]
ImagesOption = Annotated[
    int, typer.Option("--n", help="Number of images, real and synthetic together.")
]
ShareOption = Annotated[float, typer.Option("--share", help="Proportion of synthetic images.")]
RepeatOption = Annotated[int, typer.Option("--repeat", help="Number of images shown twice.")]
ControlOption = Annotated[
    int, typer.Option("--controls", help="Number of distorted real images, in addition to --n.")
]
SizeOption = Annotated[
    int | None,
    typer.Option("--size", help="Pixels per side (default: no image is enlarged)."),
]
FitOption = Annotated[
    str,
    typer.Option("--fit", help="crop: the central square; stretch: the whole image as a square."),
]
ColourOption = Annotated[bool, typer.Option("--colour", help="Keep colour (default: grey).")]
MarginOption = Annotated[
    float,
    typer.Option(
        "--margin", help="Largest distance from 0.5 at which an ROC area counts as guessing."
    ),
]
SeedOption = Annotated[
    str | None, typer.Option("--seed", help="Seed to repeat a draw; as secret as the key.")
]
TitleOption = Annotated[str, typer.Option("--title", help="Title of the page.")]
KeyOption = Annotated[Path, typer.Option("--key", help="The study's key.json.")]
AnswersArgument = Annotated[list[Path], typer.Argument(help="Files that readers downloaded.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for result.json and result.html.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    study = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Can readers tell synthetic images from real ones?",
    )
    study.command()(make)
    study.command()(score)
    app.add_typer(study, name="reader-study")


def make(
    real: RealOption,
    synthetic: SyntheticOption,
    out: StudyOption,
    n: ImagesOption = 60,
    share: ShareOption = 0.5,
    repeat: RepeatOption = 10,
    controls: ControlOption = 6,
    size: SizeOption = None,
    fit: FitOption = "crop",
    colour: ColourOption = False,
    margin: MarginOption = 0.1,
    seed: SeedOption = None,
    title: TitleOption = "Real or synthetic?",
) -> None:
    """Write a page for readers (reading.html, works offline) and the secret key of the study
    (key.json).
    """
    from medpipe.cli.show import say
    from medpipe.errors import SpecError
    from medpipe.reader_study.drawing import StudyConfig, draw
    from medpipe.reader_study.shown_images import Folder
    from medpipe.reader_study.study import refuse_to_overwrite, write_study
    from medpipe.report.reading_page import reading_page

    if fit not in ("crop", "stretch"):
        raise SpecError("--fit", "crop or stretch", repr(fit))
    wish = StudyConfig(
        images=n,
        share=share,
        repeats=repeat,
        controls=controls,
        size=size,
        fit="stretch" if fit == "stretch" else "crop",
        colour=colour,
        margin=margin,
        title=title,
        seed=seed,
    )
    check_output_folder(out, "--out")
    refuse_to_overwrite(out)
    drawn = draw(Folder(real), Folder(synthetic), wish)
    key, page = write_study(out, drawn.study, reading_page(drawn))
    say(f"Give to readers: {page}  ({page.stat().st_size / 1e6:.1f} MB, works offline)")
    say(f"Keep secret until all have answered: {key}  SHA-256 of the key {drawn.study.commitment}")
    _say_plan(drawn)


def _say_plan(drawn: Drawn) -> None:
    from medpipe.cli.show import say
    from medpipe.formatting import agree, listed, plural
    from medpipe.reader_study.sample_size import guessing, images_needed

    study = drawn.study
    real, synthetic = (
        sum(i.origin == origin and i.repeat_of is None for i in study.items)
        for origin in ("real", "synthetic")
    )
    say(
        f"{plural(len(study.items), 'showing')} at {study.size} × {study.size}: {real} real, "
        f"{synthetic} synthetic, the rest repeats and controls."
    )
    say(
        "Shorter sides of the original images: "
        + "; ".join(f"{name} {low} to {high} pixels" for name, (low, high) in drawn.sides.items())
        + "."
    )
    if drawn.enlarged:
        say(
            f"{plural(drawn.enlarged, 'image')} {agree(drawn.enlarged, 'was', 'were')} enlarged, "
            "which blurs them; readers may notice. Leave out --size to enlarge none."
        )
    telling = listed(
        f"{c.name} (area {c.area.estimate:.2f}, {c.area.low:.2f} to {c.area.high:.2f})"
        for c in drawn.cues
        if c.tells
    )
    if telling:
        say(
            f"These image statistics reveal the origin without anatomy, and readers may use them:"
            f" {telling}. Intervals: 95 % for all statistics together."
        )
    wanted = {r: images_needed(guessing(real, synthetic), r, study.margin) for r in (1, 3, 5, 10)}
    enough = listed(f"{n:,} images with {r}" for r, n in wanted.items() if n is not None)
    say(
        f"To show that readers guess (an area within {study.margin:g} of 0.5, 80 % power), you"
        f" need about {enough} readers."
    )


def score(
    answers: AnswersArgument, key: KeyOption, as_json: JsonOption = False, out: OutOption = None
) -> None:
    """Compute how well readers distinguish real from synthetic images, and how they rate them."""
    from medpipe.cli.show import say, say_json, talk_on_stderr
    from medpipe.documents import pretty_json
    from medpipe.evidence.files import write_atomically
    from medpipe.reader_study.answers import read_answers
    from medpipe.reader_study.scoring import score as score_reading
    from medpipe.reader_study.study import read_key

    if out is not None:
        check_output_folder(out, "--out")
    if as_json:
        talk_on_stderr()
    result = score_reading(read_answers(read_key(key), answers))
    if as_json:
        say_json(result.to_json())
    else:
        _print(result)
    if out is not None:
        from medpipe.report.reading_result import result_page

        page = result_page(result)
        write_atomically(out / "result.json", pretty_json(result.to_json()))
        write_atomically(out / "result.html", page.encode())
        say(f"Result: {out / 'result.html'}")


def _print(result: Result) -> None:
    from medpipe.cli.show import say, show_table
    from medpipe.report.reading_result import MARKS, found, tables, who

    say(f"{result.study.title}  (study {result.study.id})")
    say(who(result))
    say(f"{MARKS[result.verdict]} {result.verdict}: {result.reason}")
    for sentence in found(result):
        say(f"  {sentence}")
    for table in tables(result):
        say(f"\n{table.title}")
        show_table(table.head, table.rows)
        say(table.note)
    if result.comments:
        say("\nComments")
        for reader, item, text in result.comments:
            say(f"  {reader}, image {item}: {text}")
