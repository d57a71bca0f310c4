"""What a player shows is what is read: upright, square pixels, full range, before white."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fractalvid.video.decoding.upright import nearest_orientation
from fractalvid.video.reader import probe_video, read_frames, read_video
from tests.fractalvid.video.made import COLOURS, Bytes, corners, quarters, write

ONE = 1 << 16
SHOWN = {
    "upright": ((1, 0, 0, 1), "RGBW"),
    "left to right": ((-1, 0, 0, 1), "GRWB"),
    "upside down": ((1, 0, 0, -1), "BWRG"),
    "90": ((0, 1, -1, 0), "BRWG"),
    "180": ((-1, 0, 0, -1), "WBGR"),
    "270": ((0, -1, 1, 0), "GWRB"),
    "transposed": ((0, 1, 1, 0), "RBGW"),
    "the other way": ((0, -1, -1, 0), "WGBR"),
    "nothing": ((0, 0, 0, 0), "RGBW"),
    "a line": ((1, 1, 1, 1), "RGBW"),
    "a point high": ((0, 1, 0, 0), "RGBW"),
}


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Let an MP4's track header ask players for x' = a x + c y, y' = b x + d y, with y downwards."""
    data = path.read_bytes()
    plain = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    at = data.index(plain, data.index(b"tkhd"))
    matrix = struct.pack(">9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:at] + matrix + data[at + len(matrix) :])
    return path


def on_its_side(shown: str) -> bool:
    """Whether rows have become columns: red is no longer beside green."""
    return shown[:2] not in ("RG", "GR", "BW", "WB")


@pytest.mark.parametrize("rgb", [True, False])
@pytest.mark.parametrize(("matrix", "shown"), SHOWN.values(), ids=list(SHOWN))
def test_a_display_matrix_turns_and_mirrors(
    tmp_path: Path, matrix: tuple[int, int, int, int], shown: str, rgb: bool
) -> None:
    path = with_matrix(write(tmp_path / "a.mp4", quarters()), *matrix)
    assert corners(read_video(path)[0]) == shown
    frames, facts = read_video(path, rgb=rgb), probe_video(path)
    assert (facts.height, facts.width) == frames.shape[1:3] == ((64, 48) if on_its_side(shown) else (48, 64))
    assert frames.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(read_frames(path, np.array([7]), rgb=rgb)[0], frames[7])


@pytest.mark.parametrize("angle", [-40, 40, 130, 215, 300])
@pytest.mark.parametrize("mirrored", [False, True])
def test_other_angles_go_to_the_nearest_quarter(angle: int, mirrored: bool) -> None:
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    found = nearest_orientation(3 * turn @ np.diag([-2.0 if mirrored else 2.0, 1.0]))
    assert (found.turns, found.mirrored) == (round(angle / 90) % 4, mirrored)


@pytest.mark.parametrize(("aspect", "width"), [("2/1", 128), ("1/2", 32), ("12/11", 70), ("1/1", 64), ("1000/1", 64)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pixels_become_square(tmp_path: Path, name: str, aspect: str, width: int) -> None:
    path = write(tmp_path / name, quarters(), codec="libx264", settings={"sample_aspect_ratio": Fraction(aspect)})
    frames, facts = read_video(path), probe_video(path)
    assert frames.shape[1:3] == (facts.height, facts.width) == (48, width)
    assert corners(frames[0]) == "RGBW"
    assert min(read_video(path, short_side=24).shape[1:3]) == 24


def test_pixels_become_square_before_a_frame_is_turned(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mov", quarters(), settings={"sample_aspect_ratio": Fraction(2)})
    assert read_video(with_matrix(path, 0, 1, -1, 0)).shape[1:3] == (128, 48)


def differences(frames: Bytes) -> int:
    """By how much the corners' colours are missed."""
    inside = frames[0][[5, 5, -6, -6], [5, -6, 5, -6]].astype(int)
    return int(np.abs(inside - np.array(list(COLOURS.values()))).max())


@pytest.mark.parametrize(
    ("codec", "pixels", "colour_range"),
    [
        ("libx264", "yuv420p", 1),
        ("libx264", "yuv420p", 2),
        ("mjpeg", "yuvj420p", None),
        ("libx265", "yuv420p10le", None),
        ("libx265", "yuv420p10le", 2),
        ("ffv1", "gbrp12le", None),
        ("ffv1", "gbrp16le", None),
        ("png", "rgb48be", None),
        ("qtrle", "rgb24", None),
    ],
)
def test_colours_are_those_of_8_bits_in_full_range(
    tmp_path: Path, codec: str, pixels: str, colour_range: int | None
) -> None:
    path, quiet = tmp_path / ("a.mkv" if codec == "ffv1" else "a.mov"), {"x265-params": "log-level=none"}
    settings = {} if colour_range is None else {"color_range": colour_range}
    write(path, quarters(), codec=codec, pixels=pixels, settings=settings, options=quiet)
    assert differences(read_video(path)) <= 8


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray16le"])
def test_grey_of_any_depth_is_grey(tmp_path: Path, pixels: str) -> None:
    ramp = np.arange(0, 256, 4, dtype=np.uint8).reshape(1, 1, 64, 1).repeat(32, 1).repeat(3, 0).repeat(3, 3)
    path = write(tmp_path / "a.mkv", ramp, codec="ffv1", pixels=pixels, settings={"color_range": 2})
    assert np.abs(read_video(path).astype(int) - ramp).max() <= 2


@pytest.mark.parametrize(
    ("codec", "pixels", "name"),
    [
        ("qtrle", "argb", "a.mov"),
        ("png", "rgba", "a.mov"),
        ("ffv1", "yuva444p", "a.mkv"),
        ("libvpx-vp9", "yuva420p", "a.webm"),
        ("libvpx", "yuva420p", "a.webm"),
    ],
)
@pytest.mark.parametrize("rgb", [True, False])
def test_what_is_transparent_is_white(tmp_path: Path, codec: str, pixels: str, name: str, rgb: bool) -> None:
    clip = np.concatenate([quarters(), np.full((12, 48, 64, 1), 255, np.uint8)], axis=3)
    clip[:, :24, :32] = (0, 0, 0, 0)
    clip[:, :24, 32:] = (0, 0, 0, 128)
    options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
    path = write(tmp_path / name, clip, codec=codec, pixels=pixels, options=options)
    frames = read_video(path, rgb=rgb).astype(int)
    assert (frames[:, 4:20, 4:28] >= 250).all()
    assert (np.abs(frames[:, 4:20, 36:60] - 127) <= 5).all()
    if rgb:
        assert (np.abs(frames[:, -10:-4, 4:28] - COLOURS["B"]) <= 12).all()


def test_large_frames_that_name_no_matrix_have_that_of_high_definition(tmp_path: Path) -> None:
    """As players guess: BT.709 from 1280 pixels of width on, BT.601 below."""

    def red(width: int, **settings: int) -> Bytes:
        clip = np.full((1, 64, width, 3), (200, 60, 30), np.uint8)
        path = write(tmp_path / "a.mkv", clip, codec="libx264", options={"crf": "1"}, settings=settings)
        pixel: Bytes = read_video(path)[0, 9, 9]
        return pixel

    assert np.abs(red(640).astype(int) - (200, 60, 30)).max() <= 4
    large = red(1280).astype(int)  # written with BT.601, which the file does not say
    assert np.abs(large - (200, 60, 30)).max() > 8
    assert np.abs(red(1280, colorspace=6).astype(int) - (200, 60, 30)).max() <= 4
