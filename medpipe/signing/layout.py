"""What the renderer of a report and the check of its signature agree on: the signature field, and
which files may be attached.
"""

from __future__ import annotations

from typing import Final

SIGNATURE_FIELD: Final = "MedpipeSignature"
MAX_ATTACHED_BYTES: Final = 64 * 2**20
"""Size of all attached files together."""


def is_plain_name(name: str) -> bool:
    """Whether ``name`` is a file name that no system reads as a path, an option or a hidden file:
    ``[A-Za-z0-9._-]``, 1..100.
    """
    return (
        name.isascii()
        and 0 < len(name) <= 100
        and name[0] not in ".-"
        and all(c.isalnum() or c in "._-" for c in name)
    )
