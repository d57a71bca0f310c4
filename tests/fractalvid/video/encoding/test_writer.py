"""Files: what is written is what is read; broken ones are named."""

import hashlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
import torch

from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.codecs import CODECS, available_codecs
from fractalvid.video.encoding.writer import encode_video, write_video
from fractalvid.video.reader import VideoError, probe_video, read_video
from tests.fractalvid.command import fractalvid

ROOT = Path(__file__).parents[4]


def moving_square(frames: int = 6, height: int = 48, width: int = 64) -> np.ndarray:
    clip = np.zeros((frames, height, width), np.uint8)
    for t in range(frames):
        clip[t, 10:30, 5 + 4 * t : 25 + 4 * t] = 60 + 30 * t
    return clip


def test_grey_round_trip(tmp_path: Path) -> None:
    clip = moving_square()
    size = write_video(tmp_path / "a.mp4", clip)
    assert size == (tmp_path / "a.mp4").stat().st_size
    grey = read_video(tmp_path / "a.mp4", rgb=False)
    assert grey.shape == clip.shape
    assert np.abs(grey.astype(int) - clip).mean() < 1
    colour = read_video(tmp_path / "a.mp4")
    assert colour.shape == (*clip.shape, 3)
    assert np.abs(colour.astype(int) - clip[..., None]).mean() < 1.5
    assert probe_video(tmp_path / "a.mp4").frames == 6


def test_full_range_survives(tmp_path: Path) -> None:
    clip = np.zeros((3, 32, 32), np.uint8)
    clip[:, :, 16:] = 255
    write_video(tmp_path / "a.mp4", clip, crf=1)
    grey = read_video(tmp_path / "a.mp4", rgb=False)
    assert grey[:, :, :12].max() <= 3
    assert grey[:, :, 20:].min() >= 252


def test_colour_round_trip(tmp_path: Path) -> None:
    clip = np.zeros((4, 32, 48, 3), np.uint8)
    clip[..., :] = [200, 60, 30]
    clip[:, :, 24:] = [20, 90, 220]
    write_video(tmp_path / "a.mp4", clip, crf=5)
    assert np.abs(read_video(tmp_path / "a.mp4").astype(int) - clip)[:, :, [5, 40]].max() <= 6


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 17, 33), (3, 31, 20)])
def test_odd_sizes_and_single_frames(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    clip = np.full(shape, 77, np.uint8)
    write_video(tmp_path / "a.mp4", clip)
    read = read_video(tmp_path / "a.mp4", rgb=False)
    assert read.shape == (shape[0], shape[1] + shape[1] % 2, shape[2] + shape[2] % 2)
    assert np.abs(read.astype(int) - 77).max() <= 2


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square())
    write_video(tmp_path / "b.mp4", moving_square())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_other_players_find_h264_in_yuv420p(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square(), fps=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt in ("yuv420p", "yuvj420p")
        assert stream.average_rate == 25


def test_short_side(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square())
    assert read_video(tmp_path / "a.mp4", short_side=24).shape == (6, 24, 32, 3)


def test_names_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a #b & ü(1).mp4"
    write_video(path, moving_square())
    assert len(read_video(path)) == 6


@pytest.mark.parametrize("content", [b"", b"this is no video", b"\0" * 5000])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    for function in (read_video, probe_video):
        with pytest.raises(VideoError, match=r"a\.avi"):
            function(path)
    with pytest.raises(VideoError, match="missing"):
        read_video(tmp_path / "missing.mp4")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 8, 8), np.float32))
    with pytest.raises(Exception, match=r"."):
        write_video(tmp_path / "a.mp4", moving_square(), codec="nosuch")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.gif", "a.webm", "a.xyz", "a"])
def test_only_mp4_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"let it end in \.mp4"):
        write_video(tmp_path / name, moving_square())
    assert list(tmp_path.iterdir()) == []
    write_video(tmp_path / "A.MP4", moving_square())


def test_a_clip_of_a_stream_is_refused_with_what_makes_frames_of_it(tmp_path: Path) -> None:
    clip = torch.rand(3, 4, 16, 16)
    with pytest.raises(ValueError, match=r"got torch\.float32 \(3, 4, 16, 16\); \(clip \* 255\)\.round\(\)\.byte\(\)"):
        write_video(tmp_path / "a.mp4", cast(Any, clip))
    frames = (clip * 255).round().byte().permute(1, 2, 3, 0).cpu().numpy()
    write_video(tmp_path / "a.mp4", frames)
    assert read_video(tmp_path / "a.mp4").shape == (4, 16, 16, 3)


def noise(seed: int, frames: int = 12, height: int = 64, width: int = 96) -> np.ndarray:
    """Blocks that flicker and move: much for an encoder to decide."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (frames, height // 8, width // 8))
    return np.kron(blocks, np.ones((1, 8, 8), int)).astype(np.uint8)


@pytest.mark.parametrize("codec", available_codecs())
def test_every_encoder_gives_the_same_bytes_again_beside_others_and_in_another_process(codec: str) -> None:
    # Sizes that once gave other bytes each time, or damaged the heap: few blocks of an encoder's, or parts of them.
    clips = [noise(0, height=48, width=48), noise(1, height=40, width=112), noise(2)]
    clips += [noise(3, frames=frames, height=64, width=64) for frames in (1, 2)]
    alone = [encode_video(clip, codec=codec) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda clip: encode_video(clip, codec=codec), clips * 3)) == alone * 3
    code = (
        "import hashlib; from tests.fractalvid.video.encoding.test_writer import *;"
        f"print(hashlib.sha256(encode_video(noise(2), codec={codec!r})).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert other.stdout.split()[-1] == hashlib.sha256(alone[2]).hexdigest()


@pytest.mark.parametrize("codec", available_codecs())
def test_every_encoder_keeps_frames_range_and_size(codec: str) -> None:
    clip = np.zeros((5, 48, 64), np.uint8)
    clip[:, 8:40, 8:56] = 255
    data = encode_video(clip, codec=codec, crf=CODECS[codec].crf[0], fps=30)
    grey = read_video(data, rgb=False)
    assert grey.shape == clip.shape
    assert grey[:, :4].max() <= 4
    assert grey[:, 12:36, 12:52].min() >= 251
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].average_rate == 30


@pytest.mark.parametrize("codec", available_codecs())
def test_every_encoder_keeps_greys_as_grey_as_they_are(codec: str) -> None:
    ramp = np.tile(np.repeat(np.arange(4, 256, 12, dtype=np.uint8), 16), (2, 64, 1))
    middles = slice(8, None, 16)
    best = CODECS[codec].crf[0]
    grey = read_video(encode_video(ramp, codec=codec, crf=best), rgb=False)
    assert np.abs(grey.astype(int) - ramp)[..., middles].max() <= 3
    colour = read_video(encode_video(np.repeat(ramp[..., None], 3, axis=3), codec=codec, crf=best)).astype(int)
    assert np.abs(colour - ramp[..., None])[:, :, middles].max() <= 4
    assert np.abs(np.ptp(colour, axis=3)[:, :, middles]).mean() < 0.5


@pytest.mark.parametrize("codec", available_codecs())
def test_quality_and_effort_are_told_to_every_encoder(codec: str) -> None:
    low, high = CODECS[codec].crf
    fine, coarse = (encode_video(noise(0), codec=codec, crf=crf) for crf in (low, high))
    assert len(fine) > 1.5 * len(coarse)
    assert encode_video(noise(0), codec=codec, crf=CODECS[codec].default) == encode_video(noise(0), codec=codec)
    for crf in (low - 1, high + 1):
        with pytest.raises(UserError, match=f"crf must be in {low}..{high}"):
            encode_video(noise(0), codec=codec, crf=crf)
    if CODECS[codec].has_presets:
        assert encode_video(noise(0), codec=codec, preset="slow") != encode_video(noise(0), codec=codec)
    else:
        with pytest.raises(UserError, match="no presets"):
            encode_video(noise(0), codec=codec, preset="slow")


def test_an_encoder_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(*arguments: object) -> None:
        raise av.error.PatchWelcomeError(0, "Not yet implemented")

    monkeypatch.setattr("fractalvid.video.encoding.writer._encode", failing)
    with pytest.raises(UserError, match=r"libx264 fails at 12 frames of 64 x 96 pixels \(Not yet implemented\)"):
        encode_video(noise(0))
    assert fractalvid("generate", "--classes", 1, "--clips", 1, "--size", 32, "--points", 500, "--out", tmp_path) == 2


def test_nothing_to_write_and_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        encode_video(noise(0)[:0])
    with pytest.raises(UserError, match=r"cannot write .*nowhere/a.mp4: No such file"):
        write_video(tmp_path / "nowhere" / "a.mp4", noise(0))


def test_encoders_that_are_not_here_are_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no encoder 'libfoo' here; there are: libx264, .*mpeg4"):
        encode_video(noise(0), codec="libfoo")
    monkeypatch.setattr("fractalvid.video.encoding.codecs._is_built_in", lambda name: name == "mpeg4")
    with pytest.raises(UserError, match=r"no encoder 'libx264' here; there are: mpeg4$"):
        encode_video(noise(0))


@pytest.mark.parametrize("codec", available_codecs())
def test_pictures_that_are_too_small_are_refused(codec: str) -> None:
    side = CODECS[codec].min_side
    assert len(read_video(encode_video(np.zeros((2, side, 64), np.uint8), codec=codec))) == 2
    if side > 2:
        with pytest.raises(UserError, match=f"at least {side} pixels"):
            encode_video(np.zeros((2, 64, side - 2), np.uint8), codec=codec)


def test_a_file_holds_what_the_bytes_hold(tmp_path: Path) -> None:
    assert write_video(tmp_path / "a.mp4", moving_square()) == len(encode_video(moving_square()))
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == encode_video(moving_square())
    assert data.find(b"moov") < data.find(b"mdat")  # the index first, for those who stream it
    assert np.array_equal(read_video(data), read_video(tmp_path / "a.mp4"))
    assert probe_video(data).frames == 6
    with pytest.raises(VideoError, match="in memory"):
        read_video(b"no video")


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's scheduling")
def test_encoding_makes_no_thread_real_time() -> None:
    """SVT-AV1, run by root, does so, and then hangs where there is one core."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import numpy as np\n"
        "from fractalvid.video.encoding.writer import encode_video\n"
        "encode_video(np.zeros((4, 64, 64), np.uint8), codec='libsvtav1')\n"
        "print({os.sched_getscheduler(int(thread)) for thread in os.listdir('/proc/self/task')})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "{0}\n"
