"""Exit codes and single sentences: what a user meets at the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up import evidence_of, observations

from medpipe.evidence import Bundle, Run
from medpipe.evidence.ledger import append
from medpipe.specs.loading import load_specs
from medpipe.specs.protocol import planned

ROOT = Path(__file__).resolve().parents[2]
SPECS = {
    "subject": {
        "version": 1,
        "id": "made-up",
        "name": "x",
        "revision": "1",
        "about": "x",
        "parts": {"toy": "x"},
        "documents": {"paper.pdf": "sha256:" + "0" * 64},
    },
    "claims/toy": {
        "version": 1,
        "claims": [
            {
                "id": "toy.model.accuracy",
                "title": "Accuracy",
                "statement": "It is right in 60 %.",
                "source": {"document": "paper.pdf", "place": "table 1", "printed": "60%"},
                "published": {"value": 0.6},
                "measure": {"metric": "accuracy", "run": "toy", "split": "validation"},
                "criterion": {
                    "kind": "within",
                    "margin": 0.02,
                    "rationale": "small",
                    "unit": "proportion",
                },
                "depends_on": ["data"],
            }
        ],
    },
    "profiles/small": {"version": 1, "id": "small", "title": "x", "seeds": [0]},
    "protocols/toy": {
        "version": 1,
        "id": "toy",
        "experiment": "no_such_module:run",
        "title": "x",
        "source": "x",
        "parameters": {"data": {"source": "real"}, "training": {"epochs": 5}},
    },
}


def medpipe(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MEDPIPE_IDENTITY": str(place / "identity"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "medpipe.cli", *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Specifications of one claim, which its bundle refutes."""
    folder = tmp_path_factory.mktemp("place")
    for name, document in SPECS.items():
        path = folder / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")
    specs = load_specs(folder / "specs")
    bundle = Bundle.create(folder / "bundle", "made-up", "small")
    run = Run(*planned(specs.protocols["toy"], specs.profile("small"))[0])
    made = evidence_of({"validation": observations(np.random.default_rng(0), 40_000, 0.8)})
    bundle.put(type(made)(**{**vars(made), "run": run}))
    for event in ("started", "finished"):
        append(bundle.ledger_path, event, run.key)
    bundle.write_specs(specs.files)
    bundle.seal()
    return folder


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.strip() or done.stdout.strip()


def test_judging_prints_json_under_its_schema_and_strict_gates(place: Path) -> None:
    judged = medpipe(place, "judge", "--bundle", "bundle", "--json")
    assert judged.returncode == 0, judged.stderr
    verdict = json.loads(judged.stdout)["verdicts"][0]
    assert {
        "claim",
        "outcome",
        "validity",
        "grade",
        "estimate",
        "interval",
        "published",
        "reason",
    } <= verdict.keys()
    assert verdict["outcome"] == "refuted"
    assert medpipe(place, "judge", "--bundle", "bundle", "--strict").returncode == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["judge", "--bundle", "nowhere"], 2, "expected a bundle with manifest.json"),
        (["plan", "--specs", "nowhere", "--profile", "small"], 2, "subject.yaml"),
        (["plan", "--profile", "smal"], 2, "did you mean small"),
        (["check-report", "nowhere.pdf"], 2, "No such file"),
        (["check-report", "specs/subject.yaml"], 2, "expected a PDF file"),
        (["run", "--profile", "small", "--checkpoint", "x"], 2, "model.checkpoint"),
        (["no-such-command"], 2, "No such command"),
    ],
)
def test_wrong_use_is_one_sentence_and_a_code(
    place: Path, words: list[str], code: int, says: str
) -> None:
    done = medpipe(place, *words)
    assert says in one_sentence(done)
    assert done.returncode == code


def test_an_unknown_data_set_is_named_with_those_there_are(place: Path) -> None:
    pytest.importorskip("PIL")
    done = medpipe(place, "data", "fetch", "no-such-data")
    assert done.returncode == 2
    assert "brain-tumor-mri-dataset" in one_sentence(done)


def test_an_extra_that_is_not_installed_is_named(place: Path) -> None:
    (place / "without").mkdir()
    (place / "without/PIL.py").write_text(
        "raise ModuleNotFoundError('none', name='PIL')", encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONPATH": f"{place / 'without'}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "medpipe.cli", "data", "status"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert (
        "needs PIL, which is not installed; run: pip install 'medpipe[train,report]'"
        in one_sentence(done)
    )


def test_a_changed_bundle_is_exit_4_and_names_the_file(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "bundle", tmp_path / "bundle")
    (tmp_path / "bundle/bundle.json").write_text("{}", encoding="utf-8")
    done = medpipe(tmp_path, "judge", "--bundle", "bundle")
    assert done.returncode == 4
    assert "changed bundle.json" in one_sentence(done)


def test_a_run_whose_experiment_cannot_be_loaded_has_failed(place: Path) -> None:
    done = medpipe(place, "run", "--profile", "small")
    assert done.returncode == 3, done.stderr
    judged = medpipe(place, "judge", "--bundle", "reports/made-up-small", "--json")
    assert judged.returncode == 3
    verdict = json.loads(judged.stdout)["verdicts"][0]
    assert verdict["outcome"] == "not-tested"
    assert "no module 'no_such_module'" in verdict["reason"]


def test_the_plan_as_json_names_runs_claims_and_deviations(place: Path) -> None:
    plan = json.loads(medpipe(place, "plan", "--profile", "small", "--json").stdout)
    assert plan["runs"][0]["claims"] == ["toy.model.accuracy"]
    assert plan["deviations"] == {"toy": []}


def append_newline(content: bytes) -> bytes:
    return content + b"\n"


def append_update(content: bytes) -> bytes:
    return (
        content + b"1 0 obj\n<<>>\nendobj\nxref\n0 1\n0000000000 65535 f"
        b" \ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"
    )


def flip_a_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def strip_the_signature(content: bytes) -> bytes:
    return content[: content.index(b"%%EOF") + 6]


def test_check_report_accepts_its_own_and_refuses_what_was_altered(place: Path) -> None:
    for package in ("weasyprint", "pyhanko", "jinja2"):
        pytest.importorskip(package)
    signed = medpipe(place, "sign", "--bundle", "bundle")
    assert signed.returncode == 0, signed.stderr
    report = place / "bundle/audit-report.pdf"
    assert medpipe(place, "check-report", str(report)).returncode == 0
    alterations: list[Callable[[bytes], bytes]] = [
        flip_a_byte,
        append_newline,
        append_update,
        strip_the_signature,
    ]
    for alter in alterations:
        (place / "altered.pdf").write_bytes(alter(report.read_bytes()))
        done = medpipe(place, "check-report", "altered.pdf")
        assert done.returncode == 4, f"{alter.__name__}: {done.stdout}{done.stderr}"
        assert "Refused" in one_sentence(done)
    again = medpipe(place, "sign", "--bundle", "bundle")  # nothing changed: the same files stay
    assert again.returncode == 0
    assert medpipe(place, "check-report", str(report), "--json").returncode == 0
    foreign = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MEDPIPE_IDENTITY": str(place / "somebody-else"),
    }
    unknown = subprocess.run(
        [sys.executable, "-m", "medpipe.cli", "check-report", str(report)],
        cwd=place,
        env=foreign,
        capture_output=True,
        text=True,
        check=False,
    )
    assert unknown.returncode == 3
    assert "you accept no signer yet" in unknown.stdout


def test_lists_of_signers_and_identities_that_cannot_be_used_are_wrong_usage(place: Path) -> None:
    pytest.importorskip("pyhanko")
    (place / "some.pdf").write_bytes(b"%PDF-1.7\n")
    (place / "signers-broken.toml").write_text("[[signer]]\n", encoding="utf-8")
    for words in (
        ["check-report", "some.pdf", "--signers", "nope.toml"],
        ["check-report", "some.pdf", "--signers", "signers-broken.toml"],
        ["sign", "--bundle", "bundle", "--pkcs12", "nope.p12"],
    ):
        done = medpipe(place, *words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "medpipe: " in one_sentence(done)


def test_json_of_verify_is_nothing_but_json(place: Path) -> None:
    pytest.importorskip("pyhanko")
    done = medpipe(place, "verify", "--profile", "small", "--json")
    assert done.returncode == 3, done.stderr
    verdict = json.loads(done.stdout)["verdicts"][0]
    assert (verdict["outcome"], verdict["incomplete"]) == ("not-tested", True)
    assert "1 to make" in done.stderr
