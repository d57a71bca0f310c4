"""Device code against the Numba table: the same functions, random numbers and choices of map. Needs a C++ compiler."""

import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fractalvid.gpu import jobs as device_jobs
from fractalvid.kernels import Jobs, orbit
from fractalvid.kernels.compiled.elementary import F32
from fractalvid.kernels.compiled.random import U32, philox4x32
from fractalvid.kernels.cpu.row_loops import scrambled
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda.translate import TranslationError, _translate, variations_header
from fractalvid.kernels.variations import VARIATIONS
from tests.kernels.conftest import system
from tests.kernels.cuda.host_device import HEADER, HostDevice, compiled
from tests.kernels.test_variations import COEFFICIENTS, EDGES, close, drawn_params, values_of

ALL = tuple(VARIATIONS)
STRANGE = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-38, 1e-20, 3e5, -2e7, 1e15, -3e38]


@pytest.fixture(scope="module")
def table() -> ctypes.CDLL:
    """Every variation as a function of arrays: `apply_<name>(count, arguments, out)`."""
    functions = []
    for row in VARIATIONS.values():
        values = ", ".join(f"in[{i}][i]" for i in range(2 + len(row.arguments)))
        functions.append(
            f'extern "C" void apply_{row.name}(int count, const float** in, float* out) {{\n'
            f"    for (int i = 0; i < count; ++i) {{ const Point p = table::{row.name}({values});\n"
            "        out[2 * i] = p.first; out[2 * i + 1] = p.second; }\n}"
        )
    header = device_jobs.MODULE.source().split('extern "C"')[0]
    hashed = (
        'extern "C" void scramble(int count, const uint32** in, float* out) {\n'
        "    for (int i = 0; i < count; ++i) out[i] = table::scrambled(in[0][i], in[1][i], in[2][i]); }"
    )
    drawn = (
        'extern "C" void encrypt(int count, const uint32** in, uint32* out) {\n'
        "    for (int i = 0; i < count; ++i) {\n"
        "        const Words w = philox(in[0][i], in[1][i], in[2][i], in[3][i], in[4][i], in[5][i]);\n"
        "        for (int k = 0; k < 4; ++k) out[4 * i + k] = w.word[k]; } }"
    )
    return compiled("\n".join([HEADER.read_text(), header, variations_header(), *functions, hashed, drawn]))


def applied(
    table: ctypes.CDLL, name: str, arguments: list[NDArray[Any]], width: int, dtype: type[np.generic] = np.float32
) -> NDArray[Any]:
    count = len(arguments[0])
    kept = [np.ascontiguousarray(argument) for argument in arguments]
    out = np.empty((count, width), dtype)
    pointers = (ctypes.c_void_p * len(kept))(*(argument.ctypes.data for argument in kept))
    getattr(table, name)(count, pointers, ctypes.c_void_p(out.ctypes.data))
    return out


def inputs(number: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Points, parameters and random numbers."""
    row, rng = VARIATIONS[number], np.random.default_rng(number)
    wide = rng.uniform(-1, 1, (300, 2)) * 10 ** rng.uniform(-4, 3, (300, 1))
    points = np.concatenate([rng.uniform(-3, 3, (700, 2)), wide, EDGES]).astype(np.float32)
    draws = rng.uniform(0, 1, (len(points), row.draws)).astype(np.float32)
    draws[:40] = rng.choice(np.array([0, 0.25, 0.5, 1 - 2.0**-24], np.float32), (40, row.draws))
    return points, drawn_params(row, rng, len(points)).astype(np.float32), draws


def columns(number: int, points: NDArray[Any], params: NDArray[Any], draws: NDArray[Any]) -> list[NDArray[Any]]:
    """What a variation takes, an array each."""
    own: dict[str, Any] = {name: np.full(len(points), value, np.float32) for name, value in COEFFICIENTS.items()}
    own |= {f"p{i + 1}": column for i, column in enumerate(params.T)}
    own |= {f"u{i + 1}": column for i, column in enumerate(draws.T)}
    return [points[:, 0], points[:, 1], *(own[name] for name in VARIATIONS[number].arguments)]


@pytest.mark.parametrize("number", ALL)
def test_variations_are_their_formulas(table: ctypes.CDLL, number: int) -> None:
    points, params, draws = inputs(number)
    got = applied(table, f"apply_{VARIATIONS[number].name}", columns(number, points, params, draws), 2)
    x, y = points.T.astype(np.float64)
    assert close(number, got.astype(np.float64), x, y, values_of(VARIATIONS[number], params, draws)).all()


@pytest.mark.parametrize("number", ALL)
def test_variations_are_those_of_the_table_where_points_are_strange(table: ctypes.CDLL, number: int) -> None:
    """Infinite, huge, tiny, no number: what is lost here is lost there, since that decides who is restarted."""
    row = VARIATIONS[number]
    strange = np.array([*STRANGE, 0.3], np.float32)
    points = np.stack(np.meshgrid(strange, strange), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(number)
    params = drawn_params(row, rng, len(points)).astype(np.float32)
    draws = rng.uniform(0, 1, (len(points), row.draws)).astype(np.float32)
    arguments = columns(number, points, params, draws)
    got = applied(table, f"apply_{row.name}", arguments, 2)
    with np.errstate(all="ignore"):
        wanted = np.array([row.function(*values) for values in zip(*arguments, strict=True)], np.float32)
        lost = ~(np.abs(wanted).sum(axis=1) <= 1e6)
        also_lost = ~(np.abs(got).sum(axis=1) <= 1e6)
    # Phases of huge numbers are coarse: where sines of them are divided by, a rounding decides.
    assert np.mean(lost != also_lost) < 0.03
    calm = ~lost & ~also_lost & (np.abs(points).max(axis=1) < 1e4)
    size = 1 + np.abs(wanted[calm]).max(axis=1, keepdims=True)
    assert (np.abs(got[calm] - wanted[calm]) <= 3e-5 * size).mean() > 0.97


def test_random_numbers_are_the_same_bits(table: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    key, counter = rng.integers(0, 2**32, (500, 2), np.uint32), rng.integers(0, 2**32, (500, 4), np.uint32)
    got = applied(table, "encrypt", [*key.T, *counter.T], 4, np.uint32)
    assert np.array_equal(got, philox4x32(key, counter))
    # Known answers of Random123.
    ones = np.full((1, 6), 0xFFFFFFFF, np.uint32)
    known = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert applied(table, "encrypt", list(ones.T), 4, np.uint32).tolist() == [known]
    words = [rng.integers(0, 2**32, 500, np.uint32) for _ in range(3)]
    got = applied(table, "scramble", words, 1)[:, 0]
    assert got.tolist() == [float(scrambled(*map(U32, w))) for w in zip(*words, strict=True)]


def test_arrays_of_words_are_those_of_their_counters() -> None:
    rng = np.random.default_rng(1)
    key, a, b = rng.integers(0, 2**32, 2, np.uint32), rng.integers(0, 2**32, 300), rng.integers(0, 2**32, 300)
    attempt, what = rng.integers(0, 256, 300), 5 << 24 | 130 << 8
    for tries in (attempt, None):
        counter = np.zeros((300, 3, 4), np.uint32)
        counter[..., 0] = np.arange(3)
        counter[..., 1] = (what | (0 if tries is None else tries[:, None])) & 0xFFFFFFFF
        counter[..., 2], counter[..., 3] = a[:, None], b[:, None]
        got = device_jobs.words(HostDevice(), key, what, a, b, 3, tries)
        assert np.array_equal(got, philox4x32(key, counter).reshape(300, 12))


@pytest.mark.parametrize("num_maps", [1, 3, 8, 40])
def test_maps_are_chosen_alike(num_maps: int) -> None:
    """Every map is a point of its own, so an orbit tells which map each walker took in each step: 40 of them here."""
    maps = np.zeros((num_maps, 6), np.float32)
    maps[:, 2] = np.arange(num_maps)
    rng = np.random.default_rng(num_maps)
    weights = rng.uniform(0, 1, (3, num_maps)) ** 3 * (rng.uniform(0, 1, (3, num_maps)) < 0.8) + 1e-4
    if num_maps > 1:
        weights[:, -1] = 0
    jobs = Jobs.of([maps] * 3, weights / weights.sum(axis=1, keepdims=True), seed=[3, 2**40 + 7, 2**64 - 1])
    got = game.orbit(HostDevice(), jobs, 40 * 128, burn_in=0, variations=game.CompiledVariations((0,)))
    assert np.array_equal(got, orbit(jobs, 40 * 128, burn_in=0))
    assert len(np.unique(got[..., 0])) > num_maps / 2
    if num_maps > 1:
        assert got[..., 0].max() < num_maps - 1, "a map of weight 0 was taken"


@pytest.mark.parametrize("amount", [1.0, 0.9])
def test_a_step_is_that_of_the_cpu(amount: float) -> None:
    """Coefficients, parameters and random numbers reach every variation, alone and in sums."""
    maps, weights = system(4, seed=3)
    numbers = ALL if amount < 1 else (0, 13, 15, 21, 24, 35, 36)
    rng = np.random.default_rng(5)
    params = np.zeros((len(numbers), 4, 1, 4), np.float32)
    for j, number in enumerate(numbers):
        own = drawn_params(VARIATIONS[number], rng, 4)
        params[j, :, 0, : own.shape[1]] = own
    jobs = Jobs.of(
        [maps] * len(numbers),
        [weights],
        seed=np.arange(len(numbers)),
        variation=np.broadcast_to(np.array(numbers)[:, None, None], (len(numbers), 4, 1)),
        amount=np.full((1, 1, 1), amount),
        params=params,
    )
    variations = game.variations_of(jobs)
    assert (variations.fused, variations.summed) == (((), ALL) if amount < 1 else (numbers, ()))
    got = game.orbit(HostDevice(), jobs, 128, burn_in=0, variations=variations)
    wanted = orbit(jobs, 128, burn_in=0)
    size = 1 + np.abs(wanted).max(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):
        near = (np.abs(got - wanted) <= 1e-4 * size) | (got == wanted)
    assert near.all(axis=2).mean(axis=1).min() > 0.95


def _loops(x: Any) -> Any:
    for _ in range(3):
        x = x + x
    return x


def _calls_what_nobody_knows(x: Any) -> Any:
    return np.sinh(x)


def _four(x: Any) -> Any:
    return x, x, x, x


def _power(x: Any) -> Any:
    return x**2


def _good(x: Any) -> Any:
    u, v = x * F32(2.0), -x
    return u if u < v and not_this(x) > F32(0.5) else v


def not_this(x: Any) -> Any:
    return abs(x)


@pytest.mark.parametrize("function", [_loops, _calls_what_nobody_knows, _four, _power])
def test_what_has_no_translation_is_an_error(function: Any) -> None:
    with pytest.raises(TranslationError, match=function.__name__):
        _translate(function, {}, "float")


def test_what_a_translation_looks_like() -> None:
    written: dict[str, str] = {}
    _translate(_good, written, "float")
    assert list(written) == ["not_this", "_good"]
    assert "auto u = both_1.first;" in written["_good"]
    assert "return (((u < v) && (not_this(x) > 0.5f)) ? u : v);" in written["_good"]
