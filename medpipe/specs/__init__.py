"""Claims, published figures, protocols and profiles: loaded from YAML and validated."""

from medpipe.specs.claim import Claim, Criterion, Measure, Published, Source
from medpipe.specs.loading import Specs, Subject, load_specs
from medpipe.specs.protocol import Deviation, Profile, Protocol

__all__ = [
    "Claim",
    "Criterion",
    "Deviation",
    "Measure",
    "Profile",
    "Protocol",
    "Published",
    "Source",
    "Specs",
    "Subject",
    "load_specs",
]
