"""Specifications to judge by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from made_up import PARAMETERS, claim_data

from medpipe.specs.loading import Specs, specs_from


@pytest.fixture
def specs() -> Callable[..., Specs]:
    """Specifications with one claim, changed as asked."""

    def make(**change: Any) -> Specs:
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

    return make
