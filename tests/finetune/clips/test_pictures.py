"""Pictures are read as a viewer shows them; what is broken or too large is one line."""

import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.finetune.clips.files import open_clip
from fractalvid.utils.errors import UserError
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.pictures import read_picture
from tests.fractalvid.video.made import corners, quarters

TURNED = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}


def read(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    return np.asarray(read_picture(path, max_pixels=max_pixels))


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_turns_and_mirrors(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(quarters()[0]).save(tmp_path / name, exif=exif)
    picture = read(tmp_path / name)
    assert corners(picture) == TURNED[orientation]
    assert open_clip(tmp_path, short_side=24).shape == (1, *((32, 24) if orientation > 4 else (24, 32)), 3)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_scaled_and_not_cut(tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))
    Image.fromarray(ramp).save(tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name), np.tile(np.arange(256)[None, :, None], (4, 1, 3)))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4], rgba[4:, :4], rgba[4:, 4:] = (0, 0, 0, 0), (200, 0, 0, 255), (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    Image.fromarray(rgba).save(tmp_path / "a.webp", lossless=True, exact=True)
    for name in ("rgba.png", "a.webp"):
        assert read(tmp_path / name)[[0, 5, 5], [0, 0, 6]].tolist() == [[255] * 3, [200, 0, 0], [127] * 3]
    palette = Image.fromarray(np.arange(8, dtype=np.uint8)[None].repeat(8, 0))
    palette = palette.convert("P")
    palette.save(tmp_path / "p.png", transparency=0)
    assert read(tmp_path / "p.png")[0, 0].tolist() == [255] * 3
    grey = Image.merge("LA", [Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 0)])
    grey.save(tmp_path / "la.png")
    assert (read(tmp_path / "la.png") == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_every_mode_is_rgb(tmp_path: Path, mode: str) -> None:
    name = "a.jpg" if mode in ("CMYK", "YCbCr") else "a.png"
    picture = Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).convert(mode)
    picture.save(tmp_path / name)
    assert (read(tmp_path / name) >= 250).all()


def test_floating_point_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: cannot be read as a picture \(its numbers are floating point"):
        read(tmp_path / "a.tif")


def large_png(width: int, height: int) -> bytes:
    """A header that asks for much, and little behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [7_000, 10_000, 16_000])
def test_large_pictures_are_a_line_that_names_the_option(
    tmp_path: Path, side: int, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "a.png").write_bytes(large_png(side, side))
    with pytest.raises(UserError) as told:
        read(tmp_path / "a.png")
    assert str(told.value) == f"{tmp_path / 'a.png'}: frames of {side} x {side} pixels, more than --max-pixels 40000000"
    with pytest.raises(UserError, match="cannot be read as a picture"):
        read(tmp_path / "a.png", max_pixels=side * side) if side < 8_000 else read(tmp_path / "none.png")
    assert not recwarn.list


def test_damage_of_any_kind_is_a_picture_or_a_line(tmp_path: Path) -> None:
    chance = random.Random(0)
    for kind in ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF"):
        file = io.BytesIO()
        Image.fromarray(quarters()[0]).save(file, kind)
        data = file.getvalue()
        for number in range(80):
            changed = bytearray(data)
            for _ in range(chance.choice((1, 3, 20))):
                changed[chance.randrange(min(len(data), chance.choice((64, 512, len(data)))))] = chance.randrange(256)
            path = tmp_path / f"a.{kind.lower()}"
            path.write_bytes(bytes(changed) if number % 3 else data[: len(data) * number // 80])
            try:
                assert read(path).shape[2] == 3
            except UserError as error:
                assert str(error).startswith(f"{path}: ")
                assert "\n" not in str(error)


def test_other_formats_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    os.mkfifo(tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        with pytest.raises(UserError, match="cannot be read as a picture"):
            read(tmp_path / name)
