"""Foreground masks of generated sets: exact, complete with their clips, resumable."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import render_clip
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.formats import DecodeError
from fractalvid.sets.formats.mask import decode_mask, encode_mask
from fractalvid.sets.manifest import read_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.utils.errors import UserError

COLOUR = ColourConfig(drift=0.5)
SMALL = SetConfig(clips=2, size=32, points=2000, masks=True, colour=COLOUR)


@pytest.fixture(scope="module")
def four() -> ClassBank:
    return ClassBank.sample(4, seed=3)


def make(bank: ClassBank, out: Path, config: SetConfig = SMALL, hours: float | None = None) -> int:
    return generate(bank, out, config, workers=2, hours=hours, progress=False)


def digest(root: Path) -> dict[str, str]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and p.suffix != ".npz"]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 9), (3, 16, 8)])
def test_masks_survive_as_one_bit_pictures(shape: tuple[int, int, int]) -> None:
    mask = np.random.default_rng(1).random(shape) < 0.4
    data = encode_mask(mask)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.mode == "1"
        assert picture.size == (shape[2], shape[0] * shape[1])
    assert np.array_equal(decode_mask(data, shape[0]), mask)
    for frames in (0, -1):
        with pytest.raises(UserError, match=f"not one of {frames} frames"):
            decode_mask(data, frames)


@pytest.mark.parametrize("colour", [None, COLOUR])
def test_masks_beside_clips_are_exact(four: ClassBank, tmp_path: Path, colour: ColourConfig | None) -> None:
    make(four, tmp_path / "set", SetConfig(clips=2, size=48, points=9000, crf=2, masks=True, colour=colour))
    reader = SetReader(tmp_path / "set")
    assert len(reader.rows) == 8
    for row in reader.rows:
        grey = render_clip(four, row.class_id, row.instance_id, size=48, points=9000)
        path = tmp_path / "set" / "masks" / f"{row.class_id:06d}" / f"{row.instance_id:010d}.png"
        assert np.array_equal(decode_mask(path.read_bytes(), row.frames), grey > 0)
        assert np.array_equal(reader.mask(row), grey > 0)
        frames = reader.frames(row)
        assert frames.shape == (grey.shape if colour is None else (*grey.shape, 3))
        shown = render_clip(four, row.class_id, row.instance_id, size=48, points=9000, colour=colour)
        # Colours are kept for every 2 x 2 pixels only.
        assert np.abs(frames.astype(int) - shown).mean() < (1 if colour is None else 6)
    if colour is not None:
        assert np.abs(frames[..., 0].astype(int) - frames[..., 2]).mean() > 1


@pytest.mark.parametrize("kept", ["npz", "png", "webdataset"])
def test_colour_and_masks_of_every_format(four: ClassBank, tmp_path: Path, kept: str) -> None:
    config = SetConfig(clips=1, size=32, points=2000, format=kept, masks=True, colour=COLOUR)  # type: ignore[arg-type]
    make(four, tmp_path / "set", config)
    reader = SetReader(tmp_path / "set")
    assert reader.config.colour == COLOUR
    for row in reader.rows:
        asked = 1 if kept == "png" else None
        shown = render_clip(four, row.class_id, 0, size=32, points=2000, frames=asked, colour=COLOUR)
        grey = render_clip(four, row.class_id, 0, size=32, points=2000, frames=asked)
        assert np.array_equal(reader.mask(row), grey > 0)
        if kept != "webdataset":
            assert np.array_equal(reader.frames(row), shown)


def test_a_set_without_masks_has_none(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "set", SetConfig(clips=1, size=32, points=2000))
    assert not (tmp_path / "set" / "masks").exists()
    reader = SetReader(tmp_path / "set")
    with pytest.raises(UserError, match="--masks"):
        reader.mask(reader.rows[0])
    with pytest.raises(UserError, match="masks"):
        make(four, tmp_path / "set", SetConfig(clips=1, size=32, points=2000, masks=True))


def test_pieces_equal_the_whole(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "one")
    make(ClassBank.sample(2, seed=3), tmp_path / "two", SetConfig(**(vars(SMALL) | {"clips": 1})))
    assert make(four, tmp_path / "two", hours=1e-9) > 0
    assert make(four, tmp_path / "two") == 0
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert len(list((tmp_path / "two").glob("masks/*/*.png"))) == 8


def test_a_kill_in_between_loses_no_mask(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fractalvid", "generate", "--classes", "4", "--clips", "8", "--seed", "3"]
    command += ["--size", "32", "--points", "60000", "--workers", "1", "--masks", "--colour", "structural"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = subprocess.Popen([*command, "--out", str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cut").glob("masks/*/*.png"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    for row in read_manifest(tmp_path / "cut" / "manifest.csv"):
        for path in row.files():
            assert (tmp_path / "cut" / path).stat().st_size > 0
    subprocess.run([*command, "--out", str(tmp_path / "cut")], check=True, capture_output=True)
    assert digest(tmp_path / "whole") == digest(tmp_path / "cut")


def test_what_is_no_mask_is_one_line() -> None:
    whole = encode_mask(np.ones((3, 4, 4), bool))
    with pytest.raises(DecodeError, match="not one of 5 frames"):
        decode_mask(whole, 5)
    with pytest.raises(DecodeError, match="no whole picture"):
        decode_mask(b"\x89PNG nothing", 3)


def test_another_colour_is_another_set(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "set")
    for colour in (None, ColourConfig(drift=0.6)):
        with pytest.raises(UserError, match="colour"):
            make(four, tmp_path / "set", SetConfig(clips=2, size=32, points=2000, masks=True, colour=colour))


def test_masks_too_large_for_a_picture_are_refused() -> None:
    with pytest.raises(UserError, match="--masks"):
        SetConfig(size=4096, masks=True)
    with pytest.raises(UserError, match="points"):
        SetConfig(points=17_000_000, colour=ColourConfig())
