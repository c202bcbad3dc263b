"""Bundles of every released format stay readable, for ever, and their verdicts stay what they
were.
"""

from __future__ import annotations

from pathlib import Path

from medpipe.evidence import Bundle
from medpipe.judging import Outcome, judge_bundle, stored_verdicts

ROOT_DIGESTS = {
    "bundle-1": "sha256:38d767a0538b1287a58699bfc7beeb65af4392ba30346e374c211e0079386d30"
}


def test_format_1_opens_and_is_judged_as_it_was(repository: Path) -> None:
    bundle = Bundle.open(repository / "tests/data/bundle-1")
    assert bundle.root_digest == ROOT_DIGESTS["bundle-1"]
    assert len(bundle.ledger()) == 9
    _, again = judge_bundle(bundle)
    assert (
        {v.claim: v.outcome for v in again}
        == {v.claim: v.outcome for v in stored_verdicts(bundle)}
        == {
            "text.toy.accuracy": Outcome.SUPPORTED,
            "text.toy.parameters": Outcome.REFUTED,
            "imaging.toy.accuracy": Outcome.INCONCLUSIVE,
            "imaging.toy.gap": Outcome.NOT_TESTED,
        }
    )
