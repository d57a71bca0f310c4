"""What a person sees of emulation: `fractalvid preview --emulate`."""

from pathlib import Path

import numpy as np
import pytest

from fractalvid.cli.emulated_clips import filmed_clips, filmed_files
from fractalvid.cli.preview import PreviewConfig, clips_of_bank, preview, run
from fractalvid.core.camera import CameraConfig
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import render_clip
from fractalvid.sets import SetConfig, generate
from fractalvid.utils.errors import UserError


def test_clips_of_a_bank_are_whole_and_the_same_again(bank: ClassBank) -> None:
    ids = np.array([[0, 0], [5, 1]])
    shown, again = (filmed_clips(bank, ids, PRESETS["full"], size=40, points=4000) for _ in range(2))
    assert [clip.shape for clip in shown] == [(bank.native_frames.min(), 40, 40)] * 2
    assert all(np.array_equal(a, b) for a, b in zip(shown, again, strict=True))
    plain = filmed_clips(bank, ids, PRESETS["none"], size=40, points=4000)
    assert np.array_equal(plain[0], render_clip(bank, 0, 0, size=40, points=4000)[: len(plain[0])])
    colour = clips_of_bank(bank, clips=2, size=40, points=4000, colour=ColourConfig(), emulate=PRESETS["light"])
    assert colour[0].frames.shape == (bank.native_frames.min(), 40, 40, 3)


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_previews_of_sets(tmp_path: Path, colour: ColourConfig | None) -> None:
    config = SetConfig(clips=1, size=48, points=5000, colour=colour)
    generate(ClassBank.sample(3, seed=2), tmp_path / "set", config, workers=1, hours=None, progress=False)
    paths = preview(tmp_path / "set", tmp_path / "out", PreviewConfig(clips=3, size=48, emulate=PRESETS["paper"]))
    assert all(path.stat().st_size > 1000 for path in paths)


@pytest.mark.parametrize("frames", [1, 8, 19, 30])
def test_files_are_shown_from_their_first_frame_to_their_last(bank: ClassBank, frames: int) -> None:
    ids = np.array([[0, 0], [5, 1], [9, 0]])
    clips = [np.random.default_rng(row).integers(0, 256, (frames, 24, 24)).astype(np.uint8) for row in range(3)]
    shown = filmed_files(clips, ids, bank, EmulationConfig(), size=24, points=1000)
    for clip, same in zip(clips, shown, strict=True):
        assert np.array_equal(clip, same)


def test_clips_to_look_at_are_not_cropped(bank: ClassBank) -> None:
    crop = EmulationConfig(crop=CameraConfig(crop_scale=(0.3, 0.3)))
    ids = np.array([[0, 0]])
    whole, cropped = (filmed_clips(bank, ids, e, size=24, points=3000) for e in (EmulationConfig(), crop))
    assert np.array_equal(whole[0], cropped[0])
    clip = np.random.default_rng(0).integers(0, 256, (9, 24, 24)).astype(np.uint8)
    assert np.array_equal(filmed_files([clip], ids, bank, crop, size=24, points=1000)[0], clip)


def test_the_command(bank: ClassBank, tmp_path: Path) -> None:
    bank.save(tmp_path / "classes.npz")
    small = [str(tmp_path / "classes.npz"), "--clips", "2", "--size", "32", "--points", "2000"]
    run([*small, "--emulate", "full", "--out", str(tmp_path / "full")])
    run([*small, "--out", str(tmp_path / "plain")])
    pictures = [(tmp_path / name / "sheet.png").read_bytes() for name in ("full", "plain")]
    assert pictures[0] != pictures[1]
    with pytest.raises(UserError, match="light, paper, full"):
        run([*small, "--emulate", "everything", "--out", str(tmp_path / "x")])
    assert not (tmp_path / "x").exists()
