import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import RandAugment

from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.clips.randaugment import OPERATIONS, Policy, apply_policy, draw_policy, strength

FRAMES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), dtype=np.uint8))
THEIRS = {"saturation": "Color", "autocontrast": "AutoContrast"}


def policy(name: str, negative: bool = False, blur: bool = False) -> Policy:
    return Policy(np.array([[list(OPERATIONS).index(name)]]), np.array([[negative]]), np.array([blur]))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("magnitude", [0, 7, 30])
def test_operations_are_torchvisions(name: str, magnitude: int) -> None:
    """On a scale that ends at 10, as PyTorchVideo's, instead of 30."""
    theirs = RandAugment(1, magnitude)
    called = THEIRS.get(name, "".join(part.capitalize() for part in name.split("_")))
    magnitudes, signed = theirs._AUGMENTATION_SPACE[called]
    values = magnitudes(31, *FRAMES.shape[1:3])
    for negative in (False, True):
        value = 0.0 if values is None else float(values[magnitude]) * (-1 if signed and negative else 1)
        assert OPERATIONS[name].signed == signed
        expected = theirs._apply_image_or_video_transform(
            FRAMES.permute(0, 3, 1, 2), called, value, interpolation=theirs.interpolation, fill=theirs._fill
        )
        got = apply_policy(FRAMES, policy(name, negative), 0, magnitude / 3)
        assert got.dtype == torch.uint8
        assert torch.equal(got, expected.permute(0, 2, 3, 1))


def test_every_frame_is_changed_alike() -> None:
    still = FRAMES[:1].expand(3, -1, -1, -1)
    for name in OPERATIONS:
        got = apply_policy(still, policy(name), 0, 7)
        assert torch.equal(got[0], got[2])


def test_blur_comes_last_and_only_where_drawn() -> None:
    assert torch.equal(apply_policy(FRAMES, policy("identity"), 0, 9), FRAMES)
    blurred = apply_policy(FRAMES, policy("identity", blur=True), 0, 9)
    assert blurred.float().var() < 0.5 * FRAMES.float().var()


def test_draws_belong_to_seed_and_sample_and_fill_their_range() -> None:
    config = AugmentConfig(operations=2, blur=0.25)
    drawn = draw_policy(3, np.arange(3000), config)
    again = draw_policy(3, np.array([11, 5]), config)
    assert again.which.tolist() == drawn.which[[11, 5]].tolist()
    assert drawn.which.shape == drawn.negative.shape == (3000, 2)
    counts = np.bincount(drawn.which.ravel(), minlength=len(OPERATIONS))
    assert counts.min() > 0.75 * 6000 / len(OPERATIONS)
    assert abs(drawn.negative.mean() - 0.5) < 0.03
    assert abs(drawn.blur.mean() - 0.25) < 0.03
    assert abs(np.mean(drawn.which[:, 0] == drawn.which[:, 1]) - 1 / len(OPERATIONS)) < 0.02
    assert draw_policy(4, np.array([5]), config).which.tolist() != again.which[1:].tolist()


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    drawn = draw_policy(0, np.arange(4), AugmentConfig(operations=0, blur=0.0))
    assert drawn.which.shape == (4, 0)
    assert not drawn.blur.any()


def test_strengths_grow_from_nothing() -> None:
    assert strength("rotate", 0, False) == 0
    assert strength("rotate", 7, False) == pytest.approx(21)
    assert strength("brightness", 7, True) == pytest.approx(-0.63)
    assert strength("rotate", 10, True) == -30
    assert strength("posterize", 0, True) == 8
    assert strength("solarize", 10, False) == 0
