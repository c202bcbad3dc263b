"""Text loaders: one digest whatever the packing, one sentence of error whatever the fault."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.errors import DataError, UnavailableError, UnknownNameError
from medpipe.pipeline.data import abstracts, rct
from medpipe.pipeline.data.digests import text_digest
from medpipe.pipeline.data.text import RCT_CLASSES, load_text

DEMONSTRATION_DIGEST = "sha256:a5486f5ffb89b171def6ce75fc3db97a9e5518c07c92df2139286617e2115d98"
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")),
    min_size=1,
    max_size=12,
)


def as_csv(rows: list[rct.Sentence], columns: tuple[str, ...], end: str = "\r\n") -> bytes:
    """The CSV form of sentences, with the columns in the given order."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end)
    writer.writerow(columns)
    for row in rows:
        values = {
            "abstract_id": row.abstract_id,
            "abstract_text": row.sentence,
            "target": RCT_CLASSES[row.label],
            "line_number": row.line,
            "line_id": f"{row.abstract_id}_{row.line}",
            "total_lines": 9,
        }
        writer.writerow([values[name] for name in columns])
    return stream.getvalue().encode()


def as_text(rows: list[rct.Sentence]) -> bytes:
    """The ``###id`` form of sentences."""
    return "".join(
        (f"\n###{r.abstract_id}\n" if r.line == 0 else "")
        + f"{RCT_CLASSES[r.label]}\t{r.sentence}\n"
        for r in rows
    ).encode()


def place(folder: Path, text: str) -> Path:
    """The text as train and dev part of pubmed-rct-20k in ``folder``."""
    home = folder / "pubmed-rct-20k"
    home.mkdir(parents=True)
    for part in ("train", "dev"):
        (home / f"{part}.txt").write_bytes(text.encode())
    return folder


def test_parts_labels_and_ids(tmp_path: Path, rct_text: str) -> None:
    data = load_text("pubmed-rct-20k", place(tmp_path, rct_text))
    part = data.parts["train"]
    assert list(data.parts) == ["train", "dev"] and data.classes == RCT_CLASSES
    assert part.label.dtype == np.int64
    assert [RCT_CLASSES[i] for i in part.label] == [
        "BACKGROUND",
        "METHODS",
        "OBJECTIVE",
        "RESULTS",
        "CONCLUSIONS",
    ]
    assert part.sample_id.tolist() == ["101:0", "101:1", "102:0", "102:1", "102:2"]
    assert part.groups["abstract_id"].tolist() == ["101", "101", "102", "102", "102"]
    assert part.sentences[1] == 'We gave @ mg , "twice" .'


def test_every_packing_gives_the_same_digest(tmp_path: Path, rct_text: str) -> None:
    rows = rct.parse(rct_text.encode(), "train.txt")
    full = ("target", "line_number", "abstract_text", "line_id", "abstract_id", "total_lines")
    forms = {
        "text": {"train.txt": rct_text.encode(), "dev.txt": rct_text.encode()},
        "crlf": {
            "train.txt": rct_text.replace("\n", "\r\n").encode(),
            "dev.txt": b"\xef\xbb\xbf" + rct_text.encode(),
        },
        "csv": {
            "train.csv": as_csv(rows, full),
            "dev.csv": as_csv(rows, ("abstract_id", "abstract_text", "target"), "\n"),
        },
    }
    digests = set()
    for form, files in forms.items():
        home = tmp_path / form / "PubMed_20k_RCT_numbers_replaced_with_at_sign"
        home.mkdir(parents=True)
        packed = tmp_path / f"{form}-zip" / "pubmed-rct-20k.zip"
        packed.parent.mkdir()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                (home / name).write_bytes(content)
                archive.writestr(f"inner/{name}", content)
        digests |= {
            load_text("pubmed-rct-20k", home.parent).digest,
            text_digest("pubmed-rct-20k", packed.parent),
        }
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [("METHODS\t", "RESULTS\t"), ("###101", "###103"), ("common", "rare"), ("Pain is", "Pain  is")],
)
def test_any_change_of_content_changes_the_digest(
    tmp_path: Path, rct_text: str, change: tuple[str, str]
) -> None:
    before = text_digest("pubmed-rct-20k", place(tmp_path / "a", rct_text))
    assert text_digest("pubmed-rct-20k", place(tmp_path / "b", rct_text.replace(*change))) != before


def test_a_rewritten_file_is_read_again(tmp_path: Path, rct_text: str) -> None:
    before = text_digest("pubmed-rct-20k", place(tmp_path, rct_text))
    (tmp_path / "pubmed-rct-20k" / "train.txt").write_text(
        rct_text.replace("Pain", "Gain"), encoding="utf-8"
    )
    assert text_digest("pubmed-rct-20k", tmp_path) != before


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(range(5)), WORDS), min_size=1, max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_text_and_csv_say_the_same(made: list[list[tuple[int, str]]]) -> None:
    rows = [
        rct.Sentence(str(i), line, label, word)
        for i, abstract in enumerate(made)
        for line, (label, word) in enumerate(abstract)
    ]
    assert rct.parse(as_text(rows), "a.txt") == rows
    assert (
        rct.parse(as_csv(rows, ("line_number", "target", "abstract_text", "abstract_id")), "a.csv")
        == rows
    )


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.csv"]))
def test_no_bytes_raise_anything_but_a_data_error(content: bytes, where: str) -> None:
    prefix = b"###1\n" if where == "a.txt" else b"abstract_id,abstract_text,target\n"
    for given_bytes in (content, prefix + content):
        try:
            rct.parse(given_bytes, where)
        except DataError as error:
            assert where in str(error)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "at least one"),
        (b"\n\n", "at least one"),
        (b"###1\nMETHOD\tx\n", "line 2: expected a label"),
        (b"###1\nMETHODS x\n", "line 2: expected 'LABEL<TAB>sentence'"),
        (b"METHODS\tx\n", "line 1: expected '###'"),
        (b"###1\nMETHODS\t \n", "line 2: expected a sentence"),
        (b"###\nMETHODS\tx\n", "line 1: expected an id"),
        (b"###1\n###2\nMETHODS\tx\n", "line 2: expected sentences for the abstract '1'"),
        (b"###1\nMETHODS\tx\n\n###2\n", "expected sentences for the abstract '2'"),
        (
            b"###1\nMETHODS\tx\n###2\nMETHODS\tx\n###1\nMETHODS\ty\n",
            "line 6: expected each abstract in one place",
        ),
        (b"###1\nMETHODS\tx\nMETHODS\t\xff\xfe\n", "line 3: expected UTF-8"),
        (b"###1\nMETHODS\tx\0y\n", "line 2: expected text, got a NUL"),
    ],
)
def test_faults_of_the_text_format(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=r"folder/train\.txt") as caught:
        rct.parse(content, "folder/train.txt")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: expected each of the columns"),
        ("abstract_id,target\n1,METHODS\n", "line 1: expected each of the columns"),
        ("abstract_id,abstract_text,target,target\n1,x,METHODS,METHODS\n", "once"),
        ("abstract_id,abstract_text,target\n", "at least one"),
        ("abstract_id,abstract_text,target\n1,x\n", "line 2: expected 3 columns, got 2"),
        ('abstract_id,abstract_text,target\n1,"x,METHODS\n', "well-formed CSV"),
        (
            "abstract_id,abstract_text,target,line_number\n1,x,METHODS,0\n1,y,METHODS,2\n",
            "line 3: expected line_number 1, got '2'",
        ),
        (
            "abstract_id,abstract_text,target,line_number\n1,x,METHODS,0\n2,y,METHODS,3\n",
            "rows may be missing",
        ),
        ("abstract_id,abstract_text,target\n1,x,Methods\n", "expected a label"),
    ],
)
def test_faults_of_the_csv_format(content: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        rct.parse(content.encode(), "dev.csv")
    assert "dev.csv" in str(caught.value) and says in str(caught.value)


def test_nothing_found_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        load_text(["pubmed-rct-20k", "structured-abstracts"], tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "structured-abstracts") in message
    assert "medpipe data fetch pubmed-rct-20k" in message and "MEDPIPE_DATA" in message


def test_first_that_exists_is_taken_and_a_broken_one_is_not_skipped(
    tmp_path: Path, rct_text: str
) -> None:
    assert load_text(["pubmed-rct-20k", "demonstration"], tmp_path).source == "demonstration"
    place(tmp_path, rct_text)
    assert (
        load_text(["structured-abstracts", "pubmed-rct-20k", "demonstration"], tmp_path).source
        == "pubmed-rct-20k"
    )
    (tmp_path / "pubmed-rct-20k" / "dev.txt").unlink()
    with pytest.raises(DataError, match=r"dev\.txt or dev\.csv"):
        load_text(["pubmed-rct-20k", "demonstration"], tmp_path)


def test_unknown_source_names_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="pubmed-rct-20k"):
        load_text("pubmed-rct-2k")


def test_demonstration_is_the_same_everywhere() -> None:
    data = load_text("demonstration")
    assert data.digest == DEMONSTRATION_DIGEST
    assert {
        name: len(set(part.groups["abstract_id"])) for name, part in data.parts.items()
    } == abstracts.COUNTS
    for part in data.parts.values():
        assert len(set(part.sample_id)) == len(part.sentences)
        assert set(part.groups) == {"abstract_id", "sex", "age_band", "site"}
        assert not any(
            character.isdigit() or character in "{}"
            for sentence in part.sentences
            for character in sentence
        )


def test_demonstration_is_learnable_but_not_solved() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    parts = load_text("demonstration").parts
    words = TfidfVectorizer(ngram_range=(1, 2))
    model = LogisticRegression(max_iter=300, C=10).fit(
        words.fit_transform(parts["train"].sentences), parts["train"].label
    )
    right = model.predict(words.transform(parts["test"].sentences)) == parts["test"].label
    at_c = parts["test"].groups["site"] == "C"
    assert 0.75 < right.mean() < 0.92
    assert right[at_c].mean() < right[~at_c].mean()  # the planted weakness


REAL = Path(os.environ.get("MEDPIPE_DATA", "absent"))


@pytest.mark.skipif(
    not (REAL / "structured-abstracts").is_dir(),
    reason="MEDPIPE_DATA names no folder with structured-abstracts",
)
def test_real_abstracts() -> None:
    data = load_text("structured-abstracts", REAL)
    assert {name: len(part) for name, part in data.parts.items()} == {
        "train": 36_559,
        "dev": 6_300,
        "test": 11_738,
    }
