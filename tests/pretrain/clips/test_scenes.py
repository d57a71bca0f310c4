"""Clips with the scenes behind them: what is behind is exact, labels are those of what was drawn, and runs resume."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fractalvid.emulate.config import BackgroundConfig, EmulationConfig
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.kernels.drawing.matter import SHAPED
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.clips import SceneClips, count_scenes
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.weights.cards import load_tensors
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.utils.errors import UserError

BANK = sample_bank(3, seed=1)
BLENDED = EmulationConfig(background=BackgroundConfig(p=0.7, pool=16))
SCENES = replace(PRESETS["scene"], photometric=PhotometricConfig())


def stream(emulate: EmulationConfig, **more: Any) -> FractalStream:
    config = StreamConfig(clip_len=3, size=32, points=2000, emulate=emulate, masks=True, **more)
    return FractalStream(BANK, batch_size=6, config=config, seed=2, threads=1)


def test_a_bare_clip_is_the_clip_outside_its_mask() -> None:
    of = stream(BLENDED)
    batch, clip = next(iter(SceneClips(of))), next(iter(of))
    assert (
        clip.mask is not None and batch.masked is not None and batch.scene is not None and batch.is_masked is not None
    )
    assert torch.equal(batch.video, clip.video)
    assert torch.equal(batch.target, clip.target)
    behind = ~clip.mask[:, None].expand_as(clip.video)
    assert torch.equal(batch.masked[behind], clip.video[behind])
    assert not torch.equal(batch.masked, clip.video)
    assert clip.background_id is not None
    for row, named in enumerate(clip.background_id[:, :, 0].tolist()):
        wanted = np.zeros(count_scenes(of.config, 3))
        for one in named:
            wanted[one] += 0.5 * (one >= 0)
        np.testing.assert_array_equal(batch.scene[row], wanted if named[0] >= 0 else 0 * wanted)
        assert bool(batch.is_masked[row]) == (named[0] >= 0)
        assert batch.masked[row].any() == batch.is_masked[row]


def test_scenes_are_told_by_their_ground(tmp_path: Path) -> None:
    for name in ("beach", "wood"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), "red").save(tmp_path / name / "a.png")
    of = stream(SCENES, backgrounds=tmp_path)
    batch, drawn = next(iter(SceneClips(of))), of.draw(np.arange(6)).emulation
    assert drawn is not None and drawn.scene is not None and batch.scene is not None
    assert batch.scene.shape == (6, 3 + 2 + 2)
    for row in range(6):
        picture, kind = drawn.scene.picture[row], drawn.scene.surface[row, 0, 0]
        ground = 2 + int(picture * 2) if picture >= 0 else int(kind == SHAPED)
        assert batch.scene[row].argmax() == 3 + ground
        assert batch.scene[row].sum() == 1
    assert batch.masked is not None and not torch.equal(batch.masked, batch.video)


def test_batches_follow_from_where_they_begin() -> None:
    one, other = SceneClips(stream(BLENDED)), SceneClips(stream(BLENDED))
    batches = iter(one)
    next(batches)
    other.load_state_dict({"next_index": 6})
    second, again = next(batches), next(iter(other))
    for name in ("video", "target", "scene", "masked", "is_masked"):
        assert torch.equal(getattr(second, name), getattr(again, name)), name


SMALL = [
    *("--arch", "r3d_10", "--classes", "4", "--batch-size", "4", "--clip-len", "4", "--size", "32", "--points", "1000"),
    *("--val-clips", "8", "--device", "cpu", "--threads", "1", "--no-tensorboard", "--no-progress"),
    *("--debias", "0.5", "--emulate", "light,samples=1", "--log-every", "1"),
]


def test_a_resumed_run_is_one_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*SMALL, "--out", str(whole), "--steps", "3"]) == 0
    step = Update.step

    def fails(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        if batch.next_index > 8:
            raise UserError("power failure")
        return step(self, batch, lr)

    with monkeypatch.context() as patch:
        patch.setattr(Update, "step", fails)
        assert main([*SMALL, "--out", str(parts), "--steps", "3", "--checkpoint-every", "2"]) == 2
    assert main(["--resume", "--no-progress", "--out", str(parts)]) == 0
    first, second = load_tensors(whole), load_tensors(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)
    rows = (whole / "metrics.jsonl").read_text()
    assert all(name in rows for name in ("scene_loss", "scene_accuracy", "masked_entropy"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--debias", "-1"], "debias is -1"),
        (["--debias", "0.5"], "add --emulate"),
        (["--debias", "0.5", "--emulate", "light", "--mixup", "0.2"], "leave out one"),
        (["--debias", "0.5", "--emulate", "light", "--aux-mask", "1"], "leave out one"),
        (["--debias", "0.5", "--emulate", "light", "--objective", "simclr"], "does not use it"),
        (["--debias", "0.5", "--emulate", "light", "--grow", "4x24"], "leave out --grow"),
    ],
)
def test_what_can_not_be_debiased_is_refused(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--arch", "r3d_10", "--steps", "8", "--size", "32", "--out", str(tmp_path / "run"), *options]) == 2
    assert told in capsys.readouterr().err
