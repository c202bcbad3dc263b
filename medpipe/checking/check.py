"""The reviewer's check: the strict policy for the file, then the evidence it carries, then judging
again from the observations.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe.audits.bundles import audit_again
from medpipe.errors import CodeNotAllowed, MedpipeError, MissingDependency, SignatureError
from medpipe.evidence import Bundle, unpack
from medpipe.evidence.files import sha256
from medpipe.evidence.ledger import START
from medpipe.formatting import agree, plural
from medpipe.judging import Verdict, judge_bundle, stored_verdicts
from medpipe.registry import code_from
from medpipe.signing.attestation import key_id, open_statement
from medpipe.signing.policy import PolicyViolation, SignedPdf, Step, check_signed_pdf
from medpipe.signing.signers import TrustedSigner
from medpipe.signing.statement import (
    DATA_AUDIT,
    EVIDENCE,
    PREDICATE_TYPE,
    STATEMENT,
    VERDICTS,
    statement_for,
)
from medpipe.specs.loading import specs_from

TOLERANCE = 1e-9
"""Judging again on another processor may differ in the last digits of a bootstrap, and nowhere
else.
"""


@dataclass(frozen=True)
class Checked:
    """What came of a check: all numbered steps, whether all held, and whether only the signer is
    not known to the reader.
    """

    steps: tuple[Step, ...]
    signed: SignedPdf | None
    ok: bool
    only_signer_unknown: bool = False
    code: str = ""


def check_report(
    data: bytes, *, trusted: Mapping[str, TrustedSigner], allow_code: bool = False
) -> Checked:
    """Check a signed report from its bytes alone.

    ``trusted`` holds the signers the reader accepts, by fingerprint. Metrics that the evidence
    names as ``package.module:function`` are code, and are run only with ``allow_code``; without it
    nothing is decided, and ``code`` is ``not-checked``.
    """
    unknown = False
    try:
        signed = check_signed_pdf(data, trusted=trusted)
        steps = signed.steps
    except PolicyViolation as violation:
        if violation.code != "unknown-signer" or violation.signed is None:
            return Checked(violation.steps, violation.signed, ok=False, code=violation.code)
        signed, steps, unknown = violation.signed, violation.steps, True
    try:
        for name, detail in _evidence(signed, trusted, unknown, allow_code):
            steps = (*steps, Step(len(steps) + 1, name, True, detail))
    except _Contradiction as found:
        steps = (*steps, Step(len(steps) + 1, found.step, False, str(found)))
        return Checked(steps, signed, ok=False, code=found.code)
    return Checked(
        steps,
        signed,
        ok=not unknown,
        only_signer_unknown=unknown,
        code="unknown-signer" if unknown else "",
    )


class _Contradiction(SignatureError):
    """The evidence is not what the report says, or cannot be held against it (``code``)."""

    def __init__(self, step: str, sentence: str, code: str = "evidence") -> None:
        super().__init__(sentence)
        self.step, self.code = step, code


def _evidence(
    signed: SignedPdf, trusted: Mapping[str, TrustedSigner], unknown: bool, allow_code: bool
) -> Any:
    """Yield (name, detail) of each step that holds; raise at the first that does not."""
    files = signed.attachments
    if DATA_AUDIT in files and STATEMENT not in files:
        yield (
            "findings",
            (
                "a data audit, with all that was found attached; nothing can be judged again"
                " without the images: audit them again"
            ),
        )
        return
    for needed in (STATEMENT, VERDICTS):
        if needed not in files:
            raise _Contradiction(
                "evidence attached",
                f"expected the attachment {needed}, got {', '.join(files) or 'none'}",
            )
    statement = _statement(files[STATEMENT], signed, trusted, unknown)
    yield (
        "statement",
        (
            "in-toto statement about the bundle, signed by the same signer"
            if not unknown
            else "in-toto statement about the bundle; its signer is not known to you either"
        ),
    )
    if sha256(files[VERDICTS]) != statement["predicate"]["verdicts"]["digest"]["sha256"]:
        raise _Contradiction(
            "verdicts bound", "the attached verdicts are not those of the statement"
        )
    yield "verdicts bound", "the attached verdicts are those of the statement"
    if EVIDENCE not in files:
        yield "evidence", "this file carries no observations; check the audit report, which does"
        return
    with tempfile.TemporaryDirectory(prefix="medpipe-check-") as folder:
        try:
            bundle = unpack(files[EVIDENCE], Path(folder))
            yield "evidence", f"{plural(len(bundle.manifest()), 'file')}, each as the manifest says"
            with code_from(bundle.code_folder) if allow_code else nullcontext() as code:
                yield from _judged_again(bundle, files[VERDICTS], statement)
                if code is not None and (ran := sorted(code.files())):
                    yield (
                        "code",
                        (
                            "ran code that the evidence brings along, as you allowed:"
                            f" {', '.join(ran)}"
                        ),
                    )
        except _Contradiction:
            raise
        except (CodeNotAllowed, MissingDependency) as error:
            raise _Contradiction("metrics", str(error), "not-checked") from error
        except MedpipeError as error:
            raise _Contradiction("evidence", str(error).replace(folder, "evidence.zip")) from error


def _statement(
    envelope: bytes, signed: SignedPdf, trusted: Mapping[str, TrustedSigner], unknown: bool
) -> dict[str, Any]:
    try:
        key = None if unknown else trusted[signed.fingerprint].attest_public_key
        statement, _ = open_statement(envelope, None if key is None else {key_id(key): key})
    except SignatureError as error:
        raise _Contradiction("statement", str(error)) from error
    try:
        if statement["predicateType"] != PREDICATE_TYPE or len(statement["subject"]) != 1:
            raise _Contradiction(
                "statement",
                f"expected one subject and the predicate {PREDICATE_TYPE}, got another statement",
            )
        (
            str(statement["subject"][0]["digest"]["sha256"]),
            str(statement["predicate"]["verdicts"]["digest"]["sha256"]),
        )
    except (KeyError, TypeError) as error:
        raise _Contradiction(
            "statement", f"expected a statement about a bundle, got one without {error}"
        ) from error
    return statement


def _judged_again(bundle: Bundle, attached: bytes, statement: Mapping[str, Any]) -> Any:
    stated = statement["subject"][0]["digest"]["sha256"]
    if bundle.root_digest != f"sha256:{stated}":
        raise _Contradiction(
            "root digest",
            f"the evidence has the root digest {bundle.root_digest}, the statement names"
            f" sha256:{stated}",
        )
    yield "root digest", bundle.root_digest
    if (bundle.folder / VERDICTS).read_bytes() != attached:
        raise _Contradiction("verdicts", "the attached verdicts differ from those in the evidence")
    yield "audited again", _audited_again(bundle)
    stored = stored_verdicts(bundle)
    _, again = judge_bundle(bundle)
    different = differing(stored, again)
    if different:
        raise _Contradiction(
            "judged again",
            f"judging the observations again gives other verdicts for {', '.join(different)}",
        )
    if statement_for(bundle, again) != statement:
        raise _Contradiction("judged again", "the statement does not follow from the evidence")
    recomputed = plural(len(again), "verdict")
    yield "judged again", f"{recomputed} recomputed from the observations, all equal"
    yield "attempts", _attempts(bundle)
    yield (
        "trust level",
        (
            "L2 recomputed: the figures follow from the recorded predictions; that the predictions"
            " are real is not shown by this file"
        ),
    )


def _audited_again(bundle: Bundle) -> str:
    """Audit the published figures and the evidence again; whoever holds the bundle must find the
    same.
    """
    again = audit_again(bundle, specs_from(bundle.specs(), "evidence.zip/specs"))
    if again.odd:
        raise _Contradiction(
            "audited again",
            f"audited again, the bundle gives other findings: {', '.join(again.odd[:5])}",
        )
    said = "nothing that audits look at"
    if again.found:
        said = (
            f"{plural(again.found, 'finding')} from published figures and evidence, all found again"
        )
    if again.unasked:
        said += (
            f"; {len(again.unasked)} more by audits that were not made for this report:"
            f" {', '.join(again.unasked[:5])}; ask its signer why"
        )
    return said


def _attempts(bundle: Bundle) -> str:
    attempts = bundle.attempts()
    starts = plural(sum(e.event == START for e in attempts.entries), "start")
    told = f"{starts} in {plural(len(attempts.chains), 'ledger')}"
    untold = len(attempts.untold(bundle.keys()))
    head = attempts.own[-1].digest if attempts.own else "none"
    unknown = ""
    if untold:
        runs = f"{plural(untold, 'run')} {agree(untold, 'was', 'were')}"
        unknown = f"how often {runs} started, no ledger here tells; "
    return (
        f"{told}, {len(attempts.unfinished)} unfinished; {unknown}head {head}; "
        "unanchored unless you hold an earlier head"
    )


WORDS = ("title", "reason", "validity_reason", "method")
"""What may be worded otherwise by another version of medpipe without the verdict being another."""


def differing(stored: tuple[Verdict, ...], again: tuple[Verdict, ...]) -> list[str]:
    """Claims whose stored verdict is not the one that judging again gives, or that are on one side
    only.

    Numbers may differ by `TOLERANCE`, and wording is not compared.
    """
    a, b = (
        {v.claim: json.loads(json.dumps(v.as_json())) for v in side} for side in (stored, again)
    )
    if len(a) != len(stored):
        return ["claims that are judged twice"]
    return sorted(
        c for c in a.keys() | b.keys() if c not in a or c not in b or not _same(a[c], b[c])
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a if k not in WORDS)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, int | float):
        return abs(a - b) <= TOLERANCE * max(1.0, abs(a))
    return bool(a == b)
