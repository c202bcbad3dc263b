"""Both reports of a bundle, rendered and signed in one go: nothing is signed that was not made
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medpipe.documents import pretty_json
from medpipe.evidence import Bundle
from medpipe.judging import stored_verdicts
from medpipe.report.render import AttachedFile
from medpipe.report.write import write_reports
from medpipe.signing.attestation import sign_statement
from medpipe.signing.sign_pdf import sign_pdf
from medpipe.signing.statement import STATEMENT, statement_for

if TYPE_CHECKING:
    from medpipe.signing.identity import Identity

MEANING = "I made this report with medpipe from the attached evidence"
"""What the signature says it means, as rules on electronic records ask."""


def signed_reports(
    bundle: Bundle, identity: Identity, extra: Sequence[AttachedFile] = ()
) -> dict[str, bytes]:
    """``audit-report.pdf`` and ``model-card.pdf`` of a judged, sealed bundle, signed, with the
    signed statement attached.

    Raises `BundleError`, `SignatureError`, `MissingDependency`.
    """
    envelope = pretty_json(sign_statement(statement_for(bundle, stored_verdicts(bundle)), identity))
    attached = AttachedFile(
        STATEMENT, envelope, "Signed statement that binds root digest, specifications and verdicts"
    )
    return {
        name: sign_pdf(pdf, identity, reason=MEANING)
        for name, pdf in write_reports(bundle, [attached, *extra]).items()
    }
