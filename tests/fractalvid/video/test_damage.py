"""Damaged packets cost their frames and no others, are counted, and other frames keep their content."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer

from fractalvid.video.reader import VideoError, probe_video, read_frames, read_video
from tests.fractalvid.video.made import packets, quarters, write


def damaged(path: Path, numbers: list[int], value: int = 0) -> Path:
    """Overwrite some packets."""
    data, where = bytearray(path.read_bytes()), packets(path)
    for number in numbers:
        position, size = where[number]
        data[position : position + size] = bytes([value]) * size
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("numbers", [[0], [7], [0, 1, 2], [11], [3, 8, 9]])
@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mov"])
def test_pictures_beside_damaged_ones_are_read(tmp_path: Path, name: str, numbers: list[int]) -> None:
    path = write(tmp_path / name, quarters(), codec="mjpeg", pixels="yuvj420p")
    whole = read_video(path)
    kept = [number for number in range(12) if number not in numbers]
    if name == "a.mkv":  # a block's position is that of its header
        for number in numbers:
            position, size = packets(path)[number]
            data = path.read_bytes()
            begin = data.index(b"\xff\xd8", position)
            path.write_bytes(data[:begin] + bytes(size) + data[begin + size :])
    else:
        damaged(path, numbers)
    np.testing.assert_array_equal(read_video(path), whole[kept])
    np.testing.assert_array_equal(read_frames(path, np.array([4, 0])), whole[np.array(kept)[[4, 0]]])
    facts = probe_video(path)
    assert (facts.frames, facts.damaged) == (len(kept), len(numbers))


def test_predicted_frames_go_on_behind_a_damaged_one(tmp_path: Path) -> None:
    path = damaged(write(tmp_path / "a.mp4", quarters(20), codec="libx264", options={"g": "5", "bf": "0"}), [7])
    facts = probe_video(path)
    assert 16 <= facts.frames < 20
    assert facts.damaged >= 1
    assert len(read_video(path)) == facts.frames


def test_nothing_is_counted_of_a_whole_video(tmp_path: Path) -> None:
    for name, codec in (("a.avi", "mpeg4"), ("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")):
        assert probe_video(write(tmp_path / name, quarters(), codec=codec)).damaged == 0


def test_a_video_of_nothing_but_damage_is_none(tmp_path: Path) -> None:
    path = damaged(write(tmp_path / "a.avi", quarters(), codec="mjpeg", pixels="yuvj420p"), list(range(12)))
    with pytest.raises(VideoError, match=r"a\.avi: no frame decodes"):
        read_video(path)


def test_empty_packets_are_not_the_end(tmp_path: Path) -> None:
    """AVI has them where a frame repeats."""
    path = write(tmp_path / "a.avi", quarters(), codec="mjpeg", pixels="yuvj420p")
    whole, data = read_video(path), path.read_bytes()
    # Chunks of the list of pictures, one of them emptied: its bytes become a chunk that players pass over.
    position, size = packets(path)[5]
    position -= 8
    assert data[position : position + 4] == b"00dc"
    junk = b"00dc" + bytes(4) + b"JUNK" + (size + size % 2 - 8).to_bytes(4, "little")
    changed = data[:position] + junk + bytes(size + size % 2 - 8) + data[position + 8 + size + size % 2 :]
    index = changed.index(b"idx1")
    entry = changed.index(b"00dc", index + 8 + 16 * 5)
    changed = changed[: entry + 12] + bytes(4) + changed[entry + 16 :]
    assert len(changed) == len(data)
    path.write_bytes(changed)
    np.testing.assert_array_equal(read_video(path), np.delete(whole, 5, axis=0))


class Failing:
    """A container whose demuxer fails before some packets, as often as is said, and then goes on."""

    def __init__(self, container: InputContainer, failures: dict[int, int]) -> None:
        self._container, self._failures, self._at = container, failures, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> "Failing":
        self._container.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._container.__exit__(*error)

    def demux(self, stream: Any) -> Iterator[Any]:
        while True:
            if self._failures.get(self._at, 0):
                self._failures[self._at] -= 1
                raise av.error.InvalidDataError(1094995529, "Invalid data found when processing input")
            packet = next(self._container.demux(stream))
            self._at += 1
            yield packet
            if packet.size == 0:
                return


@pytest.mark.parametrize("failures", [{0: 1}, {5: 3}, {4: 1, 6: 20}])
def test_what_lies_between_packets_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: dict[int, int]
) -> None:
    path = write(tmp_path / "a.avi", quarters())
    opened = av.open
    monkeypatch.setattr(
        "fractalvid.video.decoding.frames.av.open", lambda *a, **o: Failing(opened(*a, **o), dict(failures))
    )
    facts = probe_video(path)
    assert (facts.frames, facts.damaged) == (12, sum(failures.values()))


def test_a_demuxer_that_fails_for_ever_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = write(tmp_path / "a.avi", quarters()), av.open
    monkeypatch.setattr(
        "fractalvid.video.decoding.frames.av.open", lambda *a, **o: Failing(opened(*a, **o), {4: 10**9})
    )
    assert probe_video(path).frames == 4


def test_damaged_gifs_show_the_others_as_long_as_they_say(tmp_path: Path) -> None:
    from tests.fractalvid.video.decoding.test_gif import PALETTE, Patch, full, gif

    patches = [Patch(full(k % 8), delay=10 if k == 6 else 5) for k in range(12)]
    data = gif(patches)
    images = [at for at in range(len(data)) if data[at : at + 10] == b"\x2c" + bytes(4) + b"\x08\0\x06\0\0"]
    assert len(images) == 12
    # Frame 3 asks for a smallest code of 200 bits.
    (tmp_path / "a.gif").write_bytes(data[: images[3] + 10] + b"\xc8" + data[images[3] + 11 :])
    frames = read_video(tmp_path / "a.gif")[:, 0, 0]
    np.testing.assert_array_equal(frames, PALETTE[[0, 1, 2, 4, 5, 6, 6, 7, 0, 1, 2, 3]])
    assert (probe_video(tmp_path / "a.gif").frames, probe_video(tmp_path / "a.gif").damaged) == (12, 1)
