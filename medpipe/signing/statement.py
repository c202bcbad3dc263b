"""The in-toto Statement about a bundle: one signed sentence that binds root digest, specifications
and verdicts together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medpipe.evidence import Bundle
from medpipe.evidence.files import sha256
from medpipe.judging import Outcome, Verdict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EVIDENCE, VERDICTS, STATEMENT, DATA_AUDIT = (
    "evidence.zip",
    "verdicts.json",
    "statement.json",
    "data-audit.json",
)
"""Names of the files attached to a report."""


def statement_for(bundle: Bundle, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The statement: claims that are supported passed, refuted ones failed, all others are warnings
    and never passed.
    """

    def of(*outcomes: Outcome) -> list[str]:
        return [v.claim for v in verdicts if v.outcome in outcomes]

    failed, warned = of(Outcome.REFUTED), of(Outcome.INCONCLUSIVE, Outcome.NOT_TESTED)
    manifest = bundle.manifest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": bundle.header()["name"],
                "digest": {"sha256": bundle.root_digest.removeprefix("sha256:")},
            }
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
            "configuration": [
                {"name": name, "digest": {"sha256": digest}}
                for name, digest in manifest.items()
                if name.startswith("specs/")
            ],
            "passedTests": of(Outcome.SUPPORTED),
            "warnedTests": warned,
            "failedTests": failed,
            "verdicts": {
                "name": VERDICTS,
                "digest": {"sha256": sha256((bundle.folder / VERDICTS).read_bytes())},
            },
        },
    }
