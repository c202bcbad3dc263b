"""Claims, published figures, protocols and profiles: loaded from YAML and validated."""

from medpipe.claims.claim import Claim, Criterion, Measure, Published, Source
from medpipe.claims.loading import Specs, Subject, load_specs
from medpipe.claims.protocol import Deviation, Profile, Protocol

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
