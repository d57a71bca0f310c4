"""RandAugment: pixels against torchvision, choice and strength against what is asked, geometry against points."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from fractalvid.emulate.photometric.config import PhotometricConfig, RandAugmentConfig
from fractalvid.emulate.photometric.operations import apply_operations
from fractalvid.emulate.photometric.pipeline import draw_photometric
from fractalvid.emulate.photometric.randaugment import FACTORS, GEOMETRIC, Operation, geometric_matrix

SHAPES = [(1, 3, 17, 24), (3, 2, 16, 9), (1, 1, 3, 3), (3, 1, 1, 1), (1, 4, 1, 5)]


def video(shape: tuple[int, int, int, int], count: int = 2) -> Tensor:
    """Clips of smooth noise that leave out the darkest and the lightest greys."""
    rng = np.random.default_rng(sum(shape))
    return torch.from_numpy(rng.normal(110, 30, (count, *shape)).clip(20, 230).astype(np.uint8))


def apply(clips: Tensor, *steps: tuple[Operation, float]) -> Tensor:
    operation = np.array([[kind for kind, _ in steps]] * len(clips), np.int64)
    argument = np.array([[value for _, value in steps]] * len(clips), np.float32)
    return apply_operations(clips, operation, argument)


def tall(clip: Tensor) -> Tensor:
    """All frames (C, T, H, W) below each other, since statistics are the clip's."""
    return clip.flatten(1, 2)


def expected(clip: Tensor, kind: Operation, value: float) -> Tensor:
    frames = clip.movedim(0, 1)
    framewise: dict[Operation, Callable[[], Tensor]] = {
        Operation.BRIGHTNESS: lambda: reference.adjust_brightness(frames, value),
        Operation.COLOUR: lambda: reference.adjust_saturation(frames, value),
        Operation.SHARPNESS: lambda: reference.adjust_sharpness(frames, value),
        Operation.INVERT: lambda: reference.invert(frames),
        Operation.POSTERIZE: lambda: reference.posterize(frames, int(value)),
        Operation.SOLARIZE: lambda: reference.solarize(frames, value * 255),
    }
    clipwise: dict[Operation, Callable[[], Tensor]] = {
        Operation.CONTRAST: lambda: reference.adjust_contrast(tall(clip), value),
        Operation.AUTOCONTRAST: lambda: reference.autocontrast(tall(clip)),
        Operation.EQUALIZE: lambda: reference.equalize(tall(clip)),
    }
    if kind in framewise:
        return framewise[kind]().movedim(1, 0)
    return clipwise[kind]().view(clip.shape)


CASES = (
    [(kind, value) for kind in FACTORS for value in (0.1, 0.37, 1.0, 1.9)]
    + [(Operation.POSTERIZE, bits) for bits in (1, 3, 4)]
    + [(Operation.SOLARIZE, share) for share in (0.0, 0.3, 1.0)]
    + [(kind, 0) for kind in (Operation.INVERT, Operation.AUTOCONTRAST, Operation.EQUALIZE)]
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "value"), CASES)
def test_pixels_are_those_of_torchvision(kind: Operation, value: float, shape: tuple[int, int, int, int]) -> None:
    clips = video(shape)
    result = apply(clips, (kind, value))
    for clip, own in zip(clips, result, strict=True):
        difference = (own.int() - expected(clip, kind, value).int()).abs()
        exact = kind not in (Operation.CONTRAST, Operation.COLOUR, Operation.SHARPNESS)
        assert difference.max() <= (0 if exact else 1)
        if kind == Operation.CONTRAST and len(clip) == 3:
            continue  # There, torchvision takes the mean of rounded greys.
        # Sums in another order, cut to whole numbers, may differ by one.
        assert difference.count_nonzero() <= max(1, 0.05 * difference.numel())


@pytest.mark.parametrize("flat", [0, 7, 255])
def test_a_clip_of_one_grey_stays_finite(flat: int) -> None:
    clips = torch.full((1, 1, 2, 4, 4), flat, dtype=torch.uint8)
    for kind in (Operation.AUTOCONTRAST, Operation.EQUALIZE, Operation.CONTRAST, Operation.SHARPNESS):
        assert torch.equal(apply(clips, (kind, 0.5)), clips), kind


def test_two_operations_are_the_one_after_the_other_also_around_one_on_neighbours() -> None:
    clips = video((1, 3, 16, 16), 3)
    for kinds in [
        (Operation.EQUALIZE, Operation.CONTRAST),
        (Operation.SOLARIZE, Operation.AUTOCONTRAST),
        (Operation.POSTERIZE, Operation.SHARPNESS),
        (Operation.SHARPNESS, Operation.EQUALIZE),
    ]:
        steps = [(kind, 3 if kind == Operation.POSTERIZE else 0.6) for kind in kinds]
        assert torch.equal(apply(clips, *steps), apply(apply(clips, steps[0]), steps[1])), kinds


def test_operations_differ_from_clip_to_clip() -> None:
    clips = video((1, 2, 12, 12), len(Operation))
    operation = np.array([[kind] for kind in Operation], np.int64)
    argument = np.full(operation.shape, 2, np.float32)
    result = apply_operations(clips, operation, argument)
    for row, kind in enumerate(Operation):
        assert torch.equal(result[row : row + 1], apply(clips[row : row + 1], (kind, 2))), kind
        if kind in (Operation.IDENTITY, Operation.COLOUR, *GEOMETRIC):
            assert torch.equal(result[row], clips[row]), kind


def draw(config: RandAugmentConfig, count: int = 20_000) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    drawn = draw_photometric(PhotometricConfig(randaugment=config), 5, np.arange(count), np.ones(count))
    return drawn.operation, drawn.argument


def test_operations_are_different_and_equally_likely() -> None:
    operation, _ = draw(RandAugmentConfig(p=1.0))
    assert (operation[:, 0] != operation[:, 1]).all()
    share = np.bincount(operation.ravel(), minlength=15)[1:] / operation.size
    assert np.allclose(share, 1 / 14, atol=0.005)


def test_each_is_applied_with_its_probability() -> None:
    operation, argument = draw(RandAugmentConfig(p=0.5))
    applied = operation != Operation.IDENTITY
    assert abs(applied.mean() - 0.5) < 0.01
    assert abs(applied.all(axis=1).mean() - 0.25) < 0.01
    assert not argument[~applied].any()


@pytest.mark.parametrize(
    ("kind", "middle", "signed"),
    [
        (Operation.BRIGHTNESS, 1 + 0.63, True),
        (Operation.ROTATE, np.radians(21), True),
        (Operation.SHEAR_X, 0.21, True),
        (Operation.TRANSLATE_Y, 0.315, True),
        (Operation.SOLARIZE, 0.3, False),
    ],
)
def test_magnitude_7_is_of_10(kind: Operation, middle: float, signed: bool) -> None:
    operation, argument = draw(RandAugmentConfig(p=1.0))
    values = argument[operation == kind].astype(np.float64)
    base = 1.0 if kind in (Operation.BRIGHTNESS, Operation.SOLARIZE) else 0.0
    assert np.median(np.abs(values - base)) == pytest.approx(abs(middle - base), rel=0.02)
    assert ((values > base).mean() == pytest.approx(0.5, abs=0.04)) == signed
    # A standard deviation of 0.5 in 7.
    assert np.std(np.abs(values - base)) == pytest.approx(abs(middle - base) / 14, rel=0.1)


def test_posterize_keeps_a_bit_at_least_and_magnitude_0_changes_nothing_else() -> None:
    operation, argument = draw(RandAugmentConfig(p=1.0, magnitude=7))
    assert set(argument[operation == Operation.POSTERIZE]) == {1, 2}
    operation, argument = draw(RandAugmentConfig(p=1.0, magnitude=10, spread=0))
    assert set(argument[operation == Operation.POSTERIZE]) == {1}
    operation, argument = draw(RandAugmentConfig(p=1.0, magnitude=0, spread=0))
    assert set(argument[np.isin(operation, FACTORS)]) == {1}
    assert not argument[np.isin(operation, GEOMETRIC)].any()


def matrix(kind: Operation, value: float) -> NDArray[np.float64]:
    return np.asarray(geometric_matrix(np.array([[kind]]), np.array([[value]], np.float32))[0], np.float64)


def test_matrices_move_known_points() -> None:
    middle, corner = np.array([0.5, 0.5, 1]), np.array([1.0, 0.0, 1])
    assert np.allclose(matrix(Operation.EQUALIZE, 3), np.eye(3))
    assert np.allclose(matrix(Operation.TRANSLATE_X, 0.2) @ middle, [0.7, 0.5, 1])
    assert np.allclose(matrix(Operation.TRANSLATE_Y, -0.1) @ middle, [0.5, 0.4, 1])
    assert np.allclose(matrix(Operation.SHEAR_X, 0.2) @ corner, [0.9, 0, 1])
    assert np.allclose(matrix(Operation.SHEAR_Y, 0.2) @ corner, [1, 0.1, 1])
    for kind in (Operation.ROTATE, Operation.SHEAR_X, Operation.SHEAR_Y):
        assert np.allclose(matrix(kind, 0.4) @ middle, middle)


def test_rotation_keeps_lengths_and_turns() -> None:
    ends = np.array([[0.2, 0.3, 1], [0.6, 0.9, 1]])
    turned = (matrix(Operation.ROTATE, 0.5) @ ends.T).T
    before, after = (pair[1] - pair[0] for pair in (ends, turned))
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before), rel=1e-6)
    angle = np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0])
    assert angle == pytest.approx(0.5, rel=1e-6)


def test_operations_that_move_are_composed_in_their_order() -> None:
    kinds, values = [Operation.ROTATE, Operation.INVERT, Operation.TRANSLATE_X], [0.4, 0, 0.3]
    both = geometric_matrix(np.array([kinds]), np.array([values], np.float32))[0]
    assert np.allclose(both, matrix(kinds[2], 0.3) @ matrix(kinds[0], 0.4), atol=1e-6)
