"""Fetching from a server on this machine: whole, cut, resumed, refused, absent."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medpipe.errors import DataError, MissingDependency, UnavailableError, UnknownNameError
from medpipe.pipeline.data import download, fetch
from medpipe.pipeline.data.describe import status
from medpipe.pipeline.data.images import load_images
from medpipe.pipeline.data.text import load_text

NAME = "brain-tumor-mri-dataset"
ASKED = "/v1/datasets.DatasetApiService/DownloadDataset"
"""What Kaggle's client asks for."""
KAGGLE_PATH = "/store"
"""Where it is sent."""


@dataclass
class Server:
    """What the server holds and does, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    need: str | None = None
    etag: str = '"one"'
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    api_fail: list[int] = field(default_factory=list)
    store: str = ""
    delay_s: float = 0.0
    posted: list[tuple[str, dict[str, object], str | None]] = field(default_factory=list)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.asked.append((path, self.headers["Range"], self.headers["Authorization"]))
            code = server.fail.pop(0) if server.fail else 0
            if code:
                self.send_error(code)
            elif path not in server.files:
                self.send_error(404)
            else:
                self.send_file(server.files[path])

        def do_POST(self) -> None:
            """Kaggle's interface: checks a token, or redirects to the archive."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.posted.append((self.path, body, self.headers["Authorization"]))
            time.sleep(server.delay_s)
            code = server.api_fail.pop(0) if server.api_fail else 0
            if code or (server.need and self.headers["Authorization"] != server.need):
                self.send_error(code or 401)
            elif self.path == ASKED:
                self.send_response(302)
                self.send_header("Location", f"{server.store}{KAGGLE_PATH}?X-Signature=secret")
                self.end_headers()
            else:
                content = json.dumps({"active": body["token"] == "abc", "username": "ann"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def send_file(self, content: bytes) -> None:
            start = 0
            if server.ranges and self.headers["Range"] and self.headers["If-Range"] == server.etag:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(content) > 0 and start:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.send_header("Content-Length", str(len(content) - start))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(
                content[start : start + server.cut_after.pop(0)]
                if server.cut_after
                else content[start:]
            )

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    state.store = f"http://localhost:{http.server_address[1]}"  # another host, as with Kaggle
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("MEDPIPE_GITHUB_URL", state.url + "/")
    monkeypatch.setattr(download, "PAUSES_S", (0.0, 0.0))
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def kaggle_home(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and Kaggle's client pointed at the server of this machine."""
    home = tmp_path / "user"
    monkeypatch.setenv("HOME", str(home))
    (home / ".kaggle").mkdir(parents=True)
    pytest.importorskip("kaggle", exc_type=ImportError)
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk import kaggle_env

    monkeypatch.setattr(KaggleApi, "config", str(home / ".kaggle" / "kaggle.json"))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    return home / ".kaggle"


@pytest.fixture
def archive(
    tmp_path: Path,
    server: Server,
    kaggle_home: Path,
    mri_files: dict[str, bytes],
    zipped: Callable[[Path, Mapping[str, bytes]], Path],
) -> bytes:
    content = zipped(tmp_path / "source.zip", mri_files).read_bytes()
    server.files[KAGGLE_PATH] = content
    return content


def test_images_arrive_whole_with_progress(tmp_path: Path, server: Server, archive: bytes) -> None:
    seen: list[tuple[int, int, str]] = []
    place = fetch.fetch(NAME, tmp_path / "new", progress=lambda *step: seen.append(step))
    assert place == tmp_path / "new" / f"{NAME}.zip" and place.read_bytes() == archive
    assert seen[-1] == (len(archive), len(archive), f"{NAME}.zip")
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    assert len(load_images(NAME, place.parent).parts["Testing"]) == 8
    fetch.fetch(NAME, place.parent)
    assert len(server.asked) == 1  # what is there is not fetched again


def test_a_cut_connection_is_resumed(tmp_path: Path, server: Server, archive: bytes) -> None:
    server.cut_after = [1000, 500]
    assert fetch.fetch(NAME, tmp_path / "new").read_bytes() == archive
    assert [asked[1] for asked in server.asked] == [None, "bytes=1000-", "bytes=1500-"]


def test_the_next_call_resumes(tmp_path: Path, server: Server, archive: bytes) -> None:
    server.cut_after = [900, 0, 0]
    with pytest.raises(UnavailableError, match="900 bytes are kept"):
        fetch.fetch(NAME, tmp_path)
    assert not (tmp_path / f"{NAME}.zip").exists()
    assert fetch.fetch(NAME, tmp_path).read_bytes() == archive
    assert server.asked[-1][1] == "bytes=900-"


@pytest.mark.parametrize(
    ("etag", "later", "ranges"),
    [('"one"', '"two"', True), ('"one"', '"one"', False), ('"one"', "", True), ("", "", True)],
)
def test_another_version_is_fetched_from_its_start(
    tmp_path: Path,
    server: Server,
    archive: bytes,
    mri_files: dict[str, bytes],
    zipped: Callable[[Path, Mapping[str, bytes]], Path],
    etag: str,
    later: str,
    ranges: bool,
) -> None:
    server.etag, server.cut_after = etag, [900, 800, 700]
    if etag:
        server.cut_after = [900, 0, 0]
    with pytest.raises(UnavailableError):
        fetch.fetch(NAME, tmp_path)
    first = "Testing/glioma/Te_0.jpg"
    server.files[KAGGLE_PATH] = zipped(
        tmp_path / "other.zip", {**mri_files, first: b"another picture"}
    ).read_bytes()
    server.etag, server.ranges = later, ranges
    assert fetch.fetch(NAME, tmp_path).read_bytes() == server.files[KAGGLE_PATH] != archive


def test_a_part_longer_than_the_file_is_thrown_away(
    tmp_path: Path, server: Server, archive: bytes
) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(archive + b"more")
    (tmp_path / f"{NAME}.zip.part.version").write_text(server.etag)
    assert fetch.fetch(NAME, tmp_path).read_bytes() == archive


@pytest.mark.parametrize(
    "make",
    [
        lambda raw: raw[:-40],
        lambda raw: b"<html>log in</html>",
        lambda raw: b"",
        lambda raw: raw[:60] + bytes([raw[60] ^ 1]) + raw[61:],
    ],
)
def test_a_broken_body_leaves_nothing(
    tmp_path: Path, server: Server, archive: bytes, make: Callable[[bytes], bytes]
) -> None:
    server.files[KAGGLE_PATH] = make(archive)
    folder = tmp_path / "new"
    with pytest.raises(DataError, match="run the command again"):
        fetch.fetch(NAME, folder)
    assert list(folder.iterdir()) == []


def test_refused_without_and_with_a_wrong_token(
    tmp_path: Path, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.need = "Basic " + base64.b64encode(b"ann:right").decode()
    with pytest.raises(
        UnavailableError,
        match=r"HTTP 401.*create one \(kaggle.*KAGGLE_USERNAME.*kaggle\.json.*save it as",
    ):
        fetch.fetch(NAME, tmp_path)
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", "wrong-secret")
    with pytest.raises(UnavailableError, match="check the Kaggle token") as caught:
        fetch.fetch(NAME, tmp_path)
    assert "wrong-secret" not in str(caught.value)
    monkeypatch.setenv("KAGGLE_KEY", "right")
    assert fetch.fetch(NAME, tmp_path).read_bytes() == archive


def test_every_place_for_a_token(
    tmp_path: Path,
    server: Server,
    archive: bytes,
    kaggle_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (kaggle_home / "kaggle.json").write_text(json.dumps({"username": "bob", "key": "k"}))
    fetch.fetch(NAME, tmp_path / "a")
    (kaggle_home / "access_token").write_text("abc")
    fetch.fetch(NAME, tmp_path / "b")
    (kaggle_home / "access_token").unlink()
    monkeypatch.setenv("KAGGLE_API_TOKEN", "abc")
    fetch.fetch(NAME, tmp_path / "c")
    assert [posted[2] for posted in server.posted if posted[0] == ASKED] == [
        "Basic " + base64.b64encode(b"bob:k").decode(),
        "Bearer abc",
        "Bearer abc",
    ]


def test_a_token_that_cannot_be_used(
    tmp_path: Path,
    server: Server,
    archive: bytes,
    kaggle_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.need = "Bearer right"
    for broken in ("", "{}", "{"):  # Kaggle's client takes these for no token
        (kaggle_home / "kaggle.json").write_text(broken)
        with pytest.raises(UnavailableError, match=r"check the Kaggle token.*kaggle\.json"):
            fetch.fetch(NAME, tmp_path / "c")
    for broken in ("[]", "[1]", '"text"', "1"):
        (kaggle_home / "kaggle.json").write_text(broken)
        with pytest.raises(DataError, match=r"kaggle\.json.*create the token again"):
            fetch.fetch(NAME, tmp_path / "c")
    (kaggle_home / "kaggle.json").unlink()
    (kaggle_home / "credentials.json").write_text("{")  # of `kaggle auth login`
    with pytest.raises(UnavailableError, match="check the Kaggle token"):
        fetch.fetch(NAME, tmp_path / "c")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "ab\nc")
    with pytest.raises(DataError, match=r"KAGGLE_API_TOKEN.*create the token again"):
        fetch.fetch(NAME, tmp_path / "c")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "abc")
    with pytest.raises(
        UnavailableError, match=r"access was refused \(HTTP 401\); check the Kaggle token"
    ):
        fetch.fetch(NAME, tmp_path / "c")


def test_nothing_is_printed_and_nothing_exits_without_a_token(
    tmp_path: Path, server: Server, archive: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch.fetch(NAME, tmp_path / "new")
    assert server.posted == [
        (
            ASKED,
            {
                "ownerSlug": "masoudnickparvar",
                "datasetSlug": "brain-tumor-mri-dataset",
                "datasetVersionNumber": 1,
            },
            None,
        )
    ]
    assert capfd.readouterr() == ("", "")


def test_without_kaggles_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kaggle", None)
    with pytest.raises(MissingDependency, match=r"needs kaggle.*medpipe\[train\]"):
        fetch.fetch(NAME, tmp_path)


def test_the_token_does_not_follow_a_redirect(
    tmp_path: Path, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    server.cut_after = [2000, 700]
    assert fetch.fetch(NAME, tmp_path).read_bytes() == archive
    assert all(posted[2] for posted in server.posted) and len(server.posted) > 1
    assert {asked[2] for asked in server.asked} == {None}


def test_a_signed_address_is_not_shown(tmp_path: Path, server: Server, archive: bytes) -> None:
    server.files.clear()
    with pytest.raises(UnavailableError) as caught:
        fetch.fetch(NAME, tmp_path)
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("https://www.kaggle.com/datasets/masoudnickparvar/")


def test_a_server_that_never_answers(
    tmp_path: Path, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.1)
    server.delay_s = 0.5
    with pytest.raises(UnavailableError, match=r"no connection to Kaggle.*save it as"):
        fetch.fetch(NAME, tmp_path)


def test_absent_busy_and_without_network(
    tmp_path: Path, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.api_fail = [503, 429]
    assert fetch.fetch(NAME, tmp_path / "a").exists()
    server.fail = [500, 500, 500]
    with pytest.raises(UnavailableError, match="network or the server failed"):
        fetch.fetch(NAME, tmp_path / "b")
    server.files.clear()
    with pytest.raises(UnavailableError, match="nothing is there"):
        fetch.fetch(NAME, tmp_path / "c")
    from kagglesdk import kaggle_env

    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:1"
    )
    with pytest.raises(UnavailableError, match=r"no connection to Kaggle\).*save it as"):
        fetch.fetch(NAME, tmp_path / "c")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "abc")  # its check needs the network, too
    with pytest.raises(UnavailableError, match=r"no connection to Kaggle\).*check the network"):
        fetch.fetch(NAME, tmp_path / "c")
    monkeypatch.setenv("MEDPIPE_GITHUB_URL", "file:///etc")
    with pytest.raises(DataError, match="http://"):
        fetch.fetch("pubmed-rct-20k", tmp_path / "c")
    with pytest.raises(UnknownNameError):
        fetch.fetch("pubmed", tmp_path)


def test_announced_size_is_bounded(
    tmp_path: Path, server: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="at most 100 bytes"):
        fetch.fetch(NAME, tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path, server: Server, archive: bytes) -> None:
    (tmp_path / "file").write_text("x")
    for name in fetch.FETCHABLE:
        with pytest.raises(DataError, match="expected a folder to write into"):
            fetch.fetch(name, tmp_path / "file")


def test_abstracts_arrive_together_or_not_at_all(
    tmp_path: Path, server: Server, rct_text: str
) -> None:
    base = fetch.GITHUB_FOLDER
    server.files = {f"{base}/{name}": rct_text.encode() for name in ("train.txt", "dev.txt")}
    with pytest.raises(UnavailableError, match=r"test\.txt.*with a browser.*pubmed-rct-20k"):
        fetch.fetch("pubmed-rct-20k", tmp_path)
    server.files[f"{base}/test.txt"] = b"404: Not Found"
    with pytest.raises(DataError, match="not what was expected"):
        fetch.fetch("pubmed-rct-20k", tmp_path)
    assert not status(tmp_path)[0]["found"]
    server.files[f"{base}/test.txt"] = rct_text.encode()
    assert fetch.fetch("pubmed-rct-20k", tmp_path) == tmp_path / "pubmed-rct-20k"
    assert {
        name: len(part) for name, part in load_text("pubmed-rct-20k", tmp_path).parts.items()
    } == {"train": 5, "dev": 5, "test": 5}
    assert [asked[0] for asked in server.asked].count(f"{base}/train.txt") == 1
    left = {path.name for path in tmp_path.iterdir()} - {
        "cache"
    }  # where `status` keeps the demonstration's images
    assert left == {"pubmed-rct-20k"}


def test_status_tells_found_broken_and_absent(
    tmp_path: Path,
    mri_files: dict[str, bytes],
    unpacked: Callable[[Path, Mapping[str, bytes]], Path],
) -> None:
    unpacked(tmp_path / NAME, mri_files)
    unpacked(tmp_path / "structured-abstracts", {"train.txt": b"METHODS"})
    rows = {(row["name"], row["kind"]): row for row in status(tmp_path)}
    assert rows[NAME, "images"]["counts"] == {"Training": 8, "Testing": 8}
    assert rows[NAME, "images"]["digest"] == load_images(NAME, tmp_path).digest
    assert (
        rows[NAME, "images"]["place"] == str(tmp_path / NAME)
        and rows[NAME, "images"]["reason"] is None
    )
    broken, absent = rows["structured-abstracts", "text"], rows["pubmed-rct-20k", "text"]
    assert broken["found"] and broken["digest"] is None and "train.txt" in broken["reason"]
    assert (
        not absent["found"] and absent["place"] is None and "medpipe data fetch" in absent["reason"]
    )
    assert rows["demonstration", "text"]["found"] and rows["demonstration", "images"][
        "digest"
    ].startswith("sha256:")
