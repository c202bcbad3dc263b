"""The commands that mark synthetic images and look for marks: mark and forensics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medpipe.cli.codes import INCOMPLETE, check_output_file, check_output_folder

if TYPE_CHECKING:
    from medpipe.marking.content_credentials import ContentSigner
    from medpipe.marking.forensics import Examined
    from medpipe.marking.key import Key
    from medpipe.marking.manifest import SyntheticManifest

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Image files (JPEG or PNG).", metavar="FILE...")
]
KeyOption = Annotated[Path | None, typer.Option("--key", help="File with the secret key.")]
NewKeyOption = Annotated[
    Path | None,
    typer.Option("--new-key", help="Write a new key to this file and exit."),
]
OutOption = Annotated[
    Path, typer.Option("--out", help="New or empty folder for the marked copies.")
]
ManifestOption = Annotated[
    Path | None,
    typer.Option("--manifest", help="File for the manifest (default: in the folder)."),
]
ManifestsOption = Annotated[
    list[Path] | None,
    typer.Option("--manifest", help="Manifest to search; you can repeat this option."),
]
RunOption = Annotated[
    str | None, typer.Option("--run", help="Key of the generator's run, for the manifest.")
]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--c2pa-certificate", help="Sign with C2PA: certificate and its issuers (PEM)."),
]
PrivateOption = Annotated[
    Path | None, typer.Option("--c2pa-key", help="Private key of that certificate (PEM).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(mark)
    app.command()(forensics)


def mark(
    files: FilesArgument = None,
    key: KeyOption = None,
    out: OutOption = Path("marked"),
    manifest: ManifestOption = None,
    run: RunOption = None,
    certificate: CertificateOption = None,
    private: PrivateOption = None,
    new_key: NewKeyOption = None,
) -> None:
    """Write marked copies of synthetic images and a manifest of them. Exits with 3 if a file could
    not be marked.
    """
    from medpipe.cli.show import say, transfer
    from medpipe.errors import SpecError
    from medpipe.formatting import plural
    from medpipe.marking.key import new_key as make
    from medpipe.marking.key import read_key

    if new_key is not None:
        check_output_folder(new_key.absolute().parent, "--new-key")
        if files or key is not None:
            raise SpecError("medpipe mark", "--new-key alone", "files or --key, too")
        say(
            f"Key {make(new_key).id} written to {new_key}. Keep it secret and keep a copy: without"
            " it nobody can find the marks, with it anybody can make and remove marks."
        )
        return
    if not files or key is None:
        raise SpecError(
            "medpipe mark",
            "image files and --key FILE",
            "no key; make one with --new-key FILE" if files else "no files",
        )
    if run is not None and not (run.isprintable() and 1 <= len(run) <= 200):
        raise SpecError(
            "medpipe mark --run", "a printable text of 1 to 200 characters", repr(run[:40])
        )
    check_output_folder(out, "--out")
    if manifest is not None:
        check_output_file(manifest, "--manifest")
    secret, signer = read_key(key), _signer(certificate, private)

    from medpipe.pipeline.data.marked_copies import write_marked

    with transfer("marking") as progress:
        made = write_marked(
            files,
            out,
            secret,
            manifest=manifest,
            run=run,
            signer=signer,
            told=lambda done, total: progress(done, total, ""),
        )
    say(
        f"{plural(made.count, 'image')} marked with key {secret.id} in {out}; copies and originals"
        f" are listed in {made.path}."
    )
    if made.weak:
        shown = ", ".join(made.weak[:SHOWN]) + (", …" if len(made.weak) > SHOWN else "")
        say(
            "Too small for a reliable mark; only the manifest identifies"
            f" {plural(len(made.weak), 'image')} ({shown})."
        )
    if made.problems:
        say(f"{plural(len(made.problems), 'file')} could not be marked:")
        for what in made.problems:
            say(f"  {what}")
        raise typer.Exit(INCOMPLETE)


def _signer(certificate: Path | None, private: Path | None) -> ContentSigner | None:
    from medpipe.errors import SpecError
    from medpipe.marking.content_credentials import read_signer

    if certificate is None and private is None:
        return None
    if certificate is None or private is None:
        raise SpecError("medpipe mark", "--c2pa-certificate and --c2pa-key together", "one of them")
    return read_signer(certificate, private)


def forensics(
    files: FilesArgument = None,
    key: KeyOption = None,
    manifest: ManifestsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check whether image files are marked, listed or signed as synthetic. Unmarked does not mean
    real. Exits with 3 if a file was unusable.
    """
    from medpipe.cli.show import say, say_json
    from medpipe.errors import SpecError
    from medpipe.marking.forensics import NOTE
    from medpipe.marking.key import read_key
    from medpipe.marking.manifest import read_manifest

    if not files:
        raise SpecError("medpipe forensics", "image files", "none")
    secret = None if key is None else read_key(key)
    manifests = {str(path): read_manifest(path) for path in manifest or ()}
    found = [(str(path), _examined(path, secret, manifests)) for path in files]
    examined = [e for _, e in found if not isinstance(e, str)]
    problems = [(path, what) for path, what in found if isinstance(what, str)]
    if as_json:
        say_json(
            {
                "files": [e.as_json() for e in examined],
                "problems": problems,
                "key": secret and secret.id,
                "manifests": list(manifests),
                "note": NOTE,
            }
        )
    else:
        for sentence in [*(e.sentence() for e in examined), *(what for _, what in problems)]:
            say(sentence)
        say(NOTE)
    if problems:
        raise typer.Exit(INCOMPLETE)


def _examined(
    path: Path, key: Key | None, manifests: Mapping[str, SyntheticManifest]
) -> Examined | str:
    """What was found in a file, or why it could not be used."""
    from medpipe.errors import DataError
    from medpipe.marking.forensics import examine
    from medpipe.pipeline.data.decoding import strict_images
    from medpipe.pipeline.data.marked_copies import read_image_file

    try:
        with strict_images():
            content, image = read_image_file(path)
        return examine(str(path), content, image, key, manifests)
    except DataError as error:
        return str(error)
