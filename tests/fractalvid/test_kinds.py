"""Every kind of classes keeps the same contracts."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from fractalvid.cli.preview import PreviewConfig, preview
from fractalvid.core.bank import Bank, KindName, bank_difference, extends
from fractalvid.core.camera import CameraConfig, camera_matrices, draw_camera
from fractalvid.core.colour import ColourConfig, foreground
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.kinds import KINDS, clip_times, fit_clips, load_bank, render_clip, render_fits, sample_bank
from fractalvid.sets.config import SetConfig
from fractalvid.sets.generation import generate
from fractalvid.sets.reader import SetReader
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.textures.perlin import PerlinConfig
from fractalvid.utils.errors import UserError

DRAWN = [name for name in KINDS if name != "ifs"]
POINTS = 4000
COLOUR = ColourConfig(drift=1.0)

every_kind = pytest.mark.parametrize("kind", list(KINDS))
drawn_kind = pytest.mark.parametrize("kind", DRAWN)


def bank_of(kind: str, classes: int = 6) -> Bank:
    return sample_bank(classes, kind=kind, seed=3)


def clips(
    bank: Bank, class_id: Any, instance_id: Any, times: Any = (0.0, 3.25, 9.0), size: Any = 40, **more: Any
) -> np.ndarray:
    fit = fit_clips(bank, class_id, instance_id, threads=more.get("threads"))
    at = np.tile(np.asarray(times, float), (len(fit), 1))
    return np.asarray(render_fits(bank, fit, at, size=size, points=POINTS, **more))


@every_kind
def test_a_larger_bank_extends_a_smaller_one(kind: str) -> None:
    small, large = bank_of(kind, 4), bank_of(kind, 9)
    assert (small.kind, len(small), len(large)) == (kind, 4, 9)
    assert extends(large, small)
    assert not extends(small, large)
    assert not extends(sample_bank(9, kind=kind, seed=4), small)
    assert np.array_equal(clips(small, [3], [8]), clips(large, [3], [8]))


@every_kind
def test_a_bank_is_equal_to_itself_alone(kind: str) -> None:
    bank, other = sample_bank(3, kind=kind, seed=1), sample_bank(3, kind=kind, seed=1)
    assert {bank: "one", other: "other"}[bank] == "one"
    assert bank == bank and bank != other


@every_kind
def test_lengths_lie_in_18_to_20(kind: str) -> None:
    assert set(sample_bank(40, kind=kind, seed=0).native_frames.tolist()) == {18, 19, 20}


@every_kind
@pytest.mark.parametrize("colour", [None, COLOUR])
def test_a_clip_does_not_depend_on_batch_order_or_threads(kind: str, colour: ColourConfig | None) -> None:
    bank = bank_of(kind)
    class_id, instance_id = np.array([4, 0, 5, 2, 0, 1, 3]), np.array([7, 0, FIRST_VALIDATION_ID, 2, 1, 2**32 - 1, 9])
    crops = draw_camera(CameraConfig(), 1, np.arange(7))
    view = camera_matrices(crops, 40)
    whole = clips(bank, class_id, instance_id, colour=colour, camera=view, threads=2)
    order = np.array([6, 2, 0, 5, 1, 4, 3])
    other = clips(bank, class_id[order], instance_id[order], colour=colour, camera=view[order], threads=1)
    assert np.array_equal(whole[order], other)
    for row in range(len(class_id)):
        alone = clips(bank, class_id[row], instance_id[row], colour=colour, camera=view[row : row + 1])
        assert np.array_equal(whole[row], alone[0])


@every_kind
def test_frames_are_functions_of_real_time(kind: str) -> None:
    bank = bank_of(kind)
    whole = clips(bank, [1, 2], [0, 0], times=(2.0, 2.5, 3.0, 12.0))
    assert np.array_equal(whole[:, 1:2], clips(bank, [1, 2], [0, 0], times=(2.5,)))
    assert np.array_equal(whole[:, ::-1], clips(bank, [1, 2], [0, 0], times=(12.0, 3.0, 2.5, 2.0)))
    native = render_clip(bank, 1, 0, size=40, points=POINTS)
    assert len(native) == bank.native_frames[1]
    assert np.array_equal(native[[2, 3, 12]], whole[0, [0, 2, 3]])
    assert len(clip_times(bank, 1, 5)) == len(render_clip(bank, 1, 0, size=16, frames=5, points=POINTS)) == 5


@drawn_kind
def test_motion_is_smooth(kind: str) -> None:
    bank = bank_of(kind, 12)
    frames = clips(bank, np.arange(12), 0, times=(5.0, 5.02, 9.0), size=64).astype(int)
    near = np.abs(frames[:, 1] - frames[:, 0]).mean(axis=(1, 2))
    far = np.abs(frames[:, 2] - frames[:, 0]).mean(axis=(1, 2))
    assert (near < 0.2 * far).all()


@every_kind
def test_every_clip_shows_something_that_moves(kind: str) -> None:
    bank = sample_bank(60, kind=kind, seed=1)
    frames = clips(bank, np.arange(60), np.arange(60), times=np.arange(0.0, 18.0, 2.0), size=56).astype(float)
    assert frames.std(axis=(2, 3)).min() > 5
    assert frames.mean(axis=(2, 3)).max() < 250
    moved = np.abs(np.diff(frames, axis=1)).mean(axis=(1, 2, 3))
    assert moved.min() > 0.3
    assert np.median(moved) > 2


@every_kind
def test_any_size_and_its_stretch(kind: str) -> None:
    bank = bank_of(kind)
    assert clips(bank, [0], [0], size=(24, 50)).shape == (1, 3, 24, 50)
    assert clips(bank, [0], [0], size=(1, 1)).shape == (1, 3, 1, 1)
    wide, tall = clips(bank, [0], [0], size=(40, 80))[0], clips(bank, [0], [0], size=(80, 40))[0]
    a, b = wide.reshape(3, 40, 40, 2).mean(axis=3), tall.reshape(3, 40, 2, 40).mean(axis=2)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.85


@every_kind
@pytest.mark.parametrize("perspective", [False, True])
def test_a_camera_moves_the_picture(kind: str, perspective: bool) -> None:
    bank = bank_of(kind)
    base = np.eye(3)
    if perspective:
        base[2] = 0.002, 0.001, 1
    step = np.array([[1, 0, 7], [0, 1, -4], [0, 0, 1.0]])
    plain = clips(bank, [0, 3], [0, 1], size=64, camera=np.stack([base] * 2).astype(np.float32)).astype(int)
    moved = clips(bank, [0, 3], [0, 1], size=64, camera=np.stack([step @ base] * 2).astype(np.float32)).astype(int)
    difference = np.abs(plain[..., 4:, :-7] - moved[..., :-4, 7:])
    assert difference.mean() < 0.5
    # One camera a frame is the same as one a clip, where they agree.
    each = np.broadcast_to(step @ base, (2, 3, 3, 3)).astype(np.float32)
    assert np.array_equal(moved, clips(bank, [0, 3], [0, 1], size=64, camera=each))


@every_kind
def test_validation_is_other_instances_of_the_same_classes(kind: str) -> None:
    bank = bank_of(kind)
    train, held_out = clips(bank, np.arange(6), 0), clips(bank, np.arange(6), FIRST_VALIDATION_ID)
    assert all(np.abs(a.astype(int) - b).mean() > 1 for a, b in zip(train, held_out, strict=True))


def statistics(frames: np.ndarray) -> np.ndarray:
    """A few numbers of a clip: grey levels, motion, detail at three scales along both axes."""
    x = frames.astype(float) / 255
    numbers = [x.mean(), x.std(), *np.quantile(x, (0.1, 0.5, 0.9)), *(np.abs(x[k:] - x[:-k]).mean() for k in (1, 3))]
    for axis in (1, 2):
        for k in (1, 3, 8):
            ahead = np.roll(x, -k, axis=axis)
            numbers.append(np.abs(ahead - x).mean())
    return np.array(numbers)


@every_kind
def test_instances_are_nearer_to_each_other_than_to_other_classes(kind: str) -> None:
    classes, each = 16, 4
    bank = sample_bank(classes, kind=kind, seed=5)
    frames = clips(bank, np.repeat(np.arange(classes), each), np.tile(np.arange(each), classes), np.arange(0, 18, 3))
    numbers = np.array([statistics(clip) for clip in frames])
    numbers = ((numbers - numbers.mean(axis=0)) / (numbers.std(axis=0) + 1e-9)).reshape(classes, each, -1)
    within = np.linalg.norm(numbers[:, :, None] - numbers[:, None], axis=-1).sum() / (classes * each * (each - 1))
    centres = numbers.mean(axis=1)
    between = np.linalg.norm(centres[:, None] - centres, axis=-1).sum() / (classes * (classes - 1))
    assert within < 0.8 * between
    assert (np.linalg.norm(centres[:, None] - centres, axis=-1) + np.eye(classes)).min() > 0.05


@every_kind
def test_colour_shows_exactly_the_foreground_of_grey(kind: str) -> None:
    bank = bank_of(kind)
    grey, coloured = clips(bank, [0, 1], [0, 5]), clips(bank, [0, 1], [0, 5], colour=COLOUR)
    assert coloured.shape == (*grey.shape, 3)
    assert np.array_equal(foreground(coloured, colour=True), foreground(grey, colour=False))
    assert np.ptp(coloured.astype(int), axis=-1).max() > 40


@every_kind
def test_files_round_trip(kind: str, tmp_path: Path) -> None:
    bank = bank_of(kind)
    bank.save(tmp_path / "classes.npz")
    loaded = load_bank(tmp_path / "classes.npz")
    assert type(loaded) is type(bank)
    assert bank_difference(loaded, bank) is None
    assert loaded.config == bank.config
    assert np.array_equal(clips(loaded, [5], [2]), clips(bank, [5], [2]))
    for other in KINDS.values():
        if other.name != kind:
            with pytest.raises(UserError, match=f"of kind {kind}, not {other.name}"):
                other.load(tmp_path / "classes.npz")


@every_kind
def test_no_damage_is_a_traceback(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    bank_of(kind, 3).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            load_bank(path)
        except UserError as error:
            refused += 1
            assert "classes.npz" in str(error)
    assert refused > 30


@drawn_kind
def test_values_that_cannot_be_drawn_are_refused(kind: str, tmp_path: Path) -> None:
    bank: Any = bank_of(kind)
    for name, (_, most) in {"native_frames": (2, 20), **bank.bounds}.items():
        values = getattr(bank, name).copy()
        values[2] = most + 1
        dataclasses.replace(bank, **{name: values}).save(tmp_path / "a.npz")
        with pytest.raises(UserError, match=f"damaged: {name} is out of range"):
            load_bank(tmp_path / "a.npz")
    name = next(iter(bank.bounds))
    dataclasses.replace(bank, **{name: getattr(bank, name)[:2]}).save(tmp_path / "b.npz")
    with pytest.raises(UserError, match=f"damaged: {name} has shape"):
        load_bank(tmp_path / "b.npz")


def test_headers_that_are_not_known_are_one_line(tmp_path: Path) -> None:
    bank_of("shapes").save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))

    def said(**values: Any) -> str:
        np.savez(tmp_path / "b.npz", header=json.dumps(header | values), **arrays)
        with pytest.raises(UserError) as caught:
            load_bank(tmp_path / "b.npz")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "kind 'waves', which is not known here" in said(kind="waves")
    assert "another version" in said(format="fractalvid-textures-0")
    assert "another version" in said(stream_version=99)
    assert "damaged" in said(config={"no": 1})
    assert "damaged" in said(config=[])
    assert "speed" in said(config=header["config"] | {"speed": [3, 1]})
    with pytest.raises(UserError, match="no class bank at"):
        load_bank(tmp_path / "missing.npz")


def test_banks_at_the_ends_of_ranges_can_be_read_again(tmp_path: Path) -> None:
    bank = sample_bank(3, kind="perlin", seed=0, config=PerlinConfig(frequency=(100, 100), time_frequency=(2, 2)))
    bank.save(tmp_path / "a.npz")
    assert bank_difference(load_bank(tmp_path / "a.npz"), bank) is None


def test_banks_from_before_there_were_kinds_are_of_fractals(tmp_path: Path) -> None:
    bank = bank_of("ifs")
    bank.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    del header["kind"]
    np.savez(tmp_path / "b.npz", header=json.dumps(header), **arrays)
    assert bank_difference(load_bank(tmp_path / "b.npz"), bank) is None


def test_differences_are_told() -> None:
    bank = bank_of("perlin", 3)
    assert bank_difference(bank, bank_of("perlin", 3)) is None
    assert bank_difference(bank, bank_of("shapes", 3)) == "shapes, not perlin"
    assert bank_difference(bank, bank_of("perlin", 4)) == "4 classes, not 3"
    assert bank_difference(bank, sample_bank(3, kind="perlin", seed=9)) == "seed 9, not 3"
    other = sample_bank(3, kind="perlin", seed=3, config=type(bank.config)(contrast=(0.1, 0.1)))
    assert bank_difference(bank, other) == "another config"


@every_kind
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("size", size) for size in (0, 8.5, (8, 0), (8, 8, 8), (2**16, 2**16))),
        *(("points", points) for points in (0, 2**31, 1.5)),
        *((name, value) for name in ("threads", "frames") for value in (0, -1, 1.5)),
    ],
)
def test_clips_that_cannot_be_are_refused(kind: str, name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{name} must be"):
        render_clip(bank_of(kind, 1), 0, 0, **({"size": 16, "points": 100} | {name: value}))


@every_kind
def test_ids_are_not_taken_for_others(kind: str) -> None:
    bank: Any = sample_bank(3, kind=kind, seed=4)
    for classes, wrong in (([0, -1], "-1"), (3, "3"), ([0.5], "0.5"), ("a", "'a'"), (np.array([0], object), "")):
        with pytest.raises(UserError, match=rf"class_id .*{wrong}.* is out of range: whole numbers of 0\.\.2"):
            fit_clips(bank, classes, 0)
    for instances, wrong in (([0, 2**32], str(2**32)), (-1, "-1"), ([2**70], str(2**70))):
        with pytest.raises(UserError, match=rf"instance_id {wrong} is out of range: whole numbers of 0\.\.4294967295"):
            fit_clips(bank, [0, 1], instances)


def test_the_table_has_every_name() -> None:
    assert tuple(KINDS) == get_args(KindName)
    assert all(kind.name == name == kind.sample(1, seed=0).kind for name, kind in KINDS.items())


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_notebook_shows_of_a_bank_is_a_line(kind: str) -> None:
    bank = sample_bank(2, kind=kind, seed=5)
    assert repr(bank) == f"{type(bank).__name__}(2 classes, seed=5)"


def test_names_out_of_range() -> None:
    with pytest.raises(UserError, match="unknown kind 'waves'"):
        sample_bank(3, kind="waves", seed=0)
    with pytest.raises(UserError, match="out of range"):
        render_clip(bank_of("octopus"), 6, 0)
    with pytest.raises(UserError, match="chaos game"):
        clips(bank_of("octopus"), [0], [0], exposure="max")
    with pytest.raises(UserError, match="must be 1 to"):
        sample_bank(0, kind="shapes", seed=0)


@drawn_kind
def test_from_bank_to_stream_set_and_pages(kind: str, tmp_path: Path) -> None:
    bank = bank_of(kind, 3)
    config = StreamConfig(clip_len=4, size=32)
    batch = next(iter(FractalStream(bank, batch_size=5, seed=0, config=config)))
    assert batch.video.shape == (5, 3, 4, 32, 32)
    assert batch.video.std() > 0.02
    held_out = next(iter(FractalStream.validation(bank, num_clips=3, batch_size=3, config=config)))
    assert held_out.target.tolist() == [0, 1, 2]

    out = tmp_path / "set"
    lossless = SetConfig(clips=2, size=32, frames=3, format="npz")
    assert generate(bank, out, lossless, workers=2, progress=False) == 0
    reader = SetReader(out)
    for row in reader.rows:
        wanted = render_clip(bank, row.class_id, row.instance_id, size=32, frames=3)
        assert np.array_equal(reader.frames(row), wanted)
    assert generate(sample_bank(4, kind=kind, seed=3), out, lossless, workers=1, progress=False) == 0
    assert len(SetReader(out).rows) == 8
    with pytest.raises(UserError, match="holds clips of"):
        generate(bank_of("ifs", 4), out, lossless, workers=1, progress=False)

    bank.save(tmp_path / "classes.npz")
    for source in (tmp_path / "classes.npz", out):
        sheet, page, *_ = preview(source, tmp_path / f"of-{source.stem}", PreviewConfig(clips=3, columns=3, size=32))
        assert sheet.stat().st_size > 500
        assert "base64" in page.read_text()


@every_kind
@pytest.mark.parametrize("ids", [([], []), ([], 0), ([0, 1], [0, 1, 2]), ([[0, 1]], 0), ([0], [[1]])])
def test_clips_are_named_one_by_one(kind: str, ids: tuple[Any, Any]) -> None:
    with pytest.raises(UserError, match=r"^class_id and instance_id must be \(B,\), as many, at least one"):
        fit_clips(bank_of(kind), *ids)
    with pytest.raises(UserError, match=r"^class_id must be whole numbers \(B,\)"):
        fit_clips(bank_of(kind), [[0], [1, 2]], 0)


@every_kind
def test_times_are_those_of_the_class(kind: str) -> None:
    bank = bank_of(kind, 40)
    short = int(np.flatnonzero(bank.native_frames == 18)[0])
    fit = fit_clips(bank, [short, short], [0, 1])

    def shape(times: Any, colour: ColourConfig | None = None) -> tuple[int, ...]:
        return render_fits(bank, fit, times, size=(8, 12), points=100, colour=colour).shape

    assert shape([[0.0, 17.0]]) == shape([[0, 17], [0, 17.0 + 1e-12]]) == (2, 2, 8, 12)
    assert shape([[]]) == shape([[], []]) == (2, 0, 8, 12)
    assert shape([[]], COLOUR) == (2, 0, 8, 12, 3)
    for late in (17.5, 18, -1, float("nan")):
        said = f"^times must be native frames, 0 to T - 1, which is 17 for clip 1, got {late:g}$"
        with pytest.raises(UserError, match=said):
            shape([[0.0, 17], [3, late]])
    for wrong in ([], [0.0, 1], [[0.0]] * 3, np.zeros((2, 1, 1)), np.zeros((0, 3))):
        with pytest.raises(UserError, match=r"^times must be \(B, F\), a row for each of 2 clips, got shape"):
            shape(wrong)
    with pytest.raises(UserError, match=r"^times must be numbers"):
        shape([[0], [0, 1]])
    with pytest.raises(UserError, match=rf"class_id {short} is out of range"):
        render_fits(bank_of(kind, short), fit, [[0.0]], size=8, points=100)


WHOLE = np.eye(3)
FLAT = np.array([[1, 2, 0], [2, 4, 0], [0, 0, 1.0]])


@every_kind
def test_cameras_that_show_nothing_are_refused(kind: str) -> None:
    bank = bank_of(kind)
    fit = fit_clips(bank, [0, 1], 0)

    def seen(camera: Any) -> np.ndarray:
        return render_fits(bank, fit, [[0.0, 5, 9]], size=8, points=100, camera=camera)

    still = seen(None)
    for right in ([WHOLE.tolist()], [WHOLE] * 2, np.broadcast_to(WHOLE, (2, 3, 3, 3)), np.array([[WHOLE]], int)):
        assert np.array_equal(seen(right), still)
    for wrong in (WHOLE, [WHOLE] * 3, np.ones(9), np.ones((2, 2, 3)), np.broadcast_to(WHOLE, (2, 2, 3, 3))):
        with pytest.raises(UserError, match=r"^camera must be of shape \(2, 3, 3\) or \(2, 3, 3, 3\), got \("):
            seen(wrong)
    for word in ("abc", [[1], [1, 2]], WHOLE[None] * 1j):
        with pytest.raises(UserError, match=r"^camera must be numbers"):
            seen(word)
    for value in (
        FLAT,
        0 * WHOLE,
        WHOLE * np.nan,
        WHOLE + np.inf,
        FLAT.astype(np.float32) / 3,
        np.diag([1e39, 1e39, 1]),
    ):
        with pytest.raises(UserError, match=r"^camera must be homographies that are finite and have an inverse"):
            seen([WHOLE, value])


@every_kind
def test_a_camera_is_the_same_times_any_factor(kind: str) -> None:
    bank = bank_of(kind)
    fit = fit_clips(bank, [0, 1], 0)
    slanted = np.array([[1, 0.1, 2], [0, 0.9, 1], [0.005, -0.004, 0.9]])
    expected = render_fits(bank, fit, [[0.0, 9]], size=24, points=1000, camera=slanted[None])
    assert expected.any()
    for factor in (-1, 2.0**20, -(2.0**-60)):
        assert np.array_equal(
            render_fits(bank, fit, [[0.0, 9]], size=24, points=1000, camera=factor * slanted[None]), expected
        )


@every_kind
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-25, 1e-6, 1e25])
def test_cameras_from_very_far_and_near_end(kind: str, scale: float) -> None:
    bank = bank_of(kind)
    camera = np.diag([scale, scale, 1.0])[None]
    assert render_fits(bank, fit_clips(bank, [0], 0), [[3.0]], size=8, points=100, camera=camera).shape == (1, 1, 8, 8)
