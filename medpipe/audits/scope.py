"""Whether a claim is measured where a finding was seen: on data split alike and, for what was seen
of one network, by that network.

**Purpose.** Copies between the halves of a random split say nothing of a split by patients, though
both halves bear the same names.

**Method.** The parameters of the protocols that a claim measures, as the profile at hand changes
them, are held against those of the run in which something was seen: `DATA` must be equal, and the
whole of ``model`` where the finding is of one network.

**Limits.** What else differs (a share of the training images, the seed of the split) is taken for
the same setting.

**Example.** 59 % of copies in the validation half of ``random-by-image`` bear on claims about that
half, not on claims about ``disjoint``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from medpipe.specs.claim import Claim, Measure
from medpipe.specs.loading import Specs
from medpipe.specs.protocol import with_changes

Settings = Mapping[str, Mapping[str, Any]]
"""Protocol → its parameters."""
DATA = ("source", "part", "split", "groups")
"""What says which images or sentences are trained on, and which are reported on."""


def settings_of(specs: Specs, profile: str) -> Settings:
    """The parameters of all protocols as a profile uses them. Raises `UnknownNameError` where there
    are protocols but no such profile.
    """
    return {
        name: with_changes(protocol.parameters, specs.profile(profile).run_for(name).change)
        for name, protocol in specs.protocols.items()
    }


def measured_in(
    claim: Claim,
    settings: Settings,
    seen: Mapping[str, Any],
    *,
    by_network: bool = False,
    data: Collection[str] = DATA,
) -> Iterator[Measure]:
    """The parts of a claim's measure that are taken in the setting of a run with the parameters
    ``seen``; ``data``: what must be equal.
    """
    return (
        m
        for m in claim.measure.parts()
        if m.run in settings and _alike(settings[m.run], seen, by_network, data)
    )


def _alike(
    one: Mapping[str, Any], other: Mapping[str, Any], by_network: bool, data: Collection[str]
) -> bool:
    of_one, of_other = data_of(one), data_of(other)
    return all(of_one.get(key) == of_other.get(key) for key in data) and (
        not by_network or one.get("model") == other.get("model")
    )


def data_of(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section ``data`` of a run's parameters; empty where there is none."""
    data = parameters.get("data")
    return data if isinstance(data, Mapping) else {}
