"""The page for readers: self-contained, silent about origins, accessible, and its answers are what
scoring reads.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_readers import answers, folders, key, readings

from medpipe.errors import MissingDependency
from medpipe.reader_study.answers import collect
from medpipe.reader_study.drawing import Drawn, StudyConfig, draw
from medpipe.reader_study.scoring import score
from medpipe.reader_study.shown_images import Folder
from medpipe.reader_study.study import CONFIDENCE_STEPS, RATING_STEPS
from medpipe.report import reading_page as page_module
from medpipe.report.reading_page import reading_page, shown_to_readers
from medpipe.report.reading_result import result_page

SCRIPT = Path(page_module.__file__).parent / "templates" / "reading.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    real, synthetic = folders(tmp_path_factory.mktemp("pools"))
    return draw(
        Folder(real),
        Folder(synthetic),
        StudyConfig(
            images=16, repeats=4, controls=2, seed="open sesame", title='A </script> & "title"'
        ),
    )


@pytest.fixture(scope="module")
def page(drawn: Drawn) -> str:
    return reading_page(drawn)


class Tags(HTMLParser):
    """All start tags with their attributes, and the ids that are there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def ids(self) -> list[str]:
        return [str(a["id"]) for _, a in self.tags if "id" in a]


def run_js(program: str, *values: Any) -> Any:
    """What a program with the page's functions as ``r`` and the values as ``v`` returns."""
    given = f"const r = require({json.dumps(str(SCRIPT))}); const v = {json.dumps(values)};"
    code = f"{given} console.log(JSON.stringify((() => {{ {program} }})()));"
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_reaches_for_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    for _, attributes in Tags(page).tags:
        for name in ("src", "href", "action", "data"):
            assert name not in attributes
    style = page[: page.index("</style>")]
    assert set(re.findall(r"url\([\"']?([a-z]+):", style)) == {"data"}
    assert "@import" not in style and not re.search(
        r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", page
    )


def test_it_holds_nothing_of_the_key_but_its_digest(page: str, drawn: Drawn) -> None:
    study = drawn.study
    assert study.commitment in page
    secrets = {
        study.nonce,
        study.seed,
        *(i.file_digest for i in study.items),
        *(i.shown_digest for i in study.items),
    }
    for secret in secrets:
        assert secret not in page
    for item in study.items:
        assert item.source not in page and Path(item.source).stem not in page.replace(
            "data:image/png", ""
        )
    assert set(shown_to_readers(drawn)) == {"id", "commitment", "size", "items", "pictures"}
    data = json.loads(
        re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.S).group(1)
    )  # type: ignore[union-attr]
    assert data == shown_to_readers(drawn)
    rest = json.dumps({k: v for k, v in data.items() if k != "pictures"})
    assert not re.search("real|synth|control|fake|repeat", rest)
    assert data["items"] == [f"{k + 1:03d}" for k in range(len(study.items))], (
        "names say the place and no more"
    )


def test_a_title_is_text(page: str) -> None:
    assert "A &lt;/script&gt; &amp; &#34;title&#34;" in page and page.count("</script>") == 2


def test_every_control_has_a_name_and_the_picture_tells_only_its_place(page: str) -> None:
    tags = Tags(page)
    assert len(tags.ids()) == len(set(tags.ids()))
    labelled = set(re.findall(r'<label for="([a-z-]+)"', page))
    for tag, attributes in tags.tags:
        if tag in ("input", "textarea") and attributes.get("type") not in ("radio", "checkbox"):
            assert attributes["id"] in labelled
        if tag == "img":
            assert attributes["alt"] == "", "set by the script to the place"
    assert page.count("<fieldset>") == page.count("<legend>") == 4
    assert (
        'lang="en"' in page and page.count('role="status"') == 3 and page.count('role="alert"') == 3
    )
    radios = [a for t, a in tags.tags if t == "input" and a.get("type") == "radio"]
    assert len(radios) == CONFIDENCE_STEPS + 2 * RATING_STEPS


def test_the_script_finds_every_element_that_it_asks_for(page: str) -> None:
    asked = set(re.findall(r'\bat\("([a-z-]+)"\)', SCRIPT.read_text("utf-8"))) | {
        "start-title",
        "item-title",
        "end-title",
        "study",
    }
    assert asked - set(Tags(page).ids()) == set() and len(asked) > 20


@needs_node
def test_answers_given_in_the_page_are_read_by_scoring(drawn: Drawn) -> None:
    """The page's own functions answer every image; the file they make is scored."""
    given = answers(drawn.study, "R-1", np.random.default_rng(0))
    given["items"][3]["comment"] = 'five "fingers", <b> & ü'
    made = run_js(
        "let s = r.fresh('R-1'); for (const a of v[1]) { const {id, ...rest} = a; s = r.changed(s,"
        " id, rest); } s = r.restored(v[0], 'R-1', JSON.stringify(s)); return"
        " [r.answersDocument(v[0], s), r.missing(v[0], s)];",
        shown_to_readers(drawn) | {"pictures": []},
        given["items"],
    )
    assert made == [given, []]
    reading = collect(drawn.study, [("answers-R-1.json", made[0])])
    assert reading.comments == (("R-1", "004", 'five "fingers", <b> & ü'),)


@needs_node
def test_half_answered_images_stay_open_and_out_of_the_file() -> None:
    study = {"id": "0" * 12, "commitment": "1" * 64, "items": ["001", "002", "003"]}
    document, missing, left = run_js(
        "let s = r.fresh('R1'); s = r.changed(s, '001', {confidence: 6, realism: 1, plausibility:"
        " 2, seconds: 30.04}); s = r.changed(s, '002', {confidence: 2}); return"
        " [r.answersDocument(v[0], s), r.missing(v[0], s), r.minutesLeft(v[0], s)];",
        study,
    )
    assert [i["id"] for i in document["items"]] == ["001"] and document["items"][0]["seconds"] == 30
    assert missing == ["002", "003"] and left is None, "too few to tell the time left"


@needs_node
def test_time_left_is_the_median_of_what_was_done() -> None:
    study = {"items": [f"{k:03d}" for k in range(1, 11)]}
    assert (
        run_js(
            "let s = r.fresh('R1'); [20, 30, 400].forEach((t, k) => { s = r.changed(s,"
            " v[0].items[k], {confidence: 1, realism: 1, plausibility: 1, seconds: t}); }); return"
            " r.minutesLeft(v[0], s);",
            study,
        )
        == 4
    )  # 7 x 30 s, rounded up


@needs_node
def test_what_was_kept_is_taken_up_only_if_it_is_whole_and_this_readers() -> None:
    study = {"items": ["001", "002"]}
    answer = {"confidence": 1, "realism": None, "plausibility": 5, "comment": "", "seconds": 1.5}
    good = {"reader": "R1", "at": 7, "answers": {"001": answer}}
    bad = [
        {**good, "reader": "R2"},
        {**good, "at": "1"},
        {**good, "answers": None},
        {**good, "answers": {"009": answer}},
        {**good, "answers": {"001": {**answer, "confidence": 7}}},
        {**good, "answers": {"001": {**answer, "comment": 3}}},
        5,
        None,
    ]
    taken = run_js(
        "return v[1].map((k) => r.restored(v[0], 'R1', JSON.stringify(k)));", study, [good, *bad]
    )
    assert taken == [{**good, "at": 1}] + [None] * len(bad)
    assert run_js("return [r.restored(v[0], 'R1', ''), r.restored(v[0], 'R1', '{')];", study) == [
        None,
        None,
    ]


@needs_node
def test_keys_and_zoom() -> None:
    found = run_js(
        "return ['1', '6', '7', 'q', 'T', 'a', 'g', 'n', 'P', '+', '=', '-', 'Enter', 'Tab', '"
        " '].map(r.keyAction);"
    )
    assert found == [
        {"question": "confidence", "value": 1},
        {"question": "confidence", "value": 6},
        None,
        {"question": "realism", "value": 1},
        {"question": "realism", "value": 5},
        {"question": "plausibility", "value": 1},
        {"question": "plausibility", "value": 5},
        {"move": 1},
        {"move": -1},
        {"zoom": 1},
        {"zoom": 1},
        {"zoom": -1},
        None,
        None,
        None,
    ]
    assert run_js(
        "return [64, 256, 512, 1024].map((s) => r.zoomLevels(s)[r.firstZoom(s, 512)]);"
    ) == [8, 2, 1, 1]
    assert (
        run_js(
            "return ['R1', 'a_b-9', '', 'Dr X', 'ü', 'x'.repeat(33)].map((c) => r.CODE.test(c));"
        )
        == [True, True] + [False] * 4
    )


def test_the_result_page_says_who_read_what_and_shows_comments_as_text() -> None:
    documents = readings(key(), 3, 0)
    documents[0][1]["items"][0]["comment"] = "<script>alert(1)</script>"
    found = score(collect(key(), documents))
    page = result_page(found)
    assert (
        "3 readers read 60 images, 30 real and 30 synthetic, 10 of them twice, and 6 distorted"
        " controls." in page
    )
    assert found.verdict in page and "&lt;script&gt;alert(1)" in page and "<script" not in page
    assert "default-src 'none'" in page and page.count('<tr><th scope="row">R') >= 6
    mean = r"\d\.\d\d \(.*\)"
    assert re.search(
        f"Realism, 1 to 5: synthetic {mean}, real {mean}, difference .*; by 3 readers on 30"
        " synthetic and 30 real",
        page,
    )


def test_without_jinja_the_message_names_the_extra(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(
        MissingDependency,
        match=r"needs jinja2, which is not installed; run: pip install 'medpipe\[report\]'",
    ):
        reading_page(drawn)
