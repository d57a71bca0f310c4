"""What is drawn of variations for a class, how it moves, and that clips of all of them can be looked at."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.instances import maps_at, weights_at
from fractalvid.fractals.mix import NAMES, PAPER_VARIATIONS, Mix, parse_mix
from fractalvid.fractals.render import render_fractals
from fractalvid.kernels import Jobs, orbit
from fractalvid.kernels.variations import VARIATIONS, by_name
from fractalvid.utils.errors import UserError

HEEDLESS = {row.number for row in VARIATIONS.values() if row.ignores_point}
UNBOUNDED = [row.name for row in VARIATIONS.values() if row.unbounded]


def everything(num_classes: int = 200, **values: Any) -> ClassBank:
    whole: dict[str, Any] = {"variations": NAMES, "linear_share": 0.0} | values
    return ClassBank.sample(num_classes, seed=1, config=ClassConfig(**whole))


def test_mixes_by_name() -> None:
    assert parse_mix("paper") == (PAPER_VARIATIONS, 0.5)
    assert parse_mix("linear")[1] == 1.0
    assert parse_mix("all") == (tuple(VARIATIONS[k].name for k in range(49)), 0.0)
    assert parse_mix("julia, swirl,julia,linear") == (("julia", "swirl", "linear"), 0.0)
    config = ClassConfig()
    assert (config.variations, config.linear_share) == parse_mix("paper")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Julia", "did you mean julia?"),
        ("pie,horsshoe", "unknown variation 'horsshoe'; did you mean horseshoe?"),
        ("", "names none"),
        (" , ", "names none"),
        ("swirl,paper", "cannot stand in a list"),
    ],
)
def test_names_nobody_has(text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        parse_mix(text)
    assert said in str(error.value)


@pytest.mark.parametrize(("variations", "most"), [(("nosuch",), 1), (("julia",), 0), (("julia",), 4)])
def test_impossible_mixes(variations: tuple[str, ...], most: int) -> None:
    with pytest.raises(UserError):
        Mix(variations, most, False)


def test_variations_leave_the_rest_of_a_class_alone(bank: ClassBank) -> None:
    for other in (everything(12), everything(12, max_summed=3), everything(12, per_map=True, max_summed=2)):
        same = ClassBank.sample(12, seed=1)
        for name in ("theta", "phi", "sigma", "signs", "shift", "num_maps", "native_frames"):
            assert np.array_equal(getattr(same, name), getattr(other, name)), name


@pytest.mark.parametrize("values", [{}, {"max_summed": 3}, {"per_map": True, "max_summed": 2}])
def test_a_larger_bank_extends_a_smaller_one(values: dict[str, Any]) -> None:
    small, large = everything(7, **values), everything(20, **values)
    for name in ("variation", "amount", "params"):
        assert np.array_equal(getattr(small, name), getattr(large, name)[:7])


def test_every_variation_is_drawn_and_none_that_ignores_the_point_is_alone() -> None:
    bank = everything(600)
    assert bank.variation.shape == (600, 8, 2)
    used = bank.amount[:, 0, 0] != 0
    assert set(np.unique(bank.variation[:, 0][used]).tolist()) == set(range(49))
    for numbers, taken in zip(bank.variation[:, 0], used, strict=True):
        chosen = numbers[taken].tolist()
        assert len(chosen) == (2 if set(chosen) & HEEDLESS else 1)
        assert set(chosen) - HEEDLESS
    only = ClassBank.sample(5, seed=0, config=ClassConfig(variations=("blur",), linear_share=0.0))
    assert np.all(only.variation[:, 0] == [0, 34])


@pytest.mark.parametrize("per_map", [False, True])
def test_sums(per_map: bool) -> None:
    bank = everything(300, max_summed=3, per_map=per_map)
    assert bank.variation.shape == (300, 8, 3)
    sizes = []
    for c in range(300):
        n = int(bank.num_maps[c])
        assert not bank.amount[c, :, n:].any()
        assert np.allclose(bank.amount[c, :, :n].sum(axis=2), 1, atol=1e-6)
        assert (bank.amount[c] >= 0).all()
        for numbers, taken in zip(bank.variation[c, :n], bank.amount[c, 0, :n] != 0, strict=True):
            chosen = numbers[taken].tolist()
            sizes.append(len(chosen))
            assert len(set(chosen)) == len(chosen)
            assert len(set(chosen) & HEEDLESS) <= 1
            assert set(chosen) - HEEDLESS
        alike = all(np.array_equal(bank.variation[c, 0], row) for row in bank.variation[c, 1:n])
        assert alike or per_map
    assert np.bincount(sizes, minlength=4)[1:].min() > 0.25 * len(sizes)
    if per_map:
        differing = [len({tuple(row) for row in v[:n]}) for v, n in zip(bank.variation, bank.num_maps, strict=True)]
        assert np.mean(np.array(differing) == bank.num_maps) > 0.9


def test_linear_classes_of_a_mix_are_plain() -> None:
    bank = everything(100, linear_share=1.0, max_summed=3, per_map=True)
    assert not bank.variation.any()
    real = np.arange(8) < bank.num_maps[:, None]
    assert np.array_equal(bank.amount[:, 0, :, 0], real)
    assert not bank.amount[..., 1:].any()


def test_parameters_are_drawn_from_their_ranges() -> None:
    for row in VARIATIONS.values():
        if not row.params or row.ignores_point:
            continue
        bank = ClassBank.sample(40, seed=2, config=ClassConfig(variations=(row.name,), linear_share=0.0))
        ends = bank.params[:, :, 0, 0]
        assert not ends[..., len(row.params) :].any()
        for p, param in enumerate(row.params):
            first, second = ends[:, 0, p], ends[:, 1, p]
            assert first.min() >= param.low - 1e-6
            assert first.max() <= param.high + 1e-6
            if param.kind == "integer":
                assert np.array_equal(first, second)
                assert np.array_equal(first, np.rint(first))
                assert len(np.unique(first)) > 1
            else:
                assert not np.any(first == second)
                assert second.max() <= param.high + 1e-6
    pie = ClassBank.sample(40, seed=2, config=ClassConfig(variations=("pie",), linear_share=0.0)).params[:, :, 0, 1]
    turn = pie[:, 1, 1] - pie[:, 0, 1]
    assert 2 < np.abs(turn).max() <= np.pi + 1e-5
    assert turn.min() < 0 < turn.max()
    assert np.array_equal(pie[:, 0, 0], pie[:, 1, 0])


def test_amounts_and_parameters_move_along_the_curves_of_their_maps() -> None:
    bank = everything(30, max_summed=2, per_map=True)
    ids = np.arange(30)
    times = np.stack([np.zeros(30), (bank.native_frames - 1) / 3, bank.native_frames - 1], axis=1)
    chosen = bank.variations_at(ids, times)
    assert {name: values.shape for name, values in chosen.items()} == {
        "variation": (30, 3, 8, 2), "amount": (30, 3, 8, 2), "params": (30, 3, 8, 2, 4),
    }  # fmt: skip
    for c, f in ((3, 1), (17, 2), (29, 1)):
        s = bank.curve[c, int(4 * times[c, f])].astype(float)
        left = 4 * times[c, f] - int(4 * times[c, f])
        if left > 0:
            s = (1 - left) * s + left * bank.curve[c, int(4 * times[c, f]) + 1]
        for name, extra in (("amount", (1,)), ("params", (1, 1))):
            first, second = getattr(bank, name)[c]
            expected = first + s.reshape(8, *extra) * (second - first)
            assert np.allclose(chosen[name][c, f], expected, atol=1e-5)
    whole = [k for k in range(30) if by_name("julian").number in bank.variation[k]]
    assert whole
    assert np.array_equal(chosen["params"], bank.variations_at(ids, times)["params"])
    at = chosen["variation"] == 32
    assert np.array_equal(chosen["params"][at][:, 0], np.rint(chosen["params"][at][:, 0]))


def test_plain_banks_say_so(bank: ClassBank) -> None:
    chosen = bank.variations_at([0, 3], [[0.0, 1.5, 7.0]] * 2)
    assert set(chosen) == {"variation"}
    assert chosen["variation"].shape == (2, 3)
    assert bank.config.mix.plain
    assert not everything(2).config.mix.plain


def test_files_keep_mixes(tmp_path: Path) -> None:
    bank = everything(20, max_summed=3, per_map=True)
    bank.save(tmp_path / "a.npz")
    loaded = ClassBank.load(tmp_path / "a.npz")
    assert loaded.config == bank.config
    assert (loaded.config.max_summed, loaded.config.per_map, len(loaded.config.variations)) == (3, True, 49)
    for name in ("variation", "amount", "params"):
        assert np.array_equal(getattr(loaded, name), getattr(bank, name))


@pytest.mark.parametrize("values", [{}, {"max_summed": 3}, {"per_map": True, "max_summed": 2}])
def test_clips_of_a_mix_do_not_depend_on_batch_or_threads(values: dict[str, Any]) -> None:
    bank = everything(24, **values)
    times = np.tile([3.0, 8.5], (24, 1))
    fits = fit_fractals(bank, np.arange(24), 0, threads=2)
    together = render_fractals(bank, fits, times, size=32, points=4000, threads=3)
    for c in (2, 9, 20):
        alone = fit_fractals(bank, c, 0, threads=1)
        assert np.array_equal(alone.box[0], fits.box[c])
        assert np.array_equal(together[c], render_fractals(bank, alone, times[:1], size=32, points=4000, threads=1)[0])


def independent_orbits(bank: ClassBank, fits: Fits, time: float, points: int) -> np.ndarray:
    """Orbits (B, points, 2) at a time, from other random numbers than the view was found with."""
    times = np.full((len(fits), 1), time)
    maps = maps_at(bank, fits.instances, times)
    maps[..., [0, 1, 3, 4]] *= fits.damping[:, int(time), None, None, None]
    weights = weights_at(bank, fits.instances, maps)
    chosen = {k: v[:, 0] for k, v in bank.variations_at(fits.instances.class_id, times).items()}
    jobs = Jobs.of(maps[:, 0], weights[:, 0], seed=np.arange(len(fits)) + 999, **chosen)
    return orbit(jobs, points, burn_in=100)


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_every_variation_can_be_seen(name: str) -> None:
    """Lit, not filled, moving, and most of the orbit in view at every time."""
    bank = ClassBank.sample(6, seed=5, config=ClassConfig(variations=(name,), linear_share=0.0))
    fits = fit_fractals(bank, np.arange(6), 0)
    assert np.isfinite(fits.box).all()
    clips = render_fractals(bank, fits, np.tile(np.arange(18.0), (6, 1)), size=48, points=20_000).astype(float)
    lit = (clips > 60).mean(axis=(1, 2, 3))
    assert np.median(lit) > 0.01
    assert lit.max() < 0.9
    assert (clips.reshape(6, -1).max(axis=1) > 150).all()
    assert (np.abs(np.diff(clips, axis=1)).mean(axis=(1, 2, 3)) > 0.25).all()
    for time in (0.0, 9.0):
        points = independent_orbits(bank, fits, time, 2048)
        low, high = fits.box[:, None, :2], fits.box[:, None, 2:]
        inside = ((points >= low) & (points <= high)).all(axis=2).mean(axis=1)
        assert inside.min() > (0.55 if by_name(name).unbounded else 0.93)


@pytest.mark.parametrize("name", UNBOUNDED)
def test_views_of_unbounded_variations_show_the_bulk(name: str) -> None:
    """Not the few points that are thrown far: no larger than the fence around the middle 80 % of the orbit."""
    config = ClassConfig(variations=(name,), linear_share=0.0)
    bank = ClassBank.sample(8, seed=3, config=config)
    fits = fit_fractals(bank, np.arange(8), 0)
    ranked = np.sort(np.where(np.isfinite(fits.orbit), fits.orbit, np.inf), axis=2)
    low, high = ranked[:, :, 102], ranked[:, :, -103]
    reach = config.fence * (high - low)
    union = (high + reach).max(axis=1) - (low - reach).min(axis=1)
    assert ((fits.box[:, 2:] - fits.box[:, :2]) <= union * (1 + 2 * config.margin) + 1e-3).all()
