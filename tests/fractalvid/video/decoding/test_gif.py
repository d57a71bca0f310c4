import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fractalvid.video.decoding.gif import shown_frames
from fractalvid.video.reader import VideoError, probe_video, read_frames, read_video

Bytes = NDArray[np.uint8]
PALETTE = np.array(
    [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [250, 250, 0], [9, 80, 9], [3, 3, 90], [70, 0, 70]]
)
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Patch:
    """A frame of a GIF: palette indices (h, w) put at column `x` and row `y`, for `delay` hundredths of a second."""

    indices: Bytes
    x: int = 0
    y: int = 0
    delay: int = 5
    disposal: int = 1
    transparent: int | None = None
    palette: Bytes | None = None


def lzw(indices: Bytes) -> bytes:
    """The indices (0 to 7) as GIF's LZW, with clear codes so often that all codes have 4 bits."""
    clear, end = 8, 9
    codes = [code for k, index in enumerate(indices.ravel()) for code in ([clear] * (k % 6 == 0) + [int(index)])] + [
        end
    ]
    bits = sum(code << 4 * k for k, code in enumerate(codes))
    data = bits.to_bytes((len(codes) + 1) // 2, "little")
    blocks = [data[k : k + 255] for k in range(0, len(data), 255)]
    return b"\3" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(patches: Sequence[Patch], *, width: int = 8, height: int = 6, background: int = 0) -> bytes:
    """A GIF89a file, written by the letter of the specification, with a palette of 8 colours."""

    def short(*values: int) -> bytes:
        return b"".join(value.to_bytes(2, "little") for value in values)

    parts = [b"GIF89a", short(width, height), bytes([0x82, background, 0]), PALETTE.astype(np.uint8).tobytes()]
    for patch in patches:
        h, w = patch.indices.shape
        flags = patch.disposal << 2 | (patch.transparent is not None)
        parts += [b"\x21\xf9\x04", bytes([flags]), short(patch.delay), bytes([patch.transparent or 0, 0])]
        local = b"" if patch.palette is None else patch.palette.astype(np.uint8).tobytes()
        parts += [b"\x2c", short(patch.x, patch.y, w, h), bytes([0x82 if local else 0]), local, lzw(patch.indices)]
    return b"".join([*parts, b";"])


def composed(patches: Sequence[Patch], *, width: int = 8, height: int = 6) -> list[Bytes]:
    """What a browser shows: disposed patches become transparent, that is, the white of the page."""
    canvas = np.full((height, width, 3), WHITE, np.uint8)
    shown = []
    for patch in patches:
        h, w = patch.indices.shape
        before = canvas.copy()
        area = canvas[patch.y : patch.y + h, patch.x : patch.x + w]
        drawn = patch.indices != (-1 if patch.transparent is None else patch.transparent)
        palette = PALETTE if patch.palette is None else patch.palette
        area[drawn] = palette[patch.indices[drawn]]
        shown.append(canvas.copy())
        if patch.disposal == 2:
            area[:] = WHITE
        elif patch.disposal == 3:
            canvas = before
    return shown


def random_patches(rng: np.random.Generator, count: int) -> list[Patch]:
    """A full first frame, then patches of any size, place and disposal, with transparent pixels and own palettes."""
    patches = [Patch(rng.integers(0, 8, (6, 8)).astype(np.uint8), transparent=7)]
    for _ in range(count - 1):
        h, w = int(rng.integers(1, 7)), int(rng.integers(1, 9))
        x, y = int(rng.integers(0, 9 - w)), int(rng.integers(0, 7 - h))
        own = rng.integers(0, 256, (8, 3)).astype(np.uint8) if rng.random() < 0.3 else None
        indices = rng.integers(0, 8, (h, w)).astype(np.uint8)
        disposal, transparent = int(rng.integers(0, 4)), int(rng.integers(0, 8))
        patches.append(Patch(indices, x, y, 5, disposal, transparent, own))
    return patches


def full(value: int) -> Bytes:
    return np.full((6, 8), value, np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_frames_are_composed_as_browsers_do(seed: int) -> None:
    patches = random_patches(np.random.default_rng(seed), 12)
    np.testing.assert_array_equal(read_video(gif(patches)), composed(patches))


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_pillow_sees_the_same(disposal: int) -> None:
    patches = [Patch(full(1)), *(Patch(full(k % 8)[:3, :4], k % 5, k % 4, disposal=disposal) for k in range(11))]
    picture = Image.open(io.BytesIO(gif(patches)))
    frames = []
    for k in range(12):
        picture.seek(k)
        frames.append(np.asarray(picture.convert("RGB")))
    np.testing.assert_array_equal(read_video(gif(patches)), frames)


def test_pillows_own_files_come_back(tmp_path: Path) -> None:
    # Pillow writes only what changed, merges equal frames into one that stays longer, and picks a palette a frame.
    rng = np.random.default_rng(0)
    frames = np.zeros((12, 20, 30, 3), np.uint8)
    for k in range(12):
        frames[k, 3 : 9 + k, 2 : 5 + 2 * k] = rng.integers(0, 256, 3)
    frames[5] = frames[6] = frames[4]
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40, loop=0)
    assert Image.open(tmp_path / "a.gif").n_frames == 10  # type: ignore[attr-defined]
    np.testing.assert_array_equal(read_video(tmp_path / "a.gif"), frames)


def test_grey_interlaced_and_small_palettes(tmp_path: Path) -> None:
    grey = [Image.fromarray(np.full((9, 7), 20 * k, np.uint8)) for k in range(10)]
    grey[0].save(tmp_path / "grey.gif", save_all=True, append_images=grey[1:], duration=50)
    np.testing.assert_array_equal(read_video(tmp_path / "grey.gif")[:, 0, 0, 0], 20 * np.arange(10))
    ramp = Image.fromarray(np.arange(63, dtype=np.uint8).reshape(9, 7))
    ramp.save(tmp_path / "interlaced.gif", interlace=True)
    np.testing.assert_array_equal(read_video(tmp_path / "interlaced.gif", rgb=False)[0], np.asarray(ramp))


def test_what_stays_longer_is_shown_more_often() -> None:
    assert shown_frames([5] * 12).tolist() == list(range(12))
    assert shown_frames([4, 8, 4, 12, 4, 4]).tolist() == [0, 1, 1, 2, 3, 3, 3, 4, 5]
    patches = [Patch(full(k % 8), delay=10 if k == 3 else 5) for k in range(10)]
    frames = read_video(gif(patches))[:, 0, 0]
    np.testing.assert_array_equal(frames, PALETTE[[0, 1, 2, 3, 3, 4, 5, 6, 7, 0, 1]])


def test_frame_rates_that_hundredths_cannot_write_are_constant() -> None:
    assert shown_frames([3, 3, 4] * 5).tolist() == list(range(15))


def test_delays_too_short_for_any_browser_are_a_tenth_of_a_second() -> None:
    assert shown_frames([0] * 10).tolist() == list(range(10))
    assert shown_frames([0, 5] * 5).tolist() == [k for k in range(10) for _ in range(2 - k % 2)]
    assert shown_frames([1, 10] * 5).tolist() == list(range(10))


def test_a_last_frame_that_waits_is_a_pause_of_a_second() -> None:
    assert shown_frames([10] * 10 + [1000]).tolist() == [*range(10), *[10] * 10]
    assert shown_frames([500] * 10).tolist() == list(range(10))


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_few_frames_are_up_sampled(count: int) -> None:
    chosen = shown_frames([7] * count)
    assert len(chosen) == 9
    times = np.bincount(chosen, minlength=count)
    assert times.max() - times.min() <= 1


@pytest.mark.parametrize("count", [61, 100, 999])
def test_many_frames_are_sub_sampled_at_equal_spacing(count: int) -> None:
    chosen = shown_frames([7] * count)
    assert len(chosen) == 60
    steps = np.diff(chosen)
    assert steps.max() - steps.min() <= 1 and chosen[0] < count / 60 and chosen[-1] >= count - count / 60 - 1


@pytest.mark.parametrize("seed", range(5))
def test_any_delays_give_9_to_60_frames_in_order(seed: int) -> None:
    delays = np.random.default_rng(seed).integers(0, 200, 7 + 6 * seed).tolist()
    chosen = shown_frames(delays)
    assert 9 <= len(chosen) <= 60
    assert (np.diff(chosen) >= 0).all() and chosen[0] >= 0 and chosen[-1] < len(delays)


@pytest.mark.parametrize("seed", range(5))
def test_below_60_no_frame_is_skipped(seed: int) -> None:
    delays = np.random.default_rng(seed).integers(4, 12, 20).tolist()
    chosen = shown_frames(delays)
    assert len(chosen) < 60 and set(chosen.tolist()) == set(range(20))


def test_a_single_frame_repeats() -> None:
    still = gif([Patch(full(3))])
    frames = read_video(still)
    assert frames.shape == (9, 6, 8, 3) and (frames == PALETTE[3]).all()
    assert probe_video(still).frames == 9


def test_counted_are_the_frames_that_are_read() -> None:
    long = gif([Patch(full(k % 8), delay=3) for k in range(80)])
    assert probe_video(long).frames == len(read_video(long)) == 60
    np.testing.assert_array_equal(read_frames(long, np.array([59, 3, 3])), read_video(long)[[59, 3, 3]])


def test_frames_are_scaled() -> None:
    assert read_video(gif([Patch(full(1)), Patch(full(2))]), short_side=12).shape == (9, 12, 16, 3)


def test_a_file_that_breaks_off_gives_what_decodes() -> None:
    rng = np.random.default_rng(3)
    patches = [Patch(rng.integers(0, 8, (6, 8)).astype(np.uint8)) for _ in range(20)]
    whole = gif(patches)
    frames = read_video(whole[: 13 + 24 + 12 * (len(whole) - 38) // 20])
    np.testing.assert_array_equal(frames[:12], composed(patches)[:12])
    assert len(frames) in (12, 13)


@pytest.mark.parametrize("data", [b"", b"GIF89a", gif([]), gif([Patch(full(1))])[:44], b"GIF89a" + b"\xff" * 60])
def test_zero_length_and_headers_alone_are_no_video(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.gif"
    path.write_bytes(data)
    why = "frames of 65535 x 65535 pixels" if b"\xff" in data[6:10] else "no frame decodes"
    for read in (read_video, probe_video):
        with pytest.raises(VideoError, match=rf"broken\.gif: {why}"):
            read(path)


def test_no_delays_no_frames() -> None:
    assert shown_frames([]).shape == (0,)
