"""No key of a measure is ignored: each changes what is judged, or is refused when the claim is
loaded.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from made_up import PARAMETERS, claim_data, evidence_of

from medpipe.errors import DataError, SpecError
from medpipe.evidence import Observations
from medpipe.judging.estimate import estimate
from medpipe.registry import BUILT_IN
from medpipe.specs.loading import Specs, specs_from
from medpipe.specs.measure_keys import ALL

pytestmark = pytest.mark.usefixtures("own_code")

KEYS: dict[str, Any] = {
    "by": "group",
    "among": ["a", "c"],
    "positive": ["a", "b"],
    "threshold": 0.7,
    "minus": {"run": "other"},
}
OWN = "made_up_studies:own_accuracy"


def loaded(**change: Any) -> Specs:
    documents: dict[str, Any] = {
        "subject.yaml": {
            "version": 1,
            "id": "made-up",
            "name": "x",
            "revision": "1",
            "about": "x",
            "parts": {"toy": "x"},
            "documents": {"paper.pdf": "sha256:" + "0" * 64},
        },
        "claims/toy.yaml": {"version": 1, "claims": [claim_data(**change)]},
        "profiles/small.yaml": {"version": 1, "id": "small", "title": "x", "seeds": [0, 1, 2]},
    }
    for name in ("toy", "other"):
        documents[f"protocols/{name}.yaml"] = {
            "version": 1,
            "id": name,
            "experiment": f"made_up:{name}",
            "title": "x",
            "source": "x",
            "parameters": PARAMETERS,
        }
    return specs_from({n: json.dumps(d).encode() for n, d in documents.items()}, "made-up")


def evidence(seed: int = 0) -> dict[str, Any]:
    """Four classes, groups of different accuracy, and another model."""
    made = {}
    for protocol, sharp in (("toy", 2.0), ("other", 1.0)):
        rng = np.random.default_rng(seed)
        true, group = rng.integers(0, 4, 600), np.arange(600) % 2
        p = np.exp(rng.normal(0, 1, (600, 4)) + np.eye(4)[true] * sharp * (1 + group[:, None]) / 2)
        p /= p.sum(axis=1, keepdims=True)
        made[protocol] = Observations(
            {
                "sample_id": np.arange(600).astype(str),
                "y_true": true,
                "y_pred": p.argmax(axis=1),
                "y_prob": p,
                "group": group,
            },
            tuple("abcd"),
        )
    return {name: [evidence_of({"validation": o}, protocol=name)] for name, o in made.items()}


@pytest.mark.parametrize("metric", [*sorted(BUILT_IN["metric"]), OWN])
@pytest.mark.parametrize(
    "keys", [c for k in (1, 2) for c in combinations(sorted(KEYS), k)], ids="+".join
)
def test_each_key_is_used_or_refused(metric: str, keys: tuple[str, ...]) -> None:
    """Where the claim loads, leaving any one of its keys out changes the estimate, or the data is
    told not to suit them.
    """
    plain = {"metric": metric, "run": "toy", "split": "validation"}
    try:
        claim = loaded(measure=plain | {key: KEYS[key] for key in keys}).claims[0]
    except SpecError as error:
        assert any(repr(key) in str(error) for key in keys) or set(keys) == {"by", "minus"}
        return
    assert BUILT_IN["metric"].get(metric, "").split(":")[0] not in (
        "medpipe.metrics.generation",
    ) or keys == ("minus",)
    if not metric_of_classes(metric):
        return
    try:
        whole = estimate(claim, evidence()).found
    except DataError:
        return
    for key in keys:
        rest = loaded(measure=plain | {k: KEYS[k] for k in keys if k != key}).claims[0]
        try:
            without = estimate(rest, evidence()).found
        except DataError:
            continue
        assert (whole.estimate, whole.low, whole.high) != (
            without.estimate,
            without.low,
            without.high,
        ), key


def metric_of_classes(metric: str) -> bool:
    return metric == OWN or BUILT_IN["metric"][metric].startswith(
        ("medpipe.metrics.classification", "medpipe.metrics.cal")
    )


def test_all_keys_are_tried() -> None:
    assert set(KEYS) == ALL


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (
            {"scalar": "x", "run": "toy", "minus": {"run": "other", "split": "s"}},
            "no 'split' beside a scalar",
        ),
        (
            {
                "metric": "accuracy",
                "split": "s",
                "run": "toy",
                "minus": {"run": "other", "scalar": "x"},
            },
            "no 'scalar' beside a metric",
        ),
        (
            {"metric": "accuracy", "split": "s", "run": "toy", "minus": {"run": "toy"}},
            "another run, split or scalar",
        ),
        (
            {"metric": "accuracy", "split": "s", "run": "toy", "by": "y_true"},
            "a column that groups",
        ),
        ({"metric": "accuracy", "split": "s", "run": "toy", "threshold": 1.0}, "exclusiveMaximum"),
        (
            {"metric": "brier_score", "split": "s", "run": "toy", "threshold": 0.3},
            "the key 'threshold', which it does not use",
        ),
        (
            {"metric": "kid", "split": "s", "run": "toy", "by": "sex"},
            "the key 'by', which it does not use",
        ),
        ({"scalar": "x", "run": "toy", "by": "sex"}, "measure"),
    ],
)
def test_what_would_be_ignored_is_refused(measure: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        loaded(measure=measure)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [True, False],
        ["f", "m"],
        [np.nan, 1.0, 2.0],
        ["f", None, "m"],
        ["f", "", "m"],
        [np.nan, "f", "m"],
    ],
    ids=repr,
)
def test_group_columns_of_any_dtype(values: list[Any]) -> None:
    made = evidence()["toy"][0].observations["validation"]
    column = np.array(
        [values[i % len(values)] for i in range(len(made))],
        dtype=object if None in values or "f" in values else None,
    )
    o = Observations({**made.arrays, "kind": column}, made.classes)
    claim = loaded(
        measure={"metric": "accuracy", "run": "toy", "split": "validation", "by": "kind"}
    ).claims[0]
    found = estimate(claim, {"toy": [evidence_of({"validation": o})]})
    correct = o["y_true"] == o["y_pred"]
    known = [v for v in dict.fromkeys(values) if v is not None and v != "" and v == v]
    scores = [correct[[values[i % len(values)] == v for i in range(len(o))]].mean() for v in known]
    assert len(known) == 2 and found.found.estimate == pytest.approx(abs(scores[0] - scores[1]))
    assert found.unknown == sum(1 for i in range(len(o)) if values[i % len(values)] not in known)


def test_pandas_columns_are_groups() -> None:
    pandas = pytest.importorskip("pandas")

    def made(column: Any) -> Observations:
        return Observations({"sample_id": np.array(list("abc")), "g": np.asarray(column)})

    assert made(pandas.Categorical(["a", None, "b"])).column("g").tolist() == ["a", "", "b"]
    assert made(pandas.array([1, None, 2], dtype="Int64")).column("g").tolist() == ["1", "", "2"]
    assert made(pandas.Series(["a", pandas.NA, "b"], dtype="string")).column("g").tolist() == [
        "a",
        "",
        "b",
    ]
    assert (
        made(pandas.to_datetime(pandas.Series(["2020-01-01", None, "2020-02-01"])))
        .column("g")
        .tolist()[1]
        == ""
    )
