"""What a machine tells of energy, and what it does not tell is not a number."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from medpipe.pipeline.deployment import machine_state
from medpipe.pipeline.deployment.machine_state import energy_of


def test_what_cannot_be_read_is_no_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine_state, "_ENERGY", tmp_path / "no counter")
    assert math.isnan(energy_of(lambda: None, 0.01))


def test_energy_is_that_of_one_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counter = tmp_path / "energy_uj"
    counter.write_text("1000000\n")
    monkeypatch.setattr(machine_state, "_ENERGY", counter)

    def call() -> None:  # half a joule each
        counter.write_text(str(int(counter.read_text()) + 500_000))

    assert energy_of(call, 0.02) == pytest.approx(0.5)
    assert math.isnan(energy_of(lambda: counter.write_text("0"), 0.02))  # the counter ran over
