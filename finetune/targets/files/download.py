"""Fetching what has a stable public address: in pieces that survive an interrupt, and only what its checksum says."""

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from fractalvid.finetune.targets.base import Download
from fractalvid.finetune.targets.files.archives import unpack_zip
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import move_durably
from fractalvid.utils.messages.bars import bar_options

_PIECE = 2**20
_ATTEMPTS = 5  # without a byte of progress
_TIMEOUT = 30.0


def download_all(downloads: tuple[Download, ...], root: Path, *, progress: bool) -> None:
    """Fetch and unpack into the data folder `root` what is not there yet; archives are removed once unpacked.

    Raises:
        UserError: an address does not give what it should, nothing can be written, or there is no room.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for wanted in downloads:
            if sum(1 for _ in root.glob(wanted.provides)) >= wanted.count:
                continue
            archive = root / wanted.file
            fetch(wanted.url, archive, size=wanted.size, sha256=wanted.sha256, progress=progress)
            unpack_zip(archive, root / wanted.folder, strip=wanted.strip, progress=progress)
            archive.unlink()
    except OSError as error:
        raise UserError(f"cannot download into {root}: {error.strerror or error}") from error


def fetch(url: str, path: Path, *, size: int, sha256: str, progress: bool = False, pause: float = 1.0) -> None:
    """Fetch a file, unless it is there; an interrupted one goes on where it ended.

    The file has its name only once all of it is there and its checksum is right; until then it is `<name>.part`.

    Args:
        url: the address.
        path: the file.
        size: its bytes.
        sha256: its checksum, in hexadecimal digits.
        progress: whether to show a bar.
        pause: seconds to wait after a failure; doubled after each.

    Raises:
        UserError: the address does not exist, gives something else, or fails again and again.
        OSError: nothing can be written.
    """
    if path.is_file() and path.stat().st_size == size:
        return
    part = path.with_name(f"{path.name}.part")
    part.touch()
    free, needed = shutil.disk_usage(path.parent).free, size - part.stat().st_size
    if needed > free:
        raise UserError(f"{url} takes {needed / 1e9:.1f} GB, and {path.parent} has room for {free / 1e9:.1f} GB")
    with tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=not progress, **bar_options()) as bar:
        _fetch_part(url, part, size, bar, pause)
    if _digest(part) != sha256:
        part.unlink()
        raise UserError(f"{url} is not the file it was: its SHA-256 differs from the published one; nothing was kept")
    move_durably(part, path)


def _fetch_part(url: str, part: Path, size: int, bar: "tqdm[NoReturn]", pause: float) -> None:
    """Until all is there; attempts that bring nothing are counted."""
    failures = 0
    while (begin := part.stat().st_size) < size:
        bar.update(begin - bar.n)
        reason = "the connection ended early"
        try:
            _continue(url, part, begin, size, bar)
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                raise UserError(f"cannot download {url}: {reason}; get it by hand") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 0 if part.stat().st_size > begin else failures + 1
        if failures >= _ATTEMPTS:
            raise UserError(f"cannot download {url}: {reason}; the same command again goes on from {begin} bytes")
        if part.stat().st_size < size:
            time.sleep(pause * 2**failures)


def _continue(url: str, part: Path, begin: int, size: int, bar: "tqdm[NoReturn]") -> None:
    """One request for what follows `begin`; a server that cannot begin there sends everything."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        start, whole = 0, answer.headers.get("Content-Length")
        if answer.status == 206:
            unit, _, content_range = answer.headers.get("Content-Range", "").partition(" ")
            span, _, whole = content_range.partition("/")
            if unit != "bytes" or span.partition("-")[0] != str(begin):
                raise http.client.HTTPException(f"asked for bytes from {begin}, got {content_range or 'others'}")
            start = begin
        if whole not in (None, "*", str(size)):
            raise UserError(f"{url} is not the file it was: {whole} bytes, not {size}; get it by hand")
        with part.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            bar.update(start - bar.n)
            while piece := answer.read(_PIECE):
                if file.tell() + len(piece) > size:
                    raise UserError(f"{url} is not the file it was: more than {size} bytes; get it by hand")
                file.write(piece)
                bar.update(len(piece))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
