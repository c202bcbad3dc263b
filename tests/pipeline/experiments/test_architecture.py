from __future__ import annotations

from pathlib import Path

import pytest

from medpipe.errors import SpecError
from medpipe.pipeline.experiments import architecture
from medpipe.running.experiment import RunContext


def test_the_published_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    seen: list[tuple[int, int, str]] = []
    config = {"models": ["lstm", "biobert", "resnet18", "resnet50"]}
    result = architecture.run(config, 1, RunContext(tmp_path, "cpu", lambda *p: seen.append(p)))
    assert result.scalars == {
        "lstm_parameters": 3_394_053,
        "biobert_parameters": 108_314_117,
        "resnet18_parameters": 11_178_564,
        "resnet50_parameters": 23_516_228,
    }
    assert result.resolved == config and architecture.data_digests(config) == {}
    assert seen[-1][:2] == (4, 4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "config", [{}, {"models": []}, {"models": ["gpt"]}, {"models": ["lstm"], "more": 1}]
)
def test_other_parameters_are_refused(tmp_path: Path, config: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=r"^architecture\."):
        architecture.run(config, 1, RunContext(tmp_path))
