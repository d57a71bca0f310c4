"""Downloads from a server of our own, which behaves as badly as those out there."""

import hashlib
import random
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fractalvid.finetune.targets.base import Download
from fractalvid.finetune.targets.files.download import download_all, fetch
from fractalvid.finetune.targets.registry import TARGETS
from fractalvid.utils.errors import UserError

CONTENT = random.Random(0).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What is served, and how."""

    content: bytes = CONTENT
    ranges: bool = True
    """Whether it can begin in the middle."""
    breaks_after: int | None = None
    """Close the connection after so many bytes of each answer."""
    errors: list[int] = field(default_factory=list)
    """What the next requests are answered with."""
    asked: list[str] = field(default_factory=list)
    """The Range of each request so far."""
    shift: int = 0
    """Begin so many bytes too late in the middle."""
    says_length: bool = True
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def __init__(self, server: Server, *args: Any) -> None:
        self.wanted = server
        super().__init__(*args)

    def do_GET(self) -> None:
        served = self.wanted
        said = self.headers.get("Range", "")
        served.asked.append(said)
        if served.errors:
            self.send_error(served.errors.pop(0))
            return
        begin = int(said[len("bytes=") : -1]) + served.shift if said and served.ranges else 0
        data = served.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(served.content) - 1}/{len(served.content)}")
        if served.says_length:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):  # some tests go away in the middle
            self.wfile.write(data[: served.breaks_after])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Server()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, served))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{listening.server_port}/set.zip"
    yield served
    listening.shutdown()
    listening.server_close()
    thread.join()


def get(server: Server, path: Path, sha256: str = DIGEST) -> None:
    fetch(server.url, path, size=len(CONTENT), sha256=sha256, pause=0.0)


def test_a_file_is_fetched_once(tmp_path: Path, server: Server) -> None:
    get(server, tmp_path / "set.zip")
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]
    assert server.asked == [""]


@pytest.mark.parametrize("says_length", [True, False])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, server: Server, says_length: bool) -> None:
    server.breaks_after, server.says_length = 800_000, says_length
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=800000-", "bytes=1600000-", "bytes=2400000-"]


def test_an_interrupted_download_goes_on_in_another_process(tmp_path: Path, server: Server) -> None:
    (tmp_path / "set.zip.part").write_bytes(CONTENT[:1_234_567])
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert server.asked == ["bytes=1234567-"]


def test_a_complete_part_is_only_compared(tmp_path: Path, server: Server) -> None:
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert server.asked == []


def test_a_server_that_cannot_begin_in_the_middle_sends_all(tmp_path: Path, server: Server) -> None:
    server.ranges = False
    (tmp_path / "set.zip.part").write_bytes(b"x" * 1000)
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_server_that_begins_elsewhere_is_not_believed(tmp_path: Path, server: Server) -> None:
    server.shift = 7
    (tmp_path / "set.zip.part").write_bytes(CONTENT[:1000])
    with pytest.raises(UserError, match=r"cannot download .*: asked for bytes from 1000, got 1007-"):
        get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip.part").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("begun", [b"", b"y" * 1000])
def test_other_bytes_than_published_are_not_kept(tmp_path: Path, server: Server, begun: bytes) -> None:
    (tmp_path / "set.zip.part").write_bytes(begun)
    wrong = DIGEST if begun else "0" * 64
    with pytest.raises(UserError, match="is not the file it was: its SHA-256 differs from the published one"):
        get(server, tmp_path / "set.zip", sha256=wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("begun", [b"", CONTENT[:500]])
def test_another_size_is_noticed_before_it_is_fetched(tmp_path: Path, server: Server, begun: bytes) -> None:
    server.content = CONTENT + b"more"
    (tmp_path / "set.zip.part").write_bytes(begun)
    with pytest.raises(UserError, match="is not the file it was: 3000004 bytes, not 3000000"):
        get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip.part").read_bytes() == begun


def test_no_more_is_written_than_was_published(tmp_path: Path, server: Server) -> None:
    server.content, server.says_length = CONTENT * 3, False
    with pytest.raises(UserError, match="is not the file it was: more than 3000000 bytes"):
        get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip.part").stat().st_size <= len(CONTENT)


def test_an_address_that_is_gone_is_not_tried_again(tmp_path: Path, server: Server) -> None:
    server.errors = [404]
    with pytest.raises(UserError, match=r"HTTP 404 .*; get it by hand"):
        get(server, tmp_path / "set.zip")
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(tmp_path: Path, server: Server) -> None:
    server.errors = [503, 429, 500]
    get(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_server_that_stays_away_is_given_up(tmp_path: Path, server: Server) -> None:
    server.errors = [503] * 99
    (tmp_path / "set.zip.part").write_bytes(CONTENT[:10])
    with pytest.raises(UserError, match=r"HTTP 503 .*; the same command again goes on from 10 bytes"):
        get(server, tmp_path / "set.zip")
    assert len(server.asked) == 5


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot download http://127\.0\.0\.1:9/x: .*refused"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x", size=1, sha256="", pause=0.0)


def test_no_room_is_said_first(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fractalvid.finetune.targets.files.download.shutil.disk_usage", lambda path: SimpleNamespace(free=100)
    )
    with pytest.raises(UserError, match="has room for"):
        get(server, tmp_path / "set.zip")
    assert server.asked == []


def test_a_set_is_fetched_unpacked_and_not_fetched_again(tmp_path: Path, server: Server) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("UCF101/v_A_g01_c01.avi", b"a")
        archive.writestr("UCF101/v_B_g01_c01.avi", b"b")
    server.content = (tmp_path / "set.zip").read_bytes()
    digest = hashlib.sha256(server.content).hexdigest()
    wanted = Download(server.url, digest, len(server.content), "UCF-101", 1, "**/v_*_g??_c??.avi", 2)
    root = tmp_path / "data"
    download_all((wanted,), root, progress=False)
    download_all((wanted,), root, progress=False)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*")) == [
        "UCF-101/v_A_g01_c01.avi",
        "UCF-101/v_B_g01_c01.avi",
    ]
    assert len(server.asked) == 1
    (root / "UCF-101" / "v_B_g01_c01.avi").unlink()
    download_all((wanted,), root, progress=False)
    assert len(server.asked) == 2
    assert (root / "UCF-101" / "v_B_g01_c01.avi").read_bytes() == b"b"


def test_what_is_published_is_written_in_full() -> None:
    for row in TARGETS.values():
        for wanted in row.downloads:
            assert wanted.url.startswith("https://")
            assert wanted.file.endswith(".zip")
            assert re.fullmatch("[0-9a-f]{64}", wanted.sha256)
            assert min(wanted.size, wanted.count) > 0
