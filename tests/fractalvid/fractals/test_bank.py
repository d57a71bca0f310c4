"""Banks: extension, files, what the configuration does."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.core.bank import bank_difference
from fractalvid.core.seeds import STREAM_VERSION
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.kinds import render_clip
from fractalvid.utils.checks import MAX_SETTING
from fractalvid.utils.errors import UserError

ARRAYS = [f.name for f in dataclasses.fields(ClassBank) if f.name not in ("seed", "config")]
UNLIMITED = ("max_rate", "instance_offset", "radius", "fence", "margin")


def same(a: ClassBank, b: ClassBank) -> bool:
    return (a.seed, a.config) == (b.seed, b.config) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS
    )


def test_a_larger_bank_extends_a_smaller_one(bank: ClassBank) -> None:
    small = ClassBank.sample(5, seed=3)
    assert all(np.array_equal(getattr(small, name), getattr(bank, name)[:5]) for name in ARRAYS)


def test_seeds_differ(bank: ClassBank) -> None:
    other = ClassBank.sample(12, seed=4)
    assert not np.any(other.theta[:, 0, 0] == bank.theta[:, 0, 0])


def test_classes_are_drawn_as_configured() -> None:
    many = ClassBank.sample(400, seed=0)
    assert set(many.native_frames.tolist()) == {18, 19, 20}
    assert set(many.num_maps.tolist()) == set(range(3, 9))
    assert 0.42 < np.mean(many.variation[:, 0] == 0) < 0.58
    assert {VARIATIONS[k].name for k in np.unique(many.variation).tolist()} == {"linear", *ClassConfig().variations}
    still = np.all(many.shift[:, 0] == many.shift[:, 1], axis=(1, 2)).mean()
    assert 0.14 < still < 0.27
    area = many.sigma.prod(axis=3)
    assert np.all(np.diff(area, axis=2) <= 1e-12)


def test_linear_only() -> None:
    config = ClassConfig(linear_share=1.0, motion="linear")
    bank = ClassBank.sample(10, seed=1, config=config)
    assert np.all(bank.variation == 0)
    assert np.all(bank.curve_kind == 0)


def test_naive_interpolation_agrees_at_the_keyframes_only() -> None:
    config = ClassConfig(motion="linear")
    decomposed = ClassBank.sample(6, seed=1, config=config)
    naive = ClassBank.sample(6, seed=1, config=dataclasses.replace(config, interpolation="naive"))
    times = np.stack([np.zeros(6), (decomposed.native_frames - 1) / 2, decomposed.native_frames - 1], axis=1)
    a, b = decomposed.maps_at(np.arange(6), times), naive.maps_at(np.arange(6), times)
    assert np.allclose(a[:, [0, 2]], b[:, [0, 2]], atol=1e-5)
    determinant = [np.abs(m[..., 0] * m[..., 4] - m[..., 1] * m[..., 3])[:, 1].sum() for m in (a, b)]
    assert determinant[1] < 0.8 * determinant[0]


def test_files_round_trip(bank: ClassBank, tmp_path: Path) -> None:
    bank.save(tmp_path / "new" / "classes.npz")
    assert same(bank, ClassBank.load(tmp_path / "new" / "classes.npz"))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["classes.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"text", None])
def test_foreign_files_are_refused(content: bytes | None, bank: ClassBank, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    if content is None:
        bank.save(path)
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"classes\.npz"):
        ClassBank.load(path)


def test_other_archives_and_versions_are_refused(bank: ClassBank, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(UserError, match="not a class bank"):
        ClassBank.load(tmp_path / "other.npz")
    with pytest.raises(UserError, match="no class bank at"):
        ClassBank.load(tmp_path / "missing.npz")
    bank.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    header = str(arrays.pop("header"))
    np.savez(
        tmp_path / "b.npz",
        header=header.replace(f'"stream_version": {STREAM_VERSION}', '"stream_version": 99'),
        **arrays,
    )
    with pytest.raises(UserError, match="another version"):
        ClassBank.load(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", header=header, **(arrays | {"theta": np.zeros((2, 2))}))
    with pytest.raises(UserError, match="damaged: theta"):
        ClassBank.load(tmp_path / "c.npz")
    wrong = (("native_frames", 1), ("num_maps", 9), ("variation", 49), ("variation", -1))
    for name, value in (*wrong, ("sigma", 1e300), ("sigma", -1), ("curve", 1e30), ("shift", -1e6)):
        np.savez(tmp_path / "d.npz", header=header, **(arrays | {name: np.full_like(arrays[name], value)}))
        with pytest.raises(UserError, match=f"damaged: {name} is out of range"):
            ClassBank.load(tmp_path / "d.npz")


def test_no_damage_is_a_traceback(bank: ClassBank, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    bank.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            ClassBank.load(path)
        except UserError:
            refused += 1
    assert refused > 75


def test_values_out_of_range_are_refused(bank: ClassBank, tmp_path: Path) -> None:
    for name, value in (("native_frames", 50), ("num_maps", 9), ("variation", 998)):
        values = getattr(bank, name).copy()
        values[3] = value
        dataclasses.replace(bank, **{name: values}).save(tmp_path / "a.npz")
        with pytest.raises(UserError, match="out of range"):
            ClassBank.load(tmp_path / "a.npz")


def test_files_can_be_read_by_others(bank: ClassBank, tmp_path: Path) -> None:
    bank.save(tmp_path / "a.npz")
    (tmp_path / "b").write_text("")
    assert (tmp_path / "a.npz").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize(
    "values",
    [
        {"min_maps": 9},
        {"max_maps": 2},
        {"max_frames": 40},
        {"linear_share": 1.5},
        {"variations": ("nosuch",)},
        {"variations": ()},
        {"motion": "wild"},
        {"instance_scale": 1.0},
        {"min_maps": 2.5},
        *({name: value} for name in UNLIMITED for value in (float("nan"), float("inf"), 1e30)),
    ],
)
def test_impossible_configurations(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        ClassConfig(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"min_maps": 9}, "min_maps must be a whole number, 2 to 8, got 9"),
        ({"max_frames": 40}, "max_frames must be a whole number, 18 to 20, got 40"),
        ({"radius": 0}, "radius must be a number, above 0 to 1e\\+06, got 0"),
        ({"tail": 0.5}, "tail must be a number, 0 to below 0.5, got 0.5"),
        ({"rows": "z"}, "rows must be x or y, got 'z'"),
    ],
)
def test_a_refusal_names_the_setting_and_its_limits(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}$"):
        ClassConfig(**values)


def test_a_bank_without_a_seed_has_seed_0() -> None:
    assert bank_difference(ClassBank.sample(2), ClassBank.sample(2, seed=0)) is None


@pytest.mark.parametrize("name", UNLIMITED)
def test_the_largest_settings_give_clips(name: str) -> None:
    bank = ClassBank.sample(2, seed=0, config=ClassConfig(**{name: MAX_SETTING}))  # type: ignore[arg-type]
    assert render_clip(bank, 0, 0, size=16, frames=2, points=500).shape == (2, 16, 16)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-3, 0), (10**9, 0), (1, -1), (1, 2**64)])
def test_impossible_banks(count: int, seed: int) -> None:
    with pytest.raises(UserError):
        ClassBank.sample(count, seed=seed)


def test_variations_that_the_config_does_not_name_are_refused(bank: ClassBank, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    dataclasses.replace(bank, variation=np.full_like(bank.variation, 30)).save(path)
    with pytest.raises(UserError, match="variation is none of its config"):
        ClassBank.load(path)
    summed = ClassBank.sample(4, seed=1, config=ClassConfig(variations=("pdj", "horseshoe"), max_summed=2))
    pdj = summed.variation.max()
    twice = dataclasses.replace(
        summed, variation=np.full_like(summed.variation, pdj), amount=np.ones_like(summed.amount)
    )
    twice.save(path)
    with pytest.raises(UserError, match=r"damaged: a map sums \w+ with itself"):
        ClassBank.load(path)


def test_arrays_that_announce_more_than_classes_have_are_never_unpacked(bank: ClassBank, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    dataclasses.replace(bank, curve=np.zeros((len(bank), 10**6, 1), np.float32)).save(path)
    with pytest.raises(UserError, match=r"damaged: curve has shape \(12, 1000000, 1\)"):
        ClassBank.load(path)
