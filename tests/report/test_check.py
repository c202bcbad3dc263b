"""The reviewer's check: a report that holds is accepted, and evidence that does not bear it out is
found by judging again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.checking.check import Checked, check_report, differing
from medpipe.errors import BundleError
from medpipe.evidence import Bundle
from medpipe.judging import judge_bundle, stored_verdicts
from medpipe.registry import code_from
from medpipe.report.signed_reports import signed_reports
from medpipe.signing.identity import Identity, local_identity
from medpipe.signing.signers import trusted_from

pytest.importorskip("pyhanko")


@pytest.fixture(scope="module")
def reports(small_bundle: Bundle, identity: Identity) -> dict[str, bytes]:
    """Both reports of the small bundle, signed."""
    return signed_reports(small_bundle, identity)


def check(content: bytes, *accepted: Identity) -> Checked:
    return check_report(content, trusted={i.fingerprint: trusted_from(i) for i in accepted})


def failed(checked: Checked) -> tuple[str, str]:
    """Name and sentence of the step that failed."""
    assert not checked.ok
    return next((s.name, s.detail) for s in checked.steps if not s.ok)


def test_a_sound_report_is_accepted_step_by_step(
    reports: dict[str, bytes], identity: Identity, small_bundle: Bundle
) -> None:
    checked = check(reports["audit-report.pdf"], identity)
    assert checked.ok
    assert [s.number for s in checked.steps] == list(range(1, len(checked.steps) + 1))
    said = {s.name: s.detail for s in checked.steps}
    assert said["root digest"] == small_bundle.root_digest
    assert said["judged again"] == "4 verdicts recomputed from the observations, all equal"
    assert "1 unfinished" in said["attempts"]


def test_the_model_card_is_bound_to_the_same_evidence(
    reports: dict[str, bytes], identity: Identity
) -> None:
    checked = check(reports["model-card.pdf"], identity)
    assert checked.ok
    assert "check the audit report" in {s.name: s.detail for s in checked.steps}["evidence"]


def test_without_an_accepted_signer_nothing_is_decided(reports: dict[str, bytes]) -> None:
    checked = check(reports["audit-report.pdf"])
    assert (checked.ok, checked.only_signer_unknown) == (False, True)
    assert "judged again" in {s.name for s in checked.steps if s.ok}


def test_a_foreign_signer_is_refused(reports: dict[str, bytes], tmp_path: Path) -> None:
    other = local_identity(tmp_path / "other")
    assert check(reports["audit-report.pdf"], other).code == "foreign-signer"


def edited(bundle: Bundle, folder: Path, edit: Callable[[Path], object]) -> Bundle:
    """A copy of a bundle, edited behind its back and sealed again as if nothing had been."""
    shutil.copytree(bundle.folder, folder)
    edit(folder)
    copy = Bundle(folder)
    copy.seal()
    return copy


def polish_a_verdict(folder: Path) -> None:
    path = folder / "verdicts.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    refuted = next(v for v in document["verdicts"] if v["outcome"] == "refuted")
    refuted["outcome"], refuted["reason"] = (
        "supported",
        "the interval lies inside the accepted region",
    )
    path.write_text(json.dumps(document), encoding="utf-8")


def polish_an_interval(folder: Path) -> None:
    path = folder / "verdicts.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    found = next(
        v
        for v in document["verdicts"]
        if v["interval"] and v["interval"]["low"] < v["interval"]["high"]
    )
    found["interval"]["low"] += 1e-4
    path.write_text(json.dumps(document), encoding="utf-8")


def drop_a_claim(folder: Path) -> None:
    path = folder / "verdicts.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["verdicts"] = document["verdicts"][1:]
    path.write_text(json.dumps(document), encoding="utf-8")


def correct_a_prediction(folder: Path) -> None:
    """One wrong answer made right, stored as the store would."""
    bundle = Bundle(folder)
    evidence = next(e for k in sorted(bundle.keys()) if (e := bundle.get(k)) is not None)
    o = evidence.observations["validation"]
    arrays: dict[str, Any] = dict(o.arrays)
    wrong = int(np.flatnonzero(o["y_pred"] != o["y_true"])[0])
    arrays["y_pred"], arrays["y_prob"] = o["y_pred"].copy(), o["y_prob"].copy()
    arrays["y_pred"][wrong] = o["y_true"][wrong]
    arrays["y_prob"][wrong] = np.eye(len(o.classes))[o["y_true"][wrong]]
    bundle.put(
        type(evidence)(
            **{
                **vars(evidence),
                "observations": {"validation": type(o)(arrays, o.classes, o.cluster)},
            }
        )
    )


@pytest.mark.parametrize("edit", [polish_a_verdict, polish_an_interval, correct_a_prediction])
def test_an_edit_inside_an_otherwise_well_made_bundle_is_found_by_judging_again(
    edit: Callable[[Path], None], small_bundle: Bundle, identity: Identity, tmp_path: Path
) -> None:
    """Manifest, root digest, statement and signature are all in order here: only judging again can
    tell.
    """
    forged = edited(small_bundle, tmp_path / "forged", edit)
    name, sentence = failed(check(signed_reports(forged, identity)["audit-report.pdf"], identity))
    assert name == "judged again"
    assert "text.toy" in sentence or "imaging.toy" in sentence


def test_a_report_without_one_of_its_claims_is_not_even_made(
    small_bundle: Bundle, identity: Identity, tmp_path: Path
) -> None:
    with pytest.raises(BundleError):
        signed_reports(edited(small_bundle, tmp_path / "forged", drop_a_claim), identity)


def test_differing_compares_both_ways(small_bundle: Bundle) -> None:
    stored, (_, again) = stored_verdicts(small_bundle), judge_bundle(small_bundle)
    assert differing(stored, again) == []
    assert differing(stored[1:], again) == differing(stored, again[1:]) == [stored[0].claim]
    assert differing((*stored, stored[0]), again) == ["claims that are judged twice"]


def test_code_that_the_evidence_names_is_not_run_unasked(
    bundle_maker: Callable[..., Bundle],
    claim_maker: Callable[..., dict[str, Any]],
    identity: Identity,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "ran"
    (tmp_path / "stranger_metric.py").write_text(
        f"def accuracy(o):\n    open({str(trace)!r}, 'w').close()\n    return float((o['y_true'] =="
        " o['y_pred']).mean())\n",
        encoding="utf-8",
    )
    claim = claim_maker(
        "text.toy.accuracy",
        "Accuracy",
        run="text.toy",
        metric="stranger_metric:accuracy",
        split="validation",
    )
    with code_from(tmp_path) as code:
        bundle = bundle_maker([claim])
        bundle.write_code(code.files())
        bundle.seal()
        report = signed_reports(bundle, identity)["audit-report.pdf"]
    trace.unlink()
    (tmp_path / "stranger_metric.py").unlink()
    checked = check(report, identity)
    name, sentence = failed(checked)
    assert (name, checked.code, trace.exists()) == ("metrics", "not-checked", False)
    assert "--allow-code" in sentence
    permitted = check_report(
        report, trusted={identity.fingerprint: trusted_from(identity)}, allow_code=True
    )
    assert permitted.ok
    assert "stranger_metric.py" in {s.name: s.detail for s in permitted.steps}["code"]
    assert trace.exists()
    assert check_report(
        report, trusted={identity.fingerprint: trusted_from(identity)}, allow_code=True
    ).ok


def test_other_wording_is_not_another_verdict(small_bundle: Bundle) -> None:
    stored = stored_verdicts(small_bundle)
    assert differing(stored, tuple(replace(v, reason="in other words") for v in stored)) == []
