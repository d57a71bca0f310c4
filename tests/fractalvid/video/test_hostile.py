"""Files that are broken or ask for too much: one line each, soon, and in little memory."""

import os
import random
import resource
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.utils.errors import UserError
from fractalvid.video.errors import KEPT_FRAMES
from fractalvid.video.reader import ReadError, TooLargeError, VideoError, probe_video, read_frames, read_video
from tests.fractalvid.video.made import quarters, write

SEEDS = {"a.mp4": "libx264", "b.avi": "mpeg4", "c.avi": "mjpeg"}
SEEDS |= {"d.mkv": "libx264", "e.webm": "libvpx", "f.mov": "qtrle"}
PIXELS = {"mjpeg": "yuvj420p", "qtrle": "rgb24"}
SECONDS, BYTES = 5, 2**30


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small files of many kinds, by their names."""
    folder = tmp_path_factory.mktemp("whole")
    for name, codec in SEEDS.items():
        write(folder / name, quarters(), codec=codec, pixels=PIXELS.get(codec, "yuv420p"))
    pictures = [Image.fromarray(frame) for frame in quarters()]
    pictures[0].save(folder / "g.gif", save_all=True, append_images=pictures[1:], duration=80)
    for name in ("h.jpg", "i.png"):
        pictures[0].save(folder / name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damaged(data: bytes, chance: random.Random, count: int) -> Iterator[bytes]:
    """Cut off at every fiftieth, some bytes changed, some made zero."""
    for part in range(0, 50, 3):
        yield data[: len(data) * part // 50]
    for number in range(count):
        changed = bytearray(data)
        if number % 3 == 0:
            begin = chance.randrange(len(data))
            end = min(len(data), begin + chance.choice((4, 64, 1024)))
            changed[begin:end] = bytes(end - begin)
        else:
            for _ in range(chance.choice((1, 3, 20))):
                near = chance.choice((64, 512, len(data)))
                changed[chance.randrange(min(len(data), near))] = chance.choice((0, 255, chance.randrange(256)))
        yield bytes(changed)


@pytest.mark.parametrize("name", [*SEEDS, "g.gif", "h.jpg", "i.png"])
def test_damage_of_any_kind_is_frames_or_a_line(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    read = 0
    for data in damaged(whole[name], random.Random(name), 40):
        (tmp_path / name).write_bytes(data)
        begin = time.monotonic()
        try:
            facts = probe_video(tmp_path / name)
            assert len(read_video(tmp_path / name, short_side=16)) == facts.frames
            read += 1
        except VideoError as error:
            assert str(error).startswith(f"{tmp_path / name}: ")
            assert "\n" not in str(error)
        assert time.monotonic() - begin < SECONDS
    assert read > 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 4 * BYTES  # of all tests of this process


@pytest.mark.parametrize("name", ["a.mp4", "b.avi", "f.mov"])
def test_a_stream_without_a_codec_is_a_line(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    code = {"a.mp4": b"avc1", "b.avi": b"FMP4", "f.mov": b"rle "}[name]
    (tmp_path / name).write_bytes(whole[name].replace(code, b"zzzz"))
    with pytest.raises(VideoError, match="holds no video that FFmpeg knows how to decode"):
        read_video(tmp_path / name)


def large_gif(width: int, height: int) -> bytes:
    header = b"GIF89a" + struct.pack("<HH", width, height) + bytes([0x80, 0, 0, 0, 0, 0, 255, 255, 255])
    image = b"\x2c" + struct.pack("<HHHH", 0, 0, width, height) + b"\0\2\4\x84\x8f\5\0\0"
    return header + image + b";"


def peak() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_large_pictures_are_not_even_decoded(tmp_path: Path) -> None:
    path, before, begin = tmp_path / "large.gif", peak(), time.monotonic()
    path.write_bytes(large_gif(16_000, 16_000))
    for read in (probe_video, read_video):
        with pytest.raises(TooLargeError) as told:
            read(path)
        assert str(told.value) == f"{path}: frames of 16000 x 16000 pixels, more than --max-pixels 40000000"
    with pytest.raises(TooLargeError):
        read_frames(path, np.array([0]), short_side=16)
    assert time.monotonic() - begin < SECONDS
    assert peak() - before < 2**27


@pytest.mark.parametrize("name", ["a.mp4", "b.avi", "c.avi", "d.mkv", "e.webm", "f.mov"])
def test_the_limit_is_the_callers(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(whole[name])
    assert probe_video(tmp_path / name, max_pixels=48 * 64).frames == 12
    with pytest.raises(TooLargeError, match=r"64 x 48 pixels, more than --max-pixels 3000|no frame of at most"):
        probe_video(tmp_path / name, max_pixels=3000)


def test_what_scaling_makes_is_limited_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", quarters(4))
    with pytest.raises(TooLargeError, match=r"frames of 40000 x 30000 pixels, more than --max-pixels"):
        read_video(path, short_side=30_000)
    path = write(tmp_path / "long.mov", quarters(3, 16, 2000), codec="qtrle", pixels="rgb24")
    with pytest.raises(VideoError, match=r"frames of 2000 x 16 pixels: a side is more than 100 times the other"):
        probe_video(path)


def test_what_is_kept_at_once_is_limited(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", quarters(KEPT_FRAMES + 4))
    assert probe_video(path, max_pixels=48 * 64).frames == KEPT_FRAMES + 4
    assert len(read_video(path, short_side=24, max_pixels=48 * 64)) == KEPT_FRAMES + 4
    with pytest.raises(TooLargeError, match=r"33 frames of 64 x 48 pixels or more, to be kept at once"):
        read_video(path, max_pixels=48 * 64)
    assert len(read_frames(path, np.array([33, 2]), max_pixels=48 * 64)) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").mkdir()
    with pytest.raises(ReadError, match="cannot be read: not a plain file"):
        probe_video(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=r"b\.mp4: the folder holds no pictures"):
        probe_video(tmp_path / "b.mp4")


def test_a_file_that_names_other_files_gets_none(tmp_path: Path) -> None:
    write(tmp_path / "secret.ts", quarters(), codec="mpeg2video")
    for name, text in (
        ("a.mp4", "ffconcat version 1.0\nfile secret.ts\n"),
        ("b.mp4", f"ffconcat version 1.0\nfile '{tmp_path / 'secret.ts'}'\n"),
        ("c.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"),
        ("d.mp4", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path / 'secret.ts'}\n#EXT-X-ENDLIST\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=rf"{name}: "):
            read_video(tmp_path / name)


@pytest.mark.parametrize("name", ["kick: a.mp4", "pipe:0", "http:a.mp4", "file:a.mp4", "concat:a|b.mp4", "%d.gif", "-"])
def test_paths_are_no_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    made = Path("made.gif" if name.endswith("gif") else "made.mp4")
    codec, pixels = ("gif", "rgb8") if made.suffix == ".gif" else ("mpeg4", "yuv420p")
    write(made, quarters(), codec=codec, pixels=pixels)
    made.rename(name)
    assert len(read_video(name)) == len(read_video(tmp_path / name)) >= 12
    assert probe_video(Path(name)) == probe_video(f"./{name}")


def test_frames_do_not_depend_on_threads(whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    data = bytearray(whole["a.mp4"])
    data[len(data) // 2] ^= 255
    for video in (*whole.values(), bytes(data)):
        alone = read_video(video, short_side=20)
        with ThreadPoolExecutor(8) as pool:
            for again in pool.map(lambda held: read_video(held, short_side=20), [video] * 8):
                np.testing.assert_array_equal(again, alone)
