"""`make setup` with a stand-in for Python: what it does first, never does twice, and does again
after an interruption.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("bash") is None,
    reason="make and bash are not installed",
)

# Plays python, venv and pip: writes down what it was asked, and does what the environment tells it.
PYTHON = """#!/bin/bash
echo "$*" >> "$LOG"
case "$*" in
    *version_info*) exit "${TOO_OLD:-0}" ;;
    --version) echo "Python 3.11.0" ;;
    "-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin"
        cp "$0" "$4/bin/python"; cp "$0" "$4/bin/medpipe" ;;
    "-m pip install "*"-r "*) sleep "${PIP_SLEEPS:-0}"; exit "${PIP_FAILS:-0}" ;;
    *weasyprint*) [ -z "${NO_PANGO:-}" ] || [ -e "$PANGO" ] ;;
esac
"""


@dataclass
class Clone:
    """A folder with the Makefile and what it reads, and the stand-ins first on PATH."""

    folder: Path

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("MAKE", "MFLAGS", "PIP_"))
        }
        environment |= {
            "PATH": f"{self.folder / 'stand-ins'}:{os.environ['PATH']}",
            "LOG": str(self.folder / "log"),
            "PANGO": str(self.folder / "pango"),
            **settings,
        }
        return subprocess.Popen(
            ["make", *arguments, "PYTHON=stand-in"],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def make(self, *arguments: str, **settings: str) -> tuple[int, str]:
        process = self.start(*arguments, **settings)
        out, err = process.communicate()
        return process.returncode, out + err

    def asked(self, words: str = "") -> list[str]:
        """What the stand-ins were asked that contains ``words``."""
        log = self.folder / "log"
        return (
            [line for line in log.read_text("utf-8").splitlines() if words in line]
            if log.exists()
            else []
        )

    def touch_later(self, name: str) -> None:
        later = time.time() + 5
        os.utime(self.folder / name, (later, later))

    def stand_in(self, name: str, script: str) -> None:
        path = self.folder / "stand-ins" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, "utf-8")
        path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/lock.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    made = Clone(tmp_path)
    made.stand_in("stand-in", PYTHON)
    return made


def test_help_is_the_default_and_creates_nothing(clone: Clone) -> None:
    code, said = clone.make()
    assert code == 0 and "make verify" in said
    assert clone.asked() == []


def test_setup_installs_the_lock_with_hashes_and_is_not_done_twice(clone: Clone) -> None:
    code, said = clone.make("setup")
    assert code == 0, said
    assert clone.asked("pip install") == [
        "-m pip install --quiet --require-hashes -r requirements/lock.txt",
        "-m pip install --quiet --no-deps --no-build-isolation -e .",
    ]
    before = clone.asked()
    assert clone.make("setup") == (0, "")
    assert clone.asked() == before


def test_verify_sets_up_and_passes_its_settings_on(clone: Clone) -> None:
    code, said = clone.make("verify", "STRICT=1", "PROFILE=reduced", "NAME=x", "JOBS=2")
    assert code == 0, said
    assert clone.asked()[-1] == "verify --strict --profile reduced --name x --jobs 2"
    assert clone.make("verify", "STRICT=0")[0] == 0
    assert clone.asked()[-1] == "verify"
    assert len(clone.asked("pip install")) == 2


def test_a_failed_installation_is_not_ready_and_starts_afresh(clone: Clone) -> None:
    assert clone.make("setup", PIP_FAILS="1")[0] != 0
    assert clone.make("setup")[0] == 0
    assert len(clone.asked("venv --clear")) == 2


def test_a_killed_installation_is_not_ready_and_starts_afresh(clone: Clone) -> None:
    process = clone.start("setup", PIP_SLEEPS="3600")
    while not clone.asked("pip install"):
        assert process.poll() is None, "the installation never started"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert clone.make("setup")[0] == 0
    assert len(clone.asked("venv --clear")) == 2


def test_a_killed_update_is_not_ready_either(clone: Clone) -> None:
    assert clone.make("setup")[0] == 0
    clone.touch_later("requirements/lock.txt")
    assert clone.make("setup", PIP_FAILS="1")[0] != 0
    assert clone.make("setup")[0] == 0
    assert len(clone.asked("venv --clear")) == 2


@pytest.mark.skipif(
    shutil.which("flock") is None,
    reason="flock is not installed, so two makes do not wait for each other",
)
def test_two_at_once_install_once(clone: Clone) -> None:
    both = [clone.start("setup", PIP_SLEEPS="1") for _ in range(2)]
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert len(clone.asked("pip install")) == 2


def test_a_changed_lock_updates_in_place(clone: Clone) -> None:
    assert clone.make("setup")[0] == 0
    clone.touch_later("requirements/lock.txt")
    assert clone.make("setup")[0] == 0
    assert len(clone.asked("venv --clear")) == 1
    assert len(clone.asked("--require-hashes")) == 2


def test_a_changed_pyproject_installs_only_medpipe(clone: Clone) -> None:
    assert clone.make("setup")[0] == 0
    clone.touch_later("pyproject.toml")
    assert clone.make("setup")[0] == 0
    assert len(clone.asked("--require-hashes")) == 1
    assert len(clone.asked("-e .")) == 2


def test_an_old_python_is_told_in_one_sentence(clone: Clone) -> None:
    code, said = clone.make("setup", TOO_OLD="1")
    assert code != 0 and "medpipe needs Python 3.11 or newer" in said
    assert not clone.asked("venv")


def test_without_pango_and_root_the_one_command_is_named(clone: Clone) -> None:
    clone.stand_in("id", "#!/bin/bash\necho 1000\n")
    clone.stand_in("apt-get", '#!/bin/bash\necho apt-get "$@" >> "$LOG"\n')
    code, said = clone.make("setup", NO_PANGO="1")
    assert code != 0 and "run: sudo apt-get install -y libpango" in said
    assert not clone.asked("apt-get") and not clone.asked("-e .")


def test_without_pango_root_gets_it(clone: Clone) -> None:
    clone.stand_in("id", "#!/bin/bash\necho 0\n")
    clone.stand_in(
        "apt-get",
        '#!/bin/bash\necho apt-get "$@" >> "$LOG"\n[ "$1" != install ] || touch "$PANGO"\n',
    )
    code, said = clone.make("setup", NO_PANGO="1")
    assert code == 0, said
    assert [line.split()[1] for line in clone.asked("apt-get")] == ["update", "install"]
