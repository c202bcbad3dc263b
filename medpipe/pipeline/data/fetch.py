"""Getting the data sets from their publishers, for ``medpipe data fetch``."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin

from medpipe.errors import DataError, MissingDependency, UnknownNameError
from medpipe.pipeline.data import rct
from medpipe.pipeline.data.data_files import open_files
from medpipe.pipeline.data.download import TIMEOUT_S, Remote, download
from medpipe.pipeline.data.images import load_images, sort_by_part
from medpipe.pipeline.data.paths import FETCHABLE, IMAGE_FOLDERS, TEXT_FOLDERS, find
from medpipe.pipeline.data.text import load_text
from medpipe.running.experiment import Progress, no_progress

KAGGLE_SET = ("masoudnickparvar", "brain-tumor-mri-dataset", 1)
"""Owner, name and version; the published pipeline used version 1 with 5,712 and 1,311 images."""
KAGGLE_PAGE = "https://www.kaggle.com/datasets/{}/{}/versions/{}".format(*KAGGLE_SET)

GITHUB = "https://raw.githubusercontent.com"
GITHUB_FOLDER = "/Franck-Dernoncourt/pubmed-rct/master/PubMed_20k_RCT_numbers_replaced_with_at_sign"
RCT_FILES = ("train.txt", "dev.txt", "test.txt")


def fetch(name: str, folder: Path, *, progress: Progress = no_progress) -> Path:
    """Get a data set into ``folder`` and return where it lies; what is already there whole is left
    alone.

    ``name``: ``"brain-tumor-mri-dataset"`` from Kaggle, with any login that Kaggle's own client
    finds, or with none where Kaggle asks for none; ``"pubmed-rct-20k"`` from GitHub. ``progress``
    counts bytes of the file being got. The next call resumes a broken download. The environment
    variable ``MEDPIPE_GITHUB_URL`` replaces GitHub.

    Raises `UnavailableError` where it cannot be had (no network, no token, not there), `DataError`
    where what was got or what is there is broken or cannot be written, `MissingDependency`,
    `UnknownNameError`.
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
    advice = (
        "check the Kaggle token or create one (kaggle.com, Settings, API) and set KAGGLE_API_TOKEN,"
        " or KAGGLE_USERNAME and KAGGLE_KEY, or put it at ~/.kaggle/kaggle.json, or get the archive"
        f" with a browser and save it as {target}"
    )
    download(Remote(KAGGLE_PAGE, advice, _archive_address), target, _check_archive, progress)
    return target


def _archive_address() -> str:
    """The address, valid for a limited time, to which Kaggle redirects its own client.

    Raises `OSError` (no connection, HTTP errors), `DataError` for a broken token.
    """
    try:
        with redirect_stdout(io.StringIO()):  # importing it without a token prints instructions
            from kaggle.api.kaggle_api_extended import ApiDownloadDatasetRequest, KaggleApi

            api, request = KaggleApi(), ApiDownloadDatasetRequest()
            with suppress(SystemExit):  # no token: public data sets may not need one
                api.authenticate()
            request.owner_slug, request.dataset_slug, request.dataset_version_number = KAGGLE_SET
            with api.build_kaggle_client() as client:
                session = client.http_client()._session  # by itself it would wait without end
                session.send = partial(session.send, timeout=TIMEOUT_S, allow_redirects=False)
                response = client.datasets.dataset_api_client.download_dataset(request)
                response.close()
                return str(urljoin(response.url, response.headers.get("Location", "")))
    except ImportError as error:
        raise MissingDependency("kaggle", "train", "fetching from Kaggle") from error
    except OSError as error:  # requests' errors are among them; their text shows addresses
        answer = getattr(error, "response", None)
        if answer is None:
            raise ConnectionError(error.strerror or "no connection to Kaggle") from error
        answer.close()
        raise HTTPError(answer.url, answer.status_code, "", answer.headers, io.BytesIO()) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            "expected a Kaggle token that Kaggle's client can read (KAGGLE_API_TOKEN or"
            " ~/.kaggle/kaggle.json), got something else; create the token again"
        ) from error


def _check_archive(part: Path) -> None:
    """Layout, names and every checksum of a downloaded archive. Raises `DataError`."""
    files = open_files(part)
    sort_by_part(files)
    for _ in files.read_each(files.names):  # reading to the end compares the checksum
        pass


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
                    Remote(f"{base}{GITHUB_FOLDER}/{file}", advice),
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
