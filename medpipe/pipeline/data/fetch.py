"""Getting the data sets from their publishers, for ``medpipe data fetch``."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from medpipe.errors import DataError, UnknownNameError
from medpipe.pipeline.data import rct
from medpipe.pipeline.data.download import Remote, download
from medpipe.pipeline.data.files import open_files
from medpipe.pipeline.data.images import load_images, sort_by_part
from medpipe.pipeline.data.places import FETCHABLE, IMAGE_FOLDERS, TEXT_FOLDERS, find
from medpipe.pipeline.data.text import load_text
from medpipe.running.experiment import Progress, no_progress

KAGGLE = "https://www.kaggle.com"
KAGGLE_FILE = (
    "/api/v1/datasets/download/masoudnickparvar/brain-tumor-mri-dataset?datasetVersionNumber=1"
)
"""The first version is the one that the published pipeline used: 5,712 and 1,311 images."""

GITHUB = "https://raw.githubusercontent.com"
GITHUB_FOLDER = "/Franck-Dernoncourt/pubmed-rct/master/PubMed_20k_RCT_numbers_replaced_with_at_sign"
RCT_FILES = ("train.txt", "dev.txt", "test.txt")


def fetch(name: str, folder: Path, *, progress: Progress = no_progress) -> Path:
    """Get a data set into ``folder`` and return where it lies; what is already there whole is left
    alone.

    ``name``: ``"brain-tumor-mri-dataset"`` from Kaggle, with the token in ``KAGGLE_API_TOKEN``, in
    ``KAGGLE_USERNAME`` and ``KAGGLE_KEY`` or in ``~/.kaggle/kaggle.json``, or with none where
    Kaggle asks for none; ``"pubmed-rct-20k"`` from GitHub. ``progress`` counts bytes of the file
    being got. Broken downloads are resumed by the next call. The environment variables
    ``MEDPIPE_KAGGLE_URL`` and ``MEDPIPE_GITHUB_URL`` replace the servers.

    Raises `UnavailableError` where it cannot be had (no network, no token, not there), `DataError`
    where what was got or what is there is broken or cannot be written, `UnknownNameError`.
    """
    if name not in FETCHABLE:
        raise UnknownNameError("data set to fetch", name, FETCHABLE)
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: expected a folder to write into, got: {error.strerror or error}; name"
            " another one"
        ) from error
    return (
        _fetch_images(name, folder, progress)
        if name in IMAGE_FOLDERS
        else _fetch_text(name, folder, progress)
    )


def _fetch_images(name: str, folder: Path, progress: Progress) -> Path:
    present = find(name, IMAGE_FOLDERS, folder)
    if present is not None:
        load_images(name, folder)
        return present
    target = folder / f"{name}.zip"
    authorization = _kaggle_authorization()
    token = (
        "check that the Kaggle token is valid"
        if authorization
        else (
            "create a Kaggle token (kaggle.com, Settings, API) and set KAGGLE_USERNAME and"
            " KAGGLE_KEY or put it at ~/.kaggle/kaggle.json"
        )
    )
    advice = f"{token}, or get the archive with a browser and save it as {target}"
    base = os.environ.get("MEDPIPE_KAGGLE_URL", KAGGLE).rstrip("/")
    download(Remote(base + KAGGLE_FILE, authorization, advice), target, _check_archive, progress)
    return target


def _check_archive(part: Path) -> None:
    """Layout, names and every checksum of a downloaded archive. Raises `DataError`."""
    files = open_files(part)
    sort_by_part(files)
    for _ in files.read_each(files.names):  # reading to the end compares the checksum
        pass


def _kaggle_authorization() -> str | None:
    """The ``Authorization`` header for Kaggle, or None where no token is set. Raises `DataError`
    for a malformed one.
    """
    token = os.environ.get("KAGGLE_API_TOKEN", "").strip()
    if token:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise DataError(
                "KAGGLE_API_TOKEN: expected a token of printable characters without spaces, got"
                " others; copy it again"
            )
        return f"Bearer {token}"
    user, key = os.environ.get("KAGGLE_USERNAME", ""), os.environ.get("KAGGLE_KEY", "")
    path = Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser() / "kaggle.json"
    if not (user and key) and path.exists():
        try:
            content = json.loads(path.read_text("utf-8"))
            user, key = content["username"], content["key"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: expected a JSON object with 'username' and 'key', got something else; "
                "create the token again"
            ) from error
    if not (user and key):
        return None
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def _fetch_text(name: str, folder: Path, progress: Progress) -> Path:
    present = find(name, TEXT_FOLDERS, folder)
    if present is not None:
        load_text(name, folder)
        return present
    target = folder / name
    staging = folder / f"{name}.part"
    advice = (
        f"get {', '.join(RCT_FILES)} of the repository Franck-Dernoncourt/pubmed-rct with a browser"
        f" and put them into {target}"
    )
    base = os.environ.get("MEDPIPE_GITHUB_URL", GITHUB).rstrip("/")
    try:
        staging.mkdir(exist_ok=True)
        for file in RCT_FILES:
            if not (staging / file).exists():  # only what was checked bears its final name
                download(
                    Remote(f"{base}{GITHUB_FOLDER}/{file}", None, advice),
                    staging / file,
                    _check_sentences,
                    progress,
                )
        staging.replace(target)
    except OSError as error:
        raise DataError(
            f"{target}: expected to be able to write, got: {error.strerror or error}; name another"
            " folder"
        ) from error
    return target


def _check_sentences(part: Path) -> None:
    rct.parse(part.read_bytes(), part.name)
