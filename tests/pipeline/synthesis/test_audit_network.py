"""The audit network: trained once, on seen and unseen images alike, and told by images that it was
not trained on.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.machine import open_machine
from medpipe.pipeline.synthesis import audit_network as module
from medpipe.pipeline.synthesis.audit_network import (
    AuditNetwork,
    audit_network,
    is_kept,
    trained_and_not,
)
from medpipe.pipeline.synthesis.generator_data import Images, choose
from medpipe.pipeline.synthesis.synthesis_settings import Audit, Data

WRITTEN = Audit(epochs=1, images=20)


@pytest.fixture
def few(phantoms: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Test on a dozen images, and keep in an empty folder."""
    monkeypatch.setenv("MEDPIPE_CACHE", str(tmp_path / "cache"))
    trained, untrained = trained_and_not(phantoms, 20)
    monkeypatch.setattr(module, "trained_and_not", lambda images, most: (trained, untrained[::18]))


def network(images: Images, folder: Path, **more: Any) -> AuditNetwork:
    return audit_network(
        load_images("demonstration"),
        images,
        more.get("written", WRITTEN),
        machine=open_machine("cpu", "fp32"),
        folder=folder,
        progress=lambda *_: None,
    )


def test_is_trained_on_seen_and_unseen_images_alike(phantoms: Images) -> None:
    trained, untrained = trained_and_not(phantoms, None)
    assert len(trained) + len(untrained) == len(phantoms.every)
    assert not set(phantoms.cluster[trained]) & set(phantoms.cluster[untrained])
    chosen = choose(phantoms, Data(source="demonstration", part="Training", held_out=0.5))
    seen, unseen = (np.isin(places, trained).mean() for places in (chosen.seen, chosen.unseen))
    assert seen == pytest.approx(2 / 3, abs=0.08) and unseen == pytest.approx(2 / 3, abs=0.08)
    assert len(trained_and_not(phantoms, 50)[0]) == 50


@pytest.mark.usefixtures("few")
def test_is_trained_once_and_again_where_the_kept_file_is_damaged(
    phantoms: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, data = open_machine("cpu", "fp32"), load_images("demonstration")
    assert not is_kept(data, WRITTEN, machine)
    first = network(phantoms, tmp_path / "a")
    assert is_kept(data, WRITTEN, machine) and not is_kept(
        data, Audit(epochs=2, images=20), machine
    )
    kept = next((tmp_path / "cache" / "audit_networks").glob("*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:-100])
    again = network(phantoms, tmp_path / "b")
    assert (
        again.digest == first.digest
        and (again.accuracy, again.n) == (first.accuracy, first.n)
        and first.n == 12
    )
    monkeypatch.setattr(module.fitting, "fit", lambda *_, **__: pytest.fail("trained again"))
    loaded = network(phantoms, tmp_path / "c")
    assert loaded.digest == first.digest
    pixels = phantoms.planes(64).rgb(range(5))
    for one, other in itertools.pairwise(
        each.read(pixels, torch.device("cpu")) for each in (first, loaded)
    ):
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
        assert one[0].shape == (5, len(first.axes)) and one[0].dtype == np.float16
        assert one[1].shape == (5, 4) and np.allclose(one[1].sum(axis=1), 1)


def test_features_are_those_before_the_head_turned(phantoms: Images) -> None:
    """Four images lie in three directions, so that all of their variance is kept, and the head can
    be fed again.
    """
    torch.manual_seed(0)
    plain = module.fitting.new_network(4)
    pixels = phantoms.planes(64).rgb(range(4))
    centre, axes, share = module._principal(plain, pixels, torch.device("cpu"))
    features, probable = AuditNetwork(plain, 0.5, 4, centre, axes, share).read(
        pixels, torch.device("cpu")
    )
    with torch.no_grad():
        logits = plain.eval()(module.normalise(pixels))
        again = plain.fc(torch.from_numpy(features).float() @ axes + centre)
    assert share == pytest.approx(1) and torch.allclose(axes @ axes.T, torch.eye(4), atol=1e-4)
    assert np.allclose(probable, torch.softmax(logits, 1).numpy(), atol=1e-5) and torch.allclose(
        again, logits, atol=1e-2
    )
