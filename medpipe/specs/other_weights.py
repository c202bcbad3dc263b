"""Giving other transformer weights than the published ones: a change of the profile, and so a
deviation that is printed.
"""

from __future__ import annotations

import json
from typing import Any

from medpipe.documents import parse_yaml
from medpipe.errors import SpecError
from medpipe.specs.inheritance import without_groups
from medpipe.specs.loading import Specs, specs_from
from medpipe.specs.protocol import flatten

PATH = "model.checkpoint"


def with_checkpoint(specs: Specs, profile: str, checkpoint: str) -> Specs:
    """The same specifications in which a profile runs every protocol with a ``model.checkpoint`` on
    other weights, left out or not.

    The profile's document itself is changed, so that a bundle made of it can be judged again.
    Raises `SpecError` where no protocol has such a parameter.
    """
    using = [p.id for p in specs.protocols.values() if PATH in dict(flatten(p.parameters))]
    if not using:
        raise SpecError("--checkpoint", f"a protocol with the parameter {PATH}", "none")
    contents = dict(specs.files)
    for path, raw in specs.files.items():
        document: Any = parse_yaml(raw, path)
        if not path.startswith("profiles/") or document["id"] != profile:
            continue
        document = without_groups(document)
        for protocol in using:
            run = dict(document["runs"].get(protocol, {}))
            run.pop("leave_out", None)
            run["change"] = {**run.get("change", {}), PATH: checkpoint}
            run["because"] = "Other transformer weights were given with --checkpoint."
            document["runs"][protocol] = run
        contents[path] = (
            json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
        )  # JSON is YAML
    return specs_from(contents, "specifications with --checkpoint")
