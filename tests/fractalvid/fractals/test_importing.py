"""Class files of the reference method's code: what its formulas give from a file, the imported class gives."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.importing import KEYS, THEIR_VARIATIONS, class_files, import_classes
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.kinds import render_clip
from fractalvid.utils.errors import UserError
from tests.fractalvid.command import fractalvid
from tests.kernels.formulas import FORMULAS

Arrays = dict[str, Any]


def a_class(rng: np.random.Generator, number: int = 0, maps: int = 5, frames: int = 19, still: bool = False) -> Arrays:
    """What such a file holds: shapes, types and ranges as published."""
    first = rng.uniform(0, 2 * np.pi, (maps, 2))
    sigma = np.sort(rng.uniform(0.2, 0.8, (2, maps, 2)))[..., ::-1]
    bias = rng.uniform(-1, 1, (2, maps, 2))
    arrays = {
        "interp": rng.uniform(0, 1, (frames, maps)),
        "angle": np.stack([first, first + rng.uniform(-np.pi, np.pi, (maps, 2))]),
        "sigma": sigma[..., None] * np.eye(2),
        "delta": rng.choice([-1.0, 1.0], (2, maps, 2))[..., None] * np.eye(2),
        "bias": bias[[0, 0]] if still else bias,
    }
    return {name: values.astype(np.float32) for name, values in arrays.items()} | {"is_constant": still, "var": number}


def rotation(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)


def maps_there(arrays: Arrays) -> np.ndarray:
    """Affine coefficients (T, N, 6) by the published composition."""
    s = arrays["interp"].astype(np.float64)

    def between(values: np.ndarray) -> np.ndarray:
        share = s.reshape(*s.shape, *(1,) * (values.ndim - 2))
        return np.asarray(values[0] * (1 - share) + values[1] * share)

    angle = between(arrays["angle"])
    bias = between(arrays["bias"][[0, 0]] if arrays["is_constant"] else arrays["bias"])
    linear = rotation(angle[..., 0]) @ arrays["delta"][0] @ between(arrays["sigma"])
    linear = linear @ rotation(angle[..., 1]) @ arrays["delta"][1]
    return np.concatenate([linear, bias[..., None]], -1).reshape(*s.shape, 6)


def polar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A formula of radius and angle, the angle being atan2(y, x)."""
    return lambda x, y, v: np.array(function(np.hypot(x, y), np.arctan2(y, x), v))


def rings_there(r: Any, t: Any, v: Any) -> Any:
    size = np.mod(r + v.c**2, 2 * v.c**2) - v.c**2 + r * (1 - v.c**2)
    return size * np.cos(t), size * np.sin(t)


DIFFERENT: dict[int, Callable[..., Any]] = {
    5: polar(lambda r, t, v: (t / np.pi, r - 1)),
    6: polar(lambda r, t, v: (r * np.sin(t + r), r * np.cos(t - r))),
    7: polar(lambda r, t, v: (r * np.sin(t * r), -r * np.cos(t * r))),
    8: polar(lambda r, t, v: (t / np.pi * np.sin(np.pi * r), t / np.pi * np.cos(np.pi * r))),
    9: polar(lambda r, t, v: ((np.cos(t) + np.sin(r)) / r, (np.sin(t) - np.cos(r)) / r)),
    10: polar(lambda r, t, v: (np.sin(t) / r, np.cos(t) * r)),
    11: polar(lambda r, t, v: (np.sin(t) * np.cos(r), np.cos(t) * np.sin(r))),
    12: polar(
        lambda r, t, v: (
            r * (np.sin(t + r) ** 3 + np.cos(t - r) ** 3),
            r * (np.sin(t + r) ** 3 - np.cos(t - r) ** 3),
        )
    ),
    13: polar(
        lambda r, t, v: (
            np.sqrt(r) * np.cos(t / 2 + np.where(v.u1 < 0.5, 0, np.pi)),
            np.sqrt(r) * np.sin(t / 2 + np.where(v.u1 < 0.5, 0, np.pi)),
        )
    ),
    19: polar(lambda r, t, v: (r ** np.sin(t) * np.cos(t), r ** np.sin(t) * np.sin(t))),
    21: polar(rings_there),
    48: lambda x, y, v: np.array([x, y]) / np.abs(x**2 - y**2),
}
"""The published formulas that are not the field's; all others are."""


def applied(maps: np.ndarray, points: np.ndarray, formula: Callable[..., Any], **more: Any) -> np.ndarray:
    """V of the affine images of points (P, 2) under each map (N, 6): (N, 2, P)."""
    out = []
    for m, (a, b, c, d, e, f) in enumerate(maps):
        x, y = points.T
        own = {name: values[m] for name, values in more.items() if name != "u1"}
        v = SimpleNamespace(a=a, b=b, c=c, d=d, e=e, f=f, u1=more["u1"], **own)
        out.append(np.array(formula(a * x + b * y + c, d * x + e * y + f, v)))
    return np.array(out)


def save(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def unmutated(bank: ClassBank) -> ClassBank:
    return replace(bank, config=replace(bank.config, instance_scale=0.0, instance_offset=0.0, attempts=0))


@pytest.mark.parametrize(("frames", "maps", "still"), [(18, 3, False), (20, 8, True), (19, 5, False), (2, 1, False)])
def test_maps_are_what_the_published_composition_gives(tmp_path: Path, frames: int, maps: int, still: bool) -> None:
    arrays = a_class(np.random.default_rng(frames), maps=maps, frames=frames, still=still)
    bank, _ = import_classes([save(tmp_path / "1-0.npz", arrays)])
    assert bank.native_frames.tolist() == [frames]
    found = bank.maps_at([0], np.arange(frames)[None])[0]
    assert np.abs(found[:, :maps] - maps_there(arrays)).max() < 1e-6
    assert not found[:, maps:].any()
    between = bank.maps_at([0], np.array([[0.5]]))[0, 0, :maps]
    half = a_class(np.random.default_rng(frames), maps=maps, frames=frames, still=still)
    half["interp"] = half["interp"][:2].mean(axis=0, keepdims=True)
    assert np.abs(between - maps_there(half)[0]).max() < 1e-6


@pytest.mark.parametrize("number", sorted(THEIR_VARIATIONS - {22, 31}))
def test_every_variation_does_what_it_does_there(tmp_path: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    arrays = a_class(rng, number)
    bank, notes = import_classes([save(tmp_path / "a.npz", arrays)])
    points, u1 = rng.uniform(-1, 1, (300, 2)), rng.random(300)
    times = np.array([[0.0, 7.0, 18.0]])
    here, chosen = bank.maps_at([0], times)[0], bank.variations_at([0], times)
    there = maps_there(arrays)
    for f, time in enumerate((0, 7, 18)):
        row = VARIATIONS[int(np.ravel(chosen["variation"][0, f])[0])]
        params = chosen["params"][0, f, :, 0] if "params" in chosen else np.zeros((8, 4))
        own = {f"p{p + 1}": params[:, p].astype(np.float64) for p in range(4)}
        mine = applied(here[f, :5].astype(np.float64), points, FORMULAS[row.number][1], u1=u1, **own)
        formula = DIFFERENT.get(number, FORMULAS[number][1])
        theirs = applied(there[time], points, formula, u1=u1)
        # Formulas with poles and steps magnify the rounding of coefficients to float32 at single points.
        assert np.quantile(np.abs(mine - theirs) / (1 + np.abs(theirs)), 0.97) < 1e-4
    assert len(notes) == 1 + (number in DIFFERENT or number in (44, 45))
    assert all(f"({number})" in note for note in notes[1:])


def chaos_game(maps: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """A picture by the published rule: rows of pixels follow x."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (4000, 2))
    weights = np.abs(maps[:, 0] * maps[:, 4] - maps[:, 1] * maps[:, 3])
    counts = np.zeros((size, size))
    for step in range(60):
        chosen = maps[rng.choice(len(maps), len(points), p=weights / weights.sum())]
        one = np.concatenate([points, np.ones((len(points), 1))], axis=1)[:, None]
        points = (one @ chosen.reshape(-1, 2, 3).transpose(0, 2, 1))[:, 0]
        if step > 20:
            row, column = np.floor((points - box[:2]) / (box[2:] - box[:2]) * size).astype(int).T
            inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            np.add.at(counts, (row[inside], column[inside]), 1)
    return np.log1p(counts)


def test_pictures_lie_as_they_do_there(tmp_path: Path) -> None:
    arrays = a_class(np.random.default_rng(3))
    bank = unmutated(import_classes([save(tmp_path / "a.npz", arrays)])[0])
    box = fit_fractals(bank, [0], [0]).box[0]
    picture = render_clip(bank, 0, 0, size=48, points=200_000)[9].astype(float)
    there = chaos_game(maps_there(arrays)[9], box, 48)
    alike, mirrored = (np.corrcoef(picture.ravel(), other.ravel())[0, 1] for other in (there, there.T))
    assert alike > 0.85
    assert mirrored < alike - 0.2
    wide = render_clip(bank, 0, 0, size=(24, 48), points=200_000)[9].astype(float)
    assert np.corrcoef(wide.ravel(), picture.reshape(24, 2, 48).mean(axis=1).ravel())[0, 1] > 0.85


def test_the_command_and_what_comes_after(
    tmp_path: Path, refuses: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bank = tmp_path / "files", tmp_path / "bank.npz"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, number in (("1-0", 0), ("2-17", 17), ("10-21", 21), ("11-5", 5)):
        save(folder / f"{name}.npz", a_class(rng, number, still=number == 17))
    assert fractalvid("classes", "import", folder, "--out", bank, "--seed", 4) == 0
    said = capsys.readouterr().out
    assert "4 classes in" in said and "from 1-0.npz (class 0) to 11-5.npz" in said
    assert said.count("note:") == 3
    loaded = ClassBank.load(bank)
    assert (loaded.seed, loaded.config.rows, loaded.config.linear_share) == (4, "x", 0.25)
    assert [VARIATIONS[n].name for n in loaded.variation[:, 0, 0]] == ["linear", "popcorn", "rings2", "polar"]
    out = tmp_path / "set"
    assert fractalvid("generate", "--bank", bank, "--out", out, "--size", 32, "--points", 2000, "--clips", 2) == 0
    assert fractalvid("verify", out) == 0
    capsys.readouterr()
    refuses("exists already", "classes", "import", folder, "--out", bank)


def test_files_in_order(tmp_path: Path) -> None:
    for name in ("10-4", "2-0", "1-27"):
        save(tmp_path / f"{name}.npz", a_class(np.random.default_rng(0)))
    assert [path.stem for path in class_files([tmp_path])] == ["1-27", "2-0", "10-4"]
    with pytest.raises(UserError, match="twice"):
        class_files([tmp_path, tmp_path / "2-0.npz"])
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="holds no"):
        class_files([tmp_path / "none"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"var": 22}, "fan"),
        ({"var": 31}, "noise"),
        ({"var": 99}, "var is 99"),
        ({"var": 34}, "var is 34"),
        ({"interp": np.zeros((40, 5), np.float32)}, "2 to 20 frames"),
        ({"interp": np.zeros((1, 5), np.float32)}, "2 to 20 frames"),
        ({"interp": np.zeros((19, 9), np.float32)}, "1 to 8 maps"),
        ({"interp": np.full((19, 5), np.nan, np.float32)}, "interp is not finite"),
        ({"interp": np.full((19, 5), "a")}, "interp has shape"),
        ({"bias": np.full((2, 5, 2), np.inf, np.float32)}, "bias is not finite"),
        ({"angle": np.zeros((2, 4, 2), np.float32)}, "angle has shape"),
        ({"sigma": np.ones((2, 5, 2, 2), np.float32)}, "sigma is not diagonal"),
        ({"delta": np.ones((2, 5, 1, 1)) * 0.5 * np.eye(2)}, "not 1 and -1"),
        ({"bias": None}, "no bias"),
        ({"interp": None, "weights": np.zeros((16, 5, 6))}, "single images"),
    ],
)
def test_what_cannot_be_imported_is_one_line(tmp_path: Path, change: Arrays, said: str) -> None:
    arrays = a_class(np.random.default_rng(0)) | change
    path = save(tmp_path / "1-0.npz", {name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(UserError, match=said) as error:
        import_classes([path])
    assert "1-0.npz" in str(error.value)


def encrypted(path: Path) -> bytes:
    """The archive as if its members were encrypted: the flag that says so is set."""
    data = path.read_bytes()
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(mark)
        data = mark.join([parts[0], *(p[: flags - 4] + bytes([p[flags - 4] | 1]) + p[flags - 3 :] for p in parts[1:])])
    return data


def test_what_is_no_class_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK but no archive")
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    locked = save(tmp_path / "locked.npz", a_class(np.random.default_rng(0)))
    locked.write_bytes(encrypted(locked))
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        for name in KEYS:
            archive.writestr(name, "no array")
    for name, said in {
        "a": "damaged",
        "array": "damaged",
        "locked": "RuntimeError",
        "text": "has no interp",
    }.items():
        with pytest.raises(UserError, match=said):
            import_classes([tmp_path / f"{name}.npz"])
    with pytest.raises(UserError, match="no class file at"):
        import_classes([tmp_path / "b.npz"])


def test_numbers_beyond_all_bounds_are_one_line(tmp_path: Path) -> None:
    values = a_class(np.random.default_rng(0))
    path = save(tmp_path / "a.npz", {**values, "angle": np.full(values["angle"].shape, 1e200)})
    with pytest.raises(UserError, match="angle is out of range"):
        import_classes([path])
