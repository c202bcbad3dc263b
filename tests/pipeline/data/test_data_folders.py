"""Anybody's sentences as ``folder:<path>``."""

from __future__ import annotations

from pathlib import Path

import pytest

from medpipe.errors import DataError, SpecError, UnavailableError, UnknownNameError
from medpipe.pipeline.data.text import load_text

TRAIN = (
    'note,label,text,group\r\n1,plan,"Stop it, now .",p1\r\n2,history,Pain for @ days'
    " .,p2\r\n3,plan,Come back .,p1\r\n"
)
DEV = "group,text,label\nq1,Pain .,history\n"


def placed(folder: Path, **parts: str) -> Path:
    folder.mkdir(parents=True)
    for name, content in parts.items():
        (folder / name.replace("_", ".")).write_text(content, "utf-8")
    return folder


def test_csv_with_any_labels(tmp_path: Path) -> None:
    place = placed(tmp_path / "notes", train_csv=TRAIN, dev_csv=DEV)
    data = load_text("folder:notes", tmp_path)
    assert (data.classes, list(data.parts), data.source) == (
        ("history", "plan"),
        ["train", "dev"],
        "folder:notes",
    )
    part = data.parts["train"]
    assert part.label.tolist() == [1, 0, 1] and part.sample_id.tolist() == ["p1:0", "p2:0", "p1:1"]
    assert part.sentences[0] == "Stop it, now ." and part.groups["abstract_id"].tolist() == [
        "p1",
        "p2",
        "p1",
    ]
    absolute = load_text(f"folder:{place}", tmp_path / "elsewhere")
    assert absolute.digest == data.digest, "the digest is of the content"
    assert load_text(["pubmed-rct-20k", "folder:notes"], tmp_path).source == "folder:notes"


def test_the_format_of_pubmed_rct_with_other_labels(tmp_path: Path) -> None:
    placed(
        tmp_path / "x",
        train_txt="###1\nYES\tA b .\nNO\tC .\n\n",
        dev_txt="###2\nNO\tD .\n",
        test_txt="###3\nYES\tE .\n",
    )
    data = load_text("folder:x", tmp_path)
    assert data.classes == ("NO", "YES") and [p.label.tolist() for p in data.parts.values()] == [
        [1, 0],
        [0],
        [1],
    ]


@pytest.mark.parametrize(
    ("train", "dev", "said"),
    [
        (
            "text,label\na,b\n",
            DEV,
            (
                r"train\.csv, line 1: expected each of the columns group, text, label once, got"
                r" text, label"
            ),
        ),
        (
            "text,label,group\na,b,\n",
            DEV,
            r"train\.csv, line 2: expected a group, got an empty one",
        ),
        (
            "text,label,group\na,b,c\n",
            DEV,
            r"train\.csv: expected sentences with at least two labels, got b",
        ),
        (
            TRAIN,
            "text,label,group\na,other,c\n",
            r"dev\.csv, line 2: expected a label of the train part, got 'other'",
        ),
        (
            TRAIN,
            "text,label,group\n",
            r"dev\.csv: expected at least one labelled sentence, got none",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, train: str, dev: str, said: str
) -> None:
    placed(tmp_path / "notes", train_csv=train, dev_csv=dev)
    with pytest.raises(DataError, match=said) as error:
        load_text("folder:notes", tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"folder:none.*none of .*none"):
        load_text("folder:none", tmp_path)
    for wrong in ("folder:", "folders:x"):
        with pytest.raises(UnknownNameError, match="text data set"):
            load_text(wrong, tmp_path)
    assert issubclass(UnavailableError, DataError) and not issubclass(UnavailableError, SpecError)
