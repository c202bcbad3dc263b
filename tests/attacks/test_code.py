"""A stranger's files run nothing: what a bundle names is loaded only with permission, and then from
where it should be.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from attacks_place import EVIL, GOOD, HELPER, Run, make_bundle, reseal, write_specs
from hypothesis import given
from hypothesis import strategies as st
from made_up import PLUGIN, observations

from medpipe import registry
from medpipe.errors import CodeNotAllowed, SpecError
from medpipe.evidence import Bundle
from medpipe.judging import Outcome, judge_bundle
from medpipe.registry import code_from, resolve

JUDGE = ("-m", "medpipe.cli", "judge", "--bundle", "bundle")


def ran(folder: Path) -> bool:
    """Whether the trap was run anywhere below."""
    return any(folder.rglob("RAN"))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A bundle that names ``evilmod:score``, with the trap in the bundle, in its code and in the
    current folder.
    """
    write_specs(tmp_path / "theirs/specs", "evilmod:score")
    make_bundle(tmp_path / "bundle", tmp_path / "theirs/specs", {"evilmod.py": EVIL})
    (tmp_path / "evilmod.py").write_text(EVIL, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("judge", "--bundle", "bundle"),
        ("report", "--bundle", "bundle", "--out", "out"),
        ("sign", "--bundle", "bundle"),
    ],
)
def test_code_that_a_bundle_names_is_not_run(
    stranger: Path, run: Run, command: tuple[str, ...]
) -> None:
    done = run("-m", "medpipe.cli", *command)
    assert done.returncode == 3, done.stderr
    assert "not checked" in done.stderr
    assert "--allow-code" in done.stderr
    assert "Traceback" not in done.stderr
    assert not ran(stranger)


def test_with_permission_the_code_in_the_bundle_runs_and_it_is_said(
    stranger: Path, run: Run
) -> None:
    loud = "import sys\nsys.stderr.write(f'RAN {__file__}')\n\ndef score(o):\n    return 0.8\n"
    (stranger / "bundle/code/evilmod.py").write_text(loud, encoding="utf-8")
    reseal(stranger / "bundle")
    done = run(*JUDGE, "--allow-code")
    assert done.returncode == 0, done.stderr
    assert f"RAN {stranger / 'bundle/code/evilmod.py'}" in done.stderr
    assert "ran code of the bundle, as --allow-code permits: evilmod.py" in done.stderr
    assert not ran(stranger)
    Bundle.open(stranger / "bundle")


def test_pytest_does_not_run_code_that_only_the_bundle_names(stranger: Path, run: Run) -> None:
    """One's own specifications name no code; the bundle's name some that lies beside one's own."""
    write_specs(stranger / "specs", "accuracy")
    done = run("-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "specs", "--bundle", "bundle")
    assert done.returncode != 0
    assert "not checked" in done.stdout + done.stderr
    assert not ran(stranger)


def test_judging_by_ones_own_specifications_does_not_run_what_only_the_bundle_names(
    stranger: Path, run: Run
) -> None:
    write_specs(stranger / "specs", "accuracy")
    done = run(*JUDGE, "--specs", "specs")
    assert (done.returncode, ran(stranger)) == (3, False)


@pytest.mark.parametrize("trap", ["conftest.py", "specs/conftest.py", "specs/claims/conftest.py"])
def test_pytest_never_collects_inside_a_bundle(tmp_path: Path, run: Run, trap: str) -> None:
    write_specs(tmp_path / "theirs/specs", "accuracy")
    make_bundle(tmp_path / "bundle", tmp_path / "theirs/specs")
    (tmp_path / "bundle" / trap).write_text(EVIL, encoding="utf-8")
    reseal(tmp_path / "bundle")
    done = run(
        "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "bundle/specs", "--bundle", "bundle"
    )
    assert done.returncode == 4
    assert "inside a bundle" in done.stderr
    assert not ran(tmp_path)
    judged = run(*JUDGE)
    assert judged.returncode == 2
    assert "expected the files of a bundle" in judged.stderr


def test_specifications_in_a_bundle_are_nobodys_own(tmp_path: Path, run: Run) -> None:
    write_specs(tmp_path / "theirs/specs", "evilmod:score")
    make_bundle(tmp_path / "bundle", tmp_path / "theirs/specs", {"evilmod.py": EVIL})
    done = run(*JUDGE, "--specs", "bundle/specs")
    assert (done.returncode, ran(tmp_path)) == (2, False)
    assert "inside a bundle" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "sys:exit",
        "os:system",
        "builtins:len",
        "subprocess:run",
        "pickle:loads",
        "importlib:import_module",
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_the_standard_library_is_no_metric(tmp_path: Path, name: str, allowed: bool) -> None:
    """``builtins:len`` gave "17100 % supported"."""
    write_specs(tmp_path / "specs", name)
    bundle = make_bundle(tmp_path / "bundle", tmp_path / "specs")
    with pytest.raises(SpecError, match="the standard library's"):
        if allowed:
            with code_from(bundle.code_folder):
                judge_bundle(bundle)
        else:
            judge_bundle(bundle)


@given(st.text(max_size=30))
def test_no_name_with_a_colon_is_imported_unasked(text: str) -> None:
    before = set(sys.modules)
    with pytest.raises((CodeNotAllowed, SpecError)):
        resolve("metric", f"{text}:score")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "name",
    ["a/b:c", "../evil:c", ".evil:c", "a:b.c", "a:", ":b", "a:b:c", "a b:c", "a\0:b", "/tmp/x:y"],
)
def test_a_name_is_identifiers_and_nothing_else(tmp_path: Path, name: str) -> None:
    with code_from(tmp_path), pytest.raises(SpecError):
        resolve("metric", name)


@pytest.mark.parametrize(
    "trap", ["yaml.py", "rich.py", "jsonschema.py", "sitecustomize.py", "numpy/__init__.py"]
)
def test_nothing_in_the_current_folder_is_imported(tmp_path: Path, run: Run, trap: str) -> None:
    write_specs(tmp_path / "theirs/specs", "accuracy")
    make_bundle(tmp_path / "bundle", tmp_path / "theirs/specs")
    (tmp_path / "here" / trap).parent.mkdir(parents=True)
    (tmp_path / "here" / trap).write_text(EVIL, encoding="utf-8")
    done = run("-m", "medpipe.cli", "judge", "--bundle", "../bundle", at=tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert not ran(tmp_path)


def test_an_entry_point_in_the_current_folder_is_not_found(tmp_path: Path, run: Run) -> None:
    write_specs(tmp_path / "theirs/specs", "planted")
    (tmp_path / "evilmod.py").write_text(EVIL, encoding="utf-8")
    (tmp_path / "evil-1.dist-info").mkdir()
    (tmp_path / "evil-1.dist-info/entry_points.txt").write_text(
        "[medpipe.metrics]\nplanted = evilmod:score\n", encoding="utf-8"
    )
    (tmp_path / "evil-1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: evil\nVersion: 1\n", encoding="utf-8"
    )
    done = run("-m", "medpipe.cli", "plan", "--specs", "theirs/specs", "--profile", "small")
    assert done.returncode == 2
    assert "unknown metric" in done.stderr
    assert not ran(tmp_path)


class TestOnesOwnMetric:
    """``metric: "mymetrics:auc"`` in a file beside the folder of specifications: one rule for all
    commands.
    """

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        (tmp_path / "mymetrics.py").write_text(GOOD, encoding="utf-8")
        (tmp_path / "helper.py").write_text(HELPER, encoding="utf-8")
        (tmp_path / "made_up.py").write_text(EXPERIMENT, encoding="utf-8")
        bound = {"kind": "at_least", "value": 0.7, "rationale": "small", "unit": "proportion"}
        write_specs(tmp_path / "specs", "mymetrics:auc", criterion=bound)
        return tmp_path

    def made(self, place: Path, run: Run) -> Bundle:
        done = run(
            "-m", "medpipe.cli", "run", "--profile", "small", "--name", "toy", "--device", "cpu"
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return Bundle.open(place / "reports/toy")

    def test_run_judge_and_pytest_use_it_and_the_bundle_keeps_it(
        self, place: Path, run: Run
    ) -> None:
        bundle = self.made(place, run)
        assert bundle.code() == {"mymetrics.py": GOOD.encode(), "helper.py": HELPER.encode()}
        judged = run(
            "-m", "medpipe.cli", "judge", "--bundle", "reports/toy", "--specs", "specs", "--json"
        )
        assert judged.returncode == 0, judged.stderr
        assert json.loads(judged.stdout)["verdicts"][0]["outcome"] == "supported"
        tested = run(
            "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "specs", "--bundle", "reports/toy"
        )
        assert "1 passed" in tested.stdout, tested.stdout
        elsewhere = place / "elsewhere"
        elsewhere.mkdir()
        assert (
            run("-m", "medpipe.cli", "judge", "--bundle", "../reports/toy", at=elsewhere).returncode
            == 3
        )
        assert (
            run(
                "-m",
                "medpipe.cli",
                "judge",
                "--bundle",
                "../reports/toy",
                "--allow-code",
                at=elsewhere,
            ).returncode
            == 0
        )
        Bundle.open(place / "reports/toy")

    @pytest.mark.parametrize("changed", ["mymetrics.py", "helper.py"])
    def test_changed_code_is_noticed(self, place: Path, run: Run, changed: str) -> None:
        self.made(place, run)
        path = place / changed
        path.write_text(path.read_text(encoding="utf-8") + "# other\n", encoding="utf-8")
        for done in (
            run("-m", "medpipe.cli", "judge", "--bundle", "reports/toy", "--specs", "specs"),
            run(
                "-m",
                "pytest",
                *PLUGIN,
                "-p",
                "no:cacheprovider",
                "specs",
                "--bundle",
                "reports/toy",
            ),
        ):
            assert done.returncode != 0
            assert changed in done.stdout + done.stderr
            assert "run medpipe verify again" in done.stdout + done.stderr

    def test_code_that_is_changed_in_the_bundle_is_altered(self, place: Path, run: Run) -> None:
        self.made(place, run)
        (place / "reports/toy/code/helper.py").write_text(EVIL, encoding="utf-8")
        assert (
            run("-m", "medpipe.cli", "judge", "--bundle", "reports/toy", "--allow-code").returncode
            == 4
        )

    def test_a_misspelt_metric_is_told_before_anything_is_run(self, place: Path, run: Run) -> None:
        shutil.rmtree(place / "specs")
        write_specs(place / "specs", "mymetric:auc")
        done = run(
            "-m", "medpipe.cli", "run", "--profile", "small", "--name", "toy", "--device", "cpu"
        )
        assert done.returncode == 2
        assert "no module 'mymetric'" in done.stderr


EXPERIMENT = """import numpy as np
from medpipe import ExperimentResult, Observations


def toy(config, seed, context):
    y = np.arange(400) % 2
    right = np.arange(400) % 5 > 0
    called = np.where(right, y, 1 - y)
    columns = {"sample_id": np.arange(400).astype(str), "y_true": y, "y_pred": called}
    observed = Observations(columns, ("a", "b"))
    return ExperimentResult(resolved=config, observations={"validation": observed})
"""


@pytest.mark.parametrize(
    "body",
    [
        "return 171.0",
        "return float('nan')",
        "return -0.1",
        "return 'x'",
        "raise ValueError('no')",
        "raise SystemExit(0)",
    ],
)
def test_what_a_metric_cannot_be_is_not_judged(tmp_path: Path, body: str) -> None:
    (tmp_path / "odd.py").write_text(f"def score(o):\n    {body}\n", encoding="utf-8")
    write_specs(tmp_path / "specs", "odd:score")
    bundle = make_bundle(tmp_path / "bundle", tmp_path / "specs")
    with code_from(tmp_path):
        (verdict,) = judge_bundle(bundle)[1]
    assert verdict.outcome is Outcome.NOT_TESTED
    assert "the metric" in verdict.reason


def test_nothing_of_a_folder_stays_imported(tmp_path: Path) -> None:
    """Two bundles may each bring a module of one name."""
    o = observations(np.random.default_rng(0), 40, 0.8)
    for value in (0.25, 0.75):
        folder = tmp_path / str(value)
        folder.mkdir()
        (folder / "twin.py").write_text(f"def score(o):\n    return {value}\n", encoding="utf-8")
        with code_from(folder) as code:
            assert resolve("metric", "twin:score")(o) == value
            assert set(code.files()) == {"twin.py"}
        assert "twin" not in sys.modules
        assert not list(folder.rglob("*.pyc"))
    assert registry.allowed_code() is None


def test_code_inside_other_code_sees_its_own_module(tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "twin.py").write_text(
            f"def score(o):\n    return {name!r}\n", encoding="utf-8"
        )
    with code_from(tmp_path / "outer"):
        assert resolve("metric", "twin:score")(None) == "outer"
        with code_from(tmp_path / "inner"):
            assert resolve("metric", "twin:score")(None) == "inner"
        assert resolve("metric", "twin:score")(None) == "outer"


@pytest.mark.parametrize(
    "name", ["numpy.py", "yaml/__init__.py", "medpipe.py", "json.py", "helper/nothing.txt"]
)
def test_a_folder_hides_no_module_that_is_imported_already(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(EVIL, encoding="utf-8")
    module = name.split("/")[0].removesuffix(".py")
    before = sys.modules.get(module)
    with code_from(tmp_path), pytest.raises(SpecError):
        resolve("metric", f"{module}:score")
    assert sys.modules.get(module) is before
    assert not ran(tmp_path)
