"""The probe sees motion where there is one to see, and nothing where there is none."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from fractalvid.core.bank import array_names
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.kinds import KINDS, fit_clips, register_kind, render_fits, sample_bank
from fractalvid.stats.config import ProbeConfig
from fractalvid.stats.probe import motion_probe, share_shapes, tell_apart
from fractalvid.textures.perlin import PerlinBank
from fractalvid.utils.errors import UserError

QUICK = ProbeConfig(shapes=1, motions=2, train=24, test=24, size=16, frames=8, points=1500, steps=60, batch=16)


@dataclasses.dataclass(frozen=True, repr=False)
class LateBank(PerlinBank):
    """A kind that somebody makes known after all of this package was imported."""

    kind: ClassVar[str] = "late"


@dataclasses.dataclass(frozen=True, repr=False)
class MixedBank(PerlinBank):
    """Another, whose motion is in no arrays of its own."""

    kind: ClassVar[str] = "mixed"
    motion: ClassVar[tuple[str, ...]] = ()


@pytest.fixture
def late() -> Iterator[None]:
    for bank in (LateBank, MixedBank):
        register_kind(bank)
    yield
    for bank in (LateBank, MixedBank):
        del KINDS[bank.kind]


def moving_squares(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares that go right (class 0) or left (class 1): single frames, and the sets of them, tell nothing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    clips = np.zeros((count, 8, 16, 16), np.uint8)
    for clip, label in zip(clips, labels, strict=True):
        row, start = rng.integers(0, 11), rng.integers(0, 16)
        for t in range(8):
            column = start + (2 * t if label == 0 else -2 * t)
            clip[t, row : row + 5, (column + np.arange(5)) % 16] = 255
    return clips, labels


@pytest.mark.parametrize(("view", "low", "high"), [("video", 0.9, 1.0), ("shuffled", 0.3, 0.7), ("frame", 0.3, 0.7)])
def test_only_motion_tells_directions_apart(view: str, low: float, high: float) -> None:
    train, train_class = moving_squares(128, 0)
    test, test_class = moving_squares(96, 1)
    accuracy = tell_apart(train, train_class, test, test_class, view=view, config=QUICK)
    assert low <= accuracy <= high


def test_a_single_frame_is_enough_where_looks_differ() -> None:
    train, labels = moving_squares(64, 0)
    train[labels == 1] //= 4
    test, test_class = moving_squares(32, 1)
    test[test_class == 1] //= 4
    assert tell_apart(train, labels, test, test_class, view="frame", config=QUICK) > 0.9


def test_training_is_deterministic_and_touches_no_global_generator() -> None:
    torch = pytest.importorskip("torch")
    train, labels = moving_squares(32, 0)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    few = dataclasses.replace(QUICK, steps=6)
    found = [tell_apart(train, labels, train, labels, view="video", config=few) for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), state)


def test_curves_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    plain = ClassBank.sample(4, seed=5, config=ClassConfig(instance_scale=0.05, instance_offset=0.05))
    rise = np.broadcast_to(np.linspace(0, 1, plain.curve.shape[1])[:, None], plain.curve.shape[1:])
    differing = np.stack([rise, 1 - rise, rise, 1 - rise]).astype(np.float32)
    frames = np.full(4, 20)
    strong = dataclasses.replace(plain, curve=differing, native_frames=frames)
    equal = dataclasses.replace(plain, curve=np.stack([rise] * 4).astype(np.float32), native_frames=frames)
    # Classes 0 and 3 are the donors of two motions: one goes from first to second keyframe, one back.
    told, untold = (motion_probe(bank, QUICK) for bank in (strong, equal))
    assert told.accuracy["video"] > 0.85
    assert told.accuracy["video"] > told.accuracy["frame"] + 0.25
    assert 0.25 < untold.accuracy["video"] < 0.75
    assert (told.chance, told.tested) == (0.5, 48)
    assert set(told.single) == {"video", "shuffled", "frame"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_bank_of_shared_shapes(kind: str) -> None:
    bank = sample_bank(6, kind=kind, seed=2)
    shared = share_shapes(bank, 4, [0, 2, 5])
    assert len(shared) == 3
    for name in array_names(type(bank)):
        values = getattr(shared, name)
        assert values.dtype == getattr(bank, name).dtype
        if name not in KINDS[kind].motion:
            assert np.array_equal(values, getattr(bank, name)[[4, 4, 4]]), name
        elif name not in ("curve", "curve_kind"):
            assert np.array_equal(values, getattr(bank, name)[[0, 2, 5]]), name
    assert any(len(np.unique(getattr(shared, name), axis=0)) > 1 for name in KINDS[kind].motion)
    times = np.tile(np.linspace(0, 17, 3), (3, 1))
    clips = render_fits(shared, fit_clips(shared, [0, 1, 2], 0), times, size=24, points=1500)
    assert clips.shape == (3, 3, 24, 24)
    assert clips.any()


def test_curves_are_stretched_to_the_length_of_the_shapes() -> None:
    bank = ClassBank.sample(40, seed=1)
    long, short = int(bank.native_frames.argmax()), int(bank.native_frames.argmin())
    assert bank.native_frames[long] > bank.native_frames[short]
    shared = share_shapes(bank, short, [long, short])
    columns = np.arange(8) % bank.num_maps[long]
    last = 4 * (bank.native_frames[[short, long]] - 1)
    for share in (0, 0.5, 1):
        expected = bank.curve[long, round(share * last[1])][columns]
        assert np.allclose(shared.curve[0, round(share * last[0])], expected, atol=1e-5)
    own = np.arange(8) % bank.num_maps[short]
    assert np.allclose(shared.curve[1][: last[0] + 1], bank.curve[short][: last[0] + 1][:, own], atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        {"motions": 1},
        {"steps": 0},
        {"size": 8},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"batch": 1},
        {"points": 3_000_000_000},
        {"seed": 2**64},
        {"size": 1024, "frames": 10_000},
        {"batch": 10_000, "size": 256},
        {"train": 100_000, "size": 128},
    ],
)
def test_impossible_probes_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match="probe"):
        ProbeConfig(**values)  # type: ignore[arg-type]


def test_the_last_seed_goes_round() -> None:
    last = dataclasses.replace(QUICK, shapes=2, steps=1, train=2, test=2, batch=2, seed=2**64 - 1)
    assert len(motion_probe(ClassBank.sample(3, seed=0), last).single["video"]) == 2


@pytest.mark.usefixtures("late")
def test_kinds_that_are_known_late_are_probed_like_others() -> None:
    bank = LateBank.sample(4, seed=2)
    shared = share_shapes(bank, 3, [0, 1])
    for name in array_names(LateBank):
        rows = [0, 1] if name in PerlinBank.motion else [3, 3]
        assert np.array_equal(getattr(shared, name), getattr(bank, name)[rows]), name
    few = dataclasses.replace(QUICK, steps=1, train=2, test=2, batch=2)
    assert set(motion_probe(bank, few).single) == {"video", "shuffled", "frame"}
    with pytest.raises(UserError, match="no motion-only probe for classes of kind mixed"):
        motion_probe(MixedBank.sample(4, seed=2), few)


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(UserError, match="as many classes"):
        motion_probe(ClassBank.sample(3, seed=0), ProbeConfig())


def test_it_says_how_far_it_is() -> None:
    seen: list[tuple[int, int]] = []
    few = ProbeConfig(shapes=1, motions=2, train=2, test=1, steps=3, size=16, frames=4, points=500, batch=2)
    motion_probe(ClassBank.sample(3, seed=0), few, on_step=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 9) for done in range(10)]
