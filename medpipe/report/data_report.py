"""The report of `medpipe audit-data`: findings with pictures side by side, as a PDF to sign."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from medpipe.formatting import plural
from medpipe.report.context import package_version
from medpipe.report.labels import assessment
from medpipe.report.render import AttachedFile, render_pdf
from medpipe.report.write import to_html
from medpipe.signing.statement import DATA_AUDIT

FILE = "data-report.pdf"
MEANINGS = {
    "clean": (
        "The intervals show that fewer than one image in a hundred has a copy (or a member of its"
        " group, if a table was given) among the training images, or among all images if the set"
        " has no parts. Fewer than one in a hundred has a copy with another label. File metadata"
        " and the border predict the class less than five percentage points better than the most"
        " common class. The audit assessed nothing else."
    ),
    "inflated": (
        "Test images have copies, or members of their group, among the training images, or would"
        " have them in a random split. An unknown part of an accuracy on these images may be"
        " memory."
    ),
    "confounded": (
        "File metadata or the border alone predict the class, without the subject. An accuracy may"
        " come from this shortcut."
    ),
    "open": (
        "The audit found no leakage and no shortcut, but it compared too little to exclude them."
    ),
    "inflated and confounded": (
        "Test images have copies, or members of their group, among the training images, or would"
        " have them in a random split. File metadata or the border alone predict the class. An"
        " accuracy on these images says little about the subject."
    ),
}
MOST_PAIRS, MOST_PROBLEMS = 8, 40


def data_report(
    found: Mapping[str, Any], pictures: Mapping[str, bytes], created: datetime
) -> bytes:
    """The unsigned PDF. ``found``: `ImageAudit` as JSON; ``pictures``: PNG by path of the images
    named as examples.
    """
    content = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True).encode()
    html = to_html("data-report.html", _context(found, pictures))
    attached = AttachedFile(DATA_AUDIT, content, "All results, machine-readable")
    return render_pdf(
        html, identifier=sha256(content).digest()[:16], created=created, attachments=[attached]
    )


def _context(found: Mapping[str, Any], pictures: Mapping[str, bytes]) -> dict[str, Any]:
    name, counts, problems = Path(found["source"]).name, found["counts"], found["problems"]
    return {
        "subject": {"name": name, "revision": found["digest"]},
        "version": package_version(),
        "demonstration": "",
        "grade": "data only",
        "number": found["digest"].removeprefix("sha256:")[:12],
        "name": name,
        "digest": found["digest"],
        "verdict": assessment(found["verdict"]),
        "meaning": MEANINGS[found["verdict"]],
        "reasons": found["reasons"],
        "undecided": found["undecided"],
        "bears_on": found["bears_on"],
        "grouped": found["grouped"],
        "images": f"{sum(n for count in counts.values() for n in count.values()):,}",
        "classes": list(next(iter(counts.values()))),
        "counts": [
            {"part": part, "counts": [f"{n:,}" for n in count.values()]}
            for part, count in counts.items()
        ],
        "relations": [
            {
                "part": r["part"],
                "kind": r["kind"],
                "share": _share(r["found"]),
                "bears_on": r["bears_on"],
                "note": r["note"],
            }
            for r in found["relations"]
        ],
        "slices": [
            {
                "kind": kind,
                "images": f"{sum(count[kind] for count in counts.values()):,}",
                "slices": f"{n:,}",
            }
            for kind, n in found["slices"].items()
        ],
        "splits": [_split(s) for s in found["split"]],
        "sheets": [_sheet(g, pictures) for g in found["groups"]],
        "galleries": list(_galleries(found, pictures)),
        "oddities": [
            {
                "kind": o["kind"],
                "share": _share(o["found"]) if o["found"] else "",
                "note": o["note"],
            }
            for o in found["oddities"]
        ],
        "layout": found["layout"],
        "notes": found["notes"],
        "odd_galleries": [
            {
                "title": o["kind"],
                "figures": [
                    {"path": path, "what": what, "uri": _uri(pictures[path])}
                    for path, what in o["examples"][:MOST_PAIRS]
                ],
            }
            for o in found["oddities"]
            if o["examples"]
        ],
        "learnt": found["trained_on"] or "four fifths of the clusters of copies",
        "baselines": [
            {
                "part": b["part"],
                "model": b["model"],
                "right": f"{100 * b['right']:.1f} %",
                "above": _points(b["above"]),
                "bears_on": b["bears_on"],
            }
            for b in found["baselines"]
        ],
        "sources": [
            {
                **s,
                "images": f"{s['images']:,}",
                "classes": ", ".join(f"{k} {n:,}" for k, n in s["classes"].items()),
            }
            for s in found["sources"]
        ],
        "problems": [{"path": path, "what": what} for path, what in problems[:MOST_PROBLEMS]],
        "problems_left": max(0, len(problems) - MOST_PROBLEMS),
    }


def _sheet(group: Mapping[str, Any], pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """A contact sheet: the first images of a group, each with what was altered."""
    images, count = group["images"], group["count"]
    shown = "all" if len(images) == count else f"the first {len(images)}"
    about = (
        f"Classes: {', '.join(group['classes'])}. Shown: {shown}. Weakest link: {group['kind']}."
    )
    return {
        "title": (
            f"A group of {count:,} images that show {plural(group['slices'], 'distinct slice')}"
        ),
        "about": about,
        "figures": [
            {"path": path, "what": what, "uri": _uri(pictures[path])} for path, what in images
        ],
    }


def _split(split: Mapping[str, Any]) -> dict[str, Any]:
    expected = split["expected"]
    chance = (
        f"{100 * expected['estimate']:.1f} % ({100 * expected['low']:.1f} to"
        f" {100 * expected['high']:.1f})"
    )
    rows = [
        ("have a copy in training", _share(split["copies"])),
        ("are likely of a patient in training", _share(split["patients"])),
        ("resemble a training image (second method)", _share(split["second"])),
        ("resemble one of another patient (by chance)", chance),
    ]
    return {
        "part": split["part"],
        "trained_on": split["trained_on"],
        "verdict": "free of leakage" if split["is_free"] else "not free of leakage",
        "rows": [{"kind": kind, "share": said} for kind, said in rows],
    }


def _galleries(found: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    for r in found["relations"]:
        if r["kind"].startswith("copies") and r["examples"]:
            about = "One pair from each of the first clusters, most similar pairs first."
            yield {
                "title": f"{r['part']}: {r['kind']}",
                "about": about,
                "pairs": list(_pairs(r["examples"], pictures)),
            }
    if found["contradicted"]:
        about = f"The folder is the label. This affects {found['bears_on']['contradicted']}."
        yield {
            "title": "Copies with two labels",
            "about": about,
            "pairs": list(_pairs(found["contradicted"], pictures)),
        }


def _pairs(examples: Any, pictures: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    for first, second, how, score in examples[:MOST_PAIRS]:
        yield {
            "first": first,
            "second": second,
            "how": how,
            "score": f"{score:.4f}",
            "first_uri": _uri(pictures[first]),
            "second_uri": _uri(pictures[second]),
        }


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode("ascii")


def _share(found: Mapping[str, Any]) -> str:
    i = found["interval"]
    return (
        f"{found['count']:,} of {i['n']:,}, {100 * i['estimate']:.1f} % ({100 * i['low']:.1f} to"
        f" {100 * i['high']:.1f})"
    )


def _points(i: Mapping[str, Any]) -> str:
    return f"{100 * i['estimate']:+.1f} ({100 * i['low']:+.1f} to {100 * i['high']:+.1f})".replace(
        "-", "\N{MINUS SIGN}"
    )
