"""The commands judge, report, sign and check-report. None of them needs torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.codes import ALTERED, DONE, INCOMPLETE, REFUTED, USAGE, check_output_folder

if TYPE_CHECKING:
    from medpipe.checking.check import Checked
    from medpipe.evidence import Bundle
    from medpipe.judging import Verdict
    from medpipe.signing.identity import Identity
    from medpipe.signing.policy import SignedPdf
    from medpipe.signing.signers import TrustedSigner

BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of a bundle.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a claim is refuted.")]
OwnSpecsOption = Annotated[
    Path | None,
    typer.Option("--specs", help="Your own specifications; metric code beside them may run."),
]
AllowCodeOption = Annotated[
    bool, typer.Option("--allow-code", help="Run the metric code in the bundle.")
]
AllClaimsOption = Annotated[
    bool, typer.Option("--all", help="Print a row for every claim, not only the headline claims.")
]
Pkcs12Option = Annotated[
    Path | None,
    typer.Option("--pkcs12", help="PKCS#12 file to sign with (default: a local identity)."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(judge)
    app.command()(report)
    app.command()(sign)
    app.command()(signer)
    app.command("check-report")(check_report)


@contextmanager
def permitted_code(bundle: Bundle, own_specs: Path | None, allow_code: bool) -> Iterator[None]:
    """What code may run while a bundle is judged: that of the reader's own specifications, or the
    bundle's if allowed.

    Raises `BundleError` where the reader's own code is not what the bundle was made with.
    """
    from medpipe.judging.estimate import own_metrics
    from medpipe.registry import code_from
    from medpipe.specs import load_specs
    from medpipe.specs.loading import code_beside

    if own_specs is not None:
        specs = load_specs(own_specs)
        with code_beside(own_specs, specs):
            bundle.require_code(own_metrics(specs))
            yield
    elif allow_code:
        with code_from(bundle.code_folder) as code:
            yield
            names = sorted(code.files())
        if names:
            typer.echo(
                f"medpipe: ran code of the bundle, as --allow-code permits: {', '.join(names)}",
                err=True,
            )
    else:
        yield


def judge_and_store(bundle: Bundle) -> Sequence[Verdict]:
    """Audit the published figures and judge a bundle; keep findings and verdicts in it, sealing it
    again where they are new.
    """
    from medpipe.audits.bundles import keep_findings
    from medpipe.cli.show import working
    from medpipe.judging import judge_bundle
    from medpipe.judging.judge import verdicts_document
    from medpipe.specs.loading import specs_from

    with working(str(bundle.folder)):
        keep_findings(bundle, specs_from(bundle.specs(), f"{bundle.folder}/specs"))
        specs, verdicts = judge_bundle(bundle)
    document = verdicts_document(specs, bundle.header()["profile"], verdicts)
    path = bundle.folder / "verdicts.json"
    if not path.is_file() or path.read_bytes() != document:
        bundle.write("verdicts.json", document)
        bundle.seal()
    return verdicts


def judge(
    bundle: BundleOption,
    as_json: JsonOption = False,
    strict: StrictOption = False,
    specs: OwnSpecsOption = None,
    allow_code: AllowCodeOption = False,
    every: AllClaimsOption = False,
) -> None:
    """Check the files of a bundle and judge every claim from its observations."""
    from medpipe.cli.show import print_json, talk_on_stderr
    from medpipe.cli.summary import print_next, print_verdicts
    from medpipe.evidence import Bundle
    from medpipe.specs.loading import specs_from

    if as_json:
        talk_on_stderr()
    opened = Bundle.open(bundle)
    with permitted_code(opened, specs, allow_code):
        verdicts = judge_and_store(opened)
    if as_json:
        print_json(opened)
    else:
        print_verdicts(specs_from(opened.specs(), str(bundle)), verdicts, every=every)
        print_next(opened, every=every, signed=False)
    end_with(verdicts, strict)


def end_with(verdicts: Sequence[Verdict], strict: bool) -> None:
    """Exit with 3 if claims were not measured because something failed, else with 1 under
    ``--strict`` if one is refuted.
    """
    from medpipe.cli.show import say
    from medpipe.judging import Outcome, not_measured

    if sentence := not_measured(verdicts):
        say(sentence)
        raise typer.Exit(INCOMPLETE)
    if strict and any(v.outcome is Outcome.REFUTED for v in verdicts):
        raise typer.Exit(REFUTED)


def report(
    bundle: BundleOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for unsigned PDFs and result files.")],
    specs: OwnSpecsOption = None,
    allow_code: AllowCodeOption = False,
) -> None:
    """Write unsigned PDFs of the report and the model card, and result files for each part."""
    from medpipe.cli.show import say, working
    from medpipe.evidence import Bundle
    from medpipe.evidence.files import write_atomically
    from medpipe.report.write import result_files, write_reports

    check_output_folder(out, "--out")
    opened = Bundle.open(bundle)
    with permitted_code(opened, specs, allow_code):
        judge_and_store(opened)
        with working(str(bundle)):
            files = {**write_reports(opened), **result_files(opened)}
    for name, content in files.items():
        write_atomically(out / name, content)
        say(f"Written, not signed: {out / name}")


def sign(
    bundle: BundleOption,
    pkcs12: Pkcs12Option = None,
    specs: OwnSpecsOption = None,
    allow_code: AllowCodeOption = False,
) -> None:
    """Write and sign the report and the model card, with the evidence attached."""
    from medpipe.cli.summary import print_reports
    from medpipe.evidence import Bundle

    opened = Bundle.open(bundle)
    check_output_folder(bundle, "--bundle")
    with permitted_code(opened, specs, allow_code):
        judge_and_store(opened)
        paths = sign_reports(opened, pkcs12)
    print_reports(opened, paths)


def sign_reports(bundle: Bundle, pkcs12: Path | None) -> list[Path]:
    """Render and sign both PDFs, unless those that lie there were made of this bundle, by this
    code, with this identity.
    """
    from medpipe.cli.show import working
    from medpipe.documents import pretty_json
    from medpipe.evidence.files import sha256, write_atomically
    from medpipe.report.signed_reports import signed_reports
    from medpipe.running.provenance import code_of

    own = signing_identity(pkcs12)
    code, packages = code_of("medpipe.report.signed_reports")
    made_of = {
        "version": 1,
        "root_digest": bundle.root_digest,
        "code_digest": code,
        "packages": packages,
        "signer": own.fingerprint,
    }
    stamp = bundle.folder / "report.json"
    names = ("audit-report.pdf", "model-card.pdf")
    if stamp.is_file() and all((bundle.folder / n).is_file() for n in names):
        files = {n: sha256((bundle.folder / n).read_bytes()) for n in names}
        if stamp.read_bytes() == pretty_json({**made_of, "files": files}):
            return [bundle.folder / n for n in names]
    with working(str(bundle.folder)):
        signed = signed_reports(bundle, own)
        check_own(signed, own)
    for name, content in signed.items():
        write_atomically(bundle.folder / name, content)
    write_atomically(
        stamp, pretty_json({**made_of, "files": {n: sha256(c) for n, c in signed.items()}})
    )
    return [bundle.folder / n for n in signed]


def check_own(signed: Mapping[str, bytes], identity: Identity) -> None:
    """Check reports as their reviewer will, before they are written. Raises `SignatureError` at the
    first step that fails.
    """
    from medpipe.checking.check import check_report as check
    from medpipe.errors import SignatureError
    from medpipe.signing.signers import trusted_from

    for name, content in signed.items():
        checked = check(
            content, trusted={identity.fingerprint: trusted_from(identity)}, allow_code=True
        )
        failed = next((s for s in checked.steps if not s.ok), None)
        if failed is not None:
            raise SignatureError(f"{name}: {failed.name}: {failed.detail}")


def signing_identity(pkcs12: Path | None) -> Identity:
    """The identity to sign with: that of a file, or this machine's own."""
    from medpipe.signing.identity import local_identity, pkcs12_identity

    if pkcs12 is None:
        return local_identity()
    passphrase = os.environ.get("MEDPIPE_PKCS12_PASSPHRASE")
    if passphrase is None and pkcs12.is_file() and sys.stdin.isatty():
        passphrase = typer.prompt("Passphrase", hide_input=True, default="", show_default=False)
    with unreadable():
        return pkcs12_identity(pkcs12, passphrase or None)


def signer(pkcs12: Pkcs12Option = None) -> None:
    """Print your entry for other people's signers.toml. Do not send it together with a report."""
    from medpipe.signing.signers import dump_signer

    typer.echo(dump_signer(signing_identity(pkcs12)), nl=False)


@contextmanager
def unreadable() -> Iterator[None]:
    """A list of signers or an identity that cannot be used is wrong usage, not an altered
    report.
    """
    from medpipe.errors import SignatureError

    try:
        yield
    except SignatureError as error:
        typer.echo(f"medpipe: {error}", err=True)
        raise typer.Exit(USAGE) from error


def check_report(
    file: Annotated[Path, typer.Argument(help="A signed report.")],
    signers: Annotated[
        Path | None, typer.Option("--signers", help="Signers that you accept (signers.toml).")
    ] = None,
    allow_code: AllowCodeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a signed report: the file, its signature, its evidence and its verdicts."""
    from medpipe.checking.check import check_report as check
    from medpipe.cli.show import print_steps, say, say_json, working
    from medpipe.documents import read_file
    from medpipe.errors import SpecError
    from medpipe.signing.policy import MAX_PDF_BYTES

    data = read_file(file, MAX_PDF_BYTES)
    if not data.startswith(b"%PDF-"):
        raise SpecError(str(file), "a PDF file", "something else")
    trusted, where = accepted_signers(signers)
    with working(str(file)):
        checked = check(data, trusted=trusted, allow_code=allow_code)
    code = DONE if checked.ok else _EXIT_CODES.get(checked.code, ALTERED)
    if as_json:
        say_json(
            {
                "file": str(file),
                "accepted": checked.ok,
                "reason": checked.code or None,
                "exit_code": code,
                "signer": _signer_json(checked.signed),
                "steps": [vars(s) for s in checked.steps],
            }
        )
    else:
        print_steps(checked.steps)
        say(_conclusion(file, checked, where))
    raise typer.Exit(code)


_EXIT_CODES = {"unknown-signer": INCOMPLETE, "not-checked": INCOMPLETE, "unreadable": USAGE}
"""Exit codes of a check that did not end with an accepted report; any other reason is an altered
file.
"""


def _signer_json(signed: SignedPdf | None) -> dict[str, Any] | None:
    return (
        None
        if signed is None
        else {
            "name": signed.signer_name,
            "fingerprint": signed.fingerprint,
            "self_issued": signed.is_local_marker,
        }
    )


def _conclusion(file: Path, checked: Checked, where: str) -> str:
    signed = checked.signed
    if checked.ok and signed is not None:
        local = (
            " The identity is self-issued: it shows that nothing changed, not who signed."
            if signed.is_local_marker
            else ""
        )
        return (
            f"Accepted: {file} is unchanged since {signed.signer_name} signed it (a signer you"
            f" accept by {where}), and its verdicts follow from its evidence.{local}"
        )
    if checked.only_signer_unknown and signed is not None:
        return (
            f"Not decided: {file} is intact, but you accept no signer yet. Ask the signer for an"
            " entry through another channel and pass it with --signers FILE (fingerprint in this"
            f" file: {signed.fingerprint})."
        )
    failed = next((step.detail for step in checked.steps if not step.ok), "")
    if checked.code in ("not-checked", "unreadable"):
        return f"Not decided: {file}: {failed}"
    return f"Refused: {file}: {checked.code}: {failed}"


def accepted_signers(path: Path | None) -> tuple[dict[str, TrustedSigner], str]:
    """The signers this reader accepts, and where that is said.

    The given list; else ``signers.toml`` in this folder and this machine's own identity.
    """
    from medpipe.signing.identity import existing_identity
    from medpipe.signing.signers import load_signers, trusted_from

    if path is not None:
        with unreadable():
            return load_signers(path), str(path)
    accepted: dict[str, TrustedSigner] = {}
    places = []
    if Path("signers.toml").is_file():
        with unreadable():
            accepted.update(load_signers(Path("signers.toml")))
        places.append("signers.toml in this folder")
    own = existing_identity()
    if own is not None:
        accepted[own.fingerprint] = trusted_from(own)
        places.append("this machine's own identity")
    return accepted, " and ".join(places)
