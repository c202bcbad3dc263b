"""The page that readers open: one static file with everything in it, which says nothing of what any
image is.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

from medpipe.fonts import font_css
from medpipe.reader_study.drawing import Drawn
from medpipe.reader_study.study import CONFIDENCE_STEPS, RATING_STEPS
from medpipe.report.context import package_version
from medpipe.report.write import to_html

CONFIDENCE: Final = (
    "surely real",
    "probably real",
    "rather real",
    "rather synthetic",
    "probably synthetic",
    "surely synthetic",
)
QUESTIONS: Final = (
    {
        "name": "confidence",
        "text": "Real or synthetic?",
        "steps": CONFIDENCE,
        "letters": "",
        "ends": (),
    },
    {
        "name": "realism",
        "text": "How realistic does it look?",
        "steps": ("",) * RATING_STEPS,
        "letters": "QWERT",
        "ends": ("not at all", "entirely"),
    },
    {
        "name": "plausibility",
        "text": "How plausible is the anatomy?",
        "steps": ("",) * RATING_STEPS,
        "letters": "ASDFG",
        "ends": ("impossible", "entirely"),
    },
)
assert len(CONFIDENCE) == CONFIDENCE_STEPS


def reading_page(drawn: Drawn) -> str:
    """``reading.html`` of a study. Raises `MissingDependency` without the extra "report"."""
    study = drawn.study
    return to_html(
        "reading.html",
        {
            "title": study.title,
            "study": study.id,
            "count": len(study.items),
            "commitment": study.commitment,
            "questions": QUESTIONS,
            "version": package_version(),
            "fonts": font_css(),
            "data": in_script(shown_to_readers(drawn)),
        },
    )


def shown_to_readers(drawn: Drawn) -> dict[str, Any]:
    """All that the page holds about a study: ids in the order shown, pictures as ``data:`` URLs,
    the digest of the key.
    """
    pictures = ["data:image/png;base64," + b64encode(png).decode("ascii") for png in drawn.pictures]
    return {
        "id": drawn.study.id,
        "commitment": drawn.study.commitment,
        "size": drawn.study.size,
        "items": [i.id for i in drawn.study.items],
        "pictures": pictures,
    }


def in_script(data: Any) -> str:
    """JSON that can stand in a script element."""
    return json.dumps(data).replace("<", "\\u003c")
