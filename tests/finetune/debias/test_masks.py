"""Mask files: both kinds, what does not fit, and masks that go where their clips go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fractalvid.finetune.clips.augment import crop, draw
from fractalvid.finetune.clips.config import AugmentConfig, FrameConfig, ViewConfig
from fractalvid.finetune.clips.randaugment import apply_policy, draw_policy
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.debias.masks import check_masks, clip_mask, read_mask, scale_mask, view_masks
from fractalvid.utils.errors import UserError
from tests.finetune.debias.helpers import HEIGHT, WIDTH, facts, figure, put_mask


@pytest.mark.parametrize("suffix", [".png", ".npz"])
def test_masks_are_read_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    file = put_mask(tmp_path, "a.mp4", figure(5), suffix)
    np.testing.assert_array_equal(read_mask(file, facts(5)), figure(5))


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".png", "48 x 180 pixels, and 6 frames of 48 x 36 .* make 48 x 216"), (".npz", r"bool \(5, 36, 48\) instead of")],
)
def test_masks_of_another_number_or_size_are_refused(suffix: str, message: str, tmp_path: Path) -> None:
    file = put_mask(tmp_path, "a.mp4", figure(5), suffix)
    with pytest.raises(UserError, match=message):
        read_mask(file, facts(6))
    with pytest.raises(UserError, match=f"--masks {file}: "):
        read_mask(file, replace(facts(5), width=49))


def test_damaged_masks_are_refused(tmp_path: Path) -> None:
    for suffix in (".png", ".npz"):
        file = put_mask(tmp_path, "a.mp4", figure(5), suffix)
        file.write_bytes(file.read_bytes()[:-60])
        with pytest.raises(UserError, match=f"--masks {file}: "):
            read_mask(file, facts(5))
    np.savez(tmp_path / "b.npz", mask=figure(5).astype(np.float32))
    with pytest.raises(UserError, match="float32"):
        read_mask(tmp_path / "b.npz", facts(5))


def test_all_masks_are_looked_at_before_training(tmp_path: Path) -> None:
    known = {"a.mp4": facts(5), "b.mp4": facts(4)}
    put_mask(tmp_path, "a.mp4", figure(5) & False)
    with pytest.raises(UserError, match=r"no mask of 1 of 2 videos: b.mp4; expected b.mp4.png or .npz"):
        check_masks(tmp_path, list(known), known, threads=2)
    put_mask(tmp_path, "b.mp4", figure(4) & False)
    with pytest.raises(UserError, match="nobody is in any of 2 masks"):
        check_masks(tmp_path, list(known), known, threads=2)
    put_mask(tmp_path, "b.mp4", figure(4))
    digest = check_masks(tmp_path, list(known), known, threads=2)
    (tmp_path / "b.mp4.png").unlink()
    put_mask(tmp_path, "b.mp4", figure(4), ".npz")
    assert check_masks(tmp_path, list(known), known, threads=1) == digest, "the same people, in another file"
    put_mask(tmp_path, "b.mp4", ~figure(4), ".npz")
    assert check_masks(tmp_path, list(known), known, threads=1) != digest
    with pytest.raises(UserError, match="is no folder"):
        check_masks(tmp_path / "x", list(known), known, threads=1)


def test_masks_go_where_their_clips_go() -> None:
    """A clip that is white where somebody is, through crop, flip and operations that move: the mask shows the same."""
    indices = np.arange(24)
    config = AugmentConfig(crop_scale=(0.4, 1.0), blur=0.0, operations=2, magnitude=5.0)
    drawn, policy = draw(3, indices, config), draw_policy(3, indices, config)
    moves = np.isin(policy.which, np.arange(6)).all(1)  # those after the sixth change colours
    assert moves.any() and drawn.flip.any() and not drawn.flip.all()
    mask = figure(4)
    white = np.repeat(scale_mask(mask, (24, 32)).numpy(), 3, axis=3)
    for i in map(int, np.flatnonzero(moves)):
        clip = apply_policy(crop(white, np.arange(4), drawn, i, 16), policy, i, 5.0)
        seen = clip_mask(mask, (24, 32), drawn, policy, i, size=16, magnitude=5.0)
        torch.testing.assert_close(seen, clip[..., 0] >= 128)


def test_a_mask_of_the_size_of_the_frames_is_kept_exactly() -> None:
    config = AugmentConfig((1, 1), (4 / 3, 4 / 3), flip=0.0, operations=0, blur=0.0)
    drawn, policy = draw(0, np.arange(1), config), draw_policy(0, np.arange(1), config)
    square = figure(3)[:, :, :36]
    seen = clip_mask(square, (36, 36), replace(drawn, ratio=np.ones(1)), policy, 0, size=36, magnitude=0.0)
    np.testing.assert_array_equal(seen.numpy(), square)


@pytest.mark.parametrize("size", [36, 20])
def test_masks_are_cut_as_the_views_of_their_videos(size: int) -> None:
    config = ViewConfig(FrameConfig(3, 2), size, (0.0,) * 3, (1.0,) * 3, views=3, crops=3)
    mask = figure(9)
    white = np.repeat(mask[..., None], 3, axis=3).astype(np.uint8) * 255
    views = video_views(white, config)[..., 0] >= 128
    assert torch.equal(view_masks(mask, (HEIGHT, WIDTH), config), views)
    large = mask.repeat(2, 1).repeat(2, 2)
    assert torch.equal(view_masks(large, (HEIGHT, WIDTH), config), views)
