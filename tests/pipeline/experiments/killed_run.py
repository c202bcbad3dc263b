"""Runs an experiment in processes that are killed at random moments until one gets through; used by
test_kill.py.

``python killed_run.py EXPERIMENT FOLDER SEED`` prints JSON: the number of kills, and whether the
result equals that of a process that nobody killed. One interpreter loads torch once and forks
before anything is computed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from medpipe.pipeline import classifier_run
from medpipe.pipeline.experiments import mri_classification, text_classification
from medpipe.pipeline.text import classifying
from medpipe.running.experiment import RunContext

spec = importlib.util.spec_from_file_location("tiny", Path(__file__).parents[1] / "conftest.py")
assert spec is not None and spec.loader is not None
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)


def prepare(name: str) -> tuple[Any, dict[str, Any]]:
    """The experiment with its tiny data, and a configuration that takes a few seconds."""
    classifier_run.SAVE_EVERY_S = classifying.SAVE_EVERY_S = 0.02
    if name in ("text", "text_sound"):
        text_classification.load_text = lambda source: tiny.text_data()
        config = {
            **tiny.TEXT,
            "training": {**tiny.TEXT["training"], "epochs": 12, "patience": None},
        }
        return text_classification.run, sound(config) if name == "text_sound" else config
    mri_classification.load_images = lambda source: tiny.image_data()
    mri_classification.build_resnet = lambda kind, *, classes, weights, head_dropout: (
        tiny.TinyNetwork(classes, head_dropout)
    )
    return mri_classification.run, {
        **tiny.IMAGES,
        "training": {**tiny.IMAGES["training"], "epochs": 12},
    }


def sound(config: dict[str, Any]) -> dict[str, Any]:
    """The same with padding masked, bucketed batches in parts, decoupled decay and an epoch chosen
    on a split of its own.
    """
    return {
        **config,
        "model": {**config["model"], "padding": "masked"},
        "training": {
            **config["training"],
            "optimizer": "adamw",
            "chosen_on": "selection",
            "pool_batches": 2,
            "accumulate": 2,
        },
    }


def child(
    run: Any, config: dict[str, Any], work: Path, out: Path, cpu_s: float = 0.0
) -> tuple[bool, float]:
    """Fork a process that runs the experiment and writes what it saw; the kernel ends it after so
    many seconds of the processor's time, which do not hang on what else runs, or never. Gives
    whether it was ended, and the time it took.
    """
    pid = os.fork()
    if pid == 0:
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        result = run(config, 7, RunContext(work, "cpu", lambda *_: None))
        seen = {
            f"{split}.{name}": array.tolist()
            for split, o in result.observations.items()
            for name, array in o.arrays.items()
        }
        history = [{k: v for k, v in row.items() if k != "epoch_s"} for row in result.history]
        weights = result.files["weights"].read_bytes().hex()
        out.write_text(
            json.dumps(
                {"seen": seen, "history": history, "weights": weights, "notes": list(result.notes)}
            )
        )
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    return os.WIFSIGNALED(status), used.ru_utime + used.ru_stime


def main() -> None:
    name, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    run, config = prepare(name)
    _, whole_s = child(run, config, folder / "whole", folder / "whole.json")
    draw, kills = random.Random(seed), 0
    while not (folder / "killed.json").exists():
        after = whole_s * draw.uniform(0.1, 0.45) if kills < 12 else 0.0
        ended, _ = child(run, config, folder / "killed", folder / "killed.json", after)
        kills += ended
    whole, killed = (
        json.loads((folder / f"{which}.json").read_text()) for which in ("whole", "killed")
    )
    equal = [key for key in ("seen", "history", "weights") if whole[key] == killed[key]]
    json.dump({"kills": kills, "equal": equal, "notes": killed["notes"]}, sys.stdout)


main()
