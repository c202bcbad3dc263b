"""Damaged tables are read or refused in one sentence: no other error, whatever the damage."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe import registry
from medpipe.audits.tables import figures_of
from medpipe.errors import MedpipeError

pytest.importorskip("mlscorecheck")
SEED = 20_261_130
CASES = Path(__file__).parents[1] / "data/tables"
EVERY_COLUMN = (
    "name,n,positives,runs,folds,average,accuracy,ppv,recall,specificity,f1,auc,youden,train_n,"
    "train_accuracy,gap,gain,time_ms,speedup,baseline,paired\n"
    "a,100,30,1,1,binary,88%,80%,80%,91%,80%,0.9,0.7,500,90%,2%,1%,5,2x,yes,no\n"
    "b,100,30,,,macro,88,80,80,91,80,0.9,0.7,500,90,2,1,5,2x,,yes\n"
)
PIECES = (
    *',;\t"\n%()[]-±.01<~\x00',
    *("9" * 12, "e9", "1e-30", "n:", "mean", "fold 1", "accuracy", "macro avg", "\ufeff", "nan"),
    *("inf", "-1", "0/0", "precision recall f1-score support\n", "0-0", "95% CI ", "100%", "0%"),
)


def damaged(rng: random.Random, raw: bytes) -> bytes:
    """A file with one to three places overwritten, by what tables are made of or by any bytes."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(found))
        piece = rng.choice(PIECES).encode() if rng.random() < 0.8 else rng.randbytes(3)
        found[start : start + rng.randint(0, 4)] = piece
    return bytes(found)


def test_damaged_tables_are_read_or_refused(
    scaled: Callable[[int, int], int], keep_result: Callable[[str, dict[str, Any]], None]
) -> None:
    rng, files = random.Random(SEED), scaled(300, 10_000)
    audits = [registry.resolve("audit", name) for name in registry.BUILT_IN["audit"]]
    whole = [*(path.read_bytes() for path in sorted(CASES.iterdir())), EVERY_COLUMN.encode()]
    read = 0
    for _ in range(files):
        raw, ending = damaged(rng, rng.choice(whole)), rng.choice((".csv", ".tsv", ".txt"))
        try:
            figures = figures_of(raw, Path(f"table{ending}"))
        except MedpipeError as error:
            assert "\n" not in str(error), raw
            continue
        read += 1
        for audit in audits:
            list(audit(figures))
    keep_result("malformed_tables", {"seed": SEED, "files": files, "read": read})
    assert read > files / 20
