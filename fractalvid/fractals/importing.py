"""Class files of the reference method's public code (github.com/davidsvy/fractal_video), read into a bank.

Such a file is an npz of one class of N maps over T frames: `interp` (T, N) the curves, `angle` (2, N, 2) theta and phi
at both keyframes, `sigma` (2, N, 2, 2) diagonal matrices at both keyframes, `delta` (2, N, 2, 2) the reflections D1 and
D2, `bias` (2, N, 2), `is_constant` whether only the first bias counts, and `var` the number of its variation. The maps
are composed as here. What is different there, and how it is brought here:

- rows of pixels follow x: the bank's `rows` is "x", so pictures are not mirrored along their diagonal;
- the polar family (5 to 13, 19) takes angles atan2(y, x): the same variation here, after maps with their rows swapped;
- rings (21), likewise: rings2 here, whose width is the class's shift along x. There, instances vary the width too;
- cross (48) is (x, y) / |x² - y²|: the same, but within 1e-5 of the diagonals;
- julia, rays and blade (13, 44, 45) draw one number a step for all points: here one a point, the same on average;
- cosine (20) is the bounded form, as here;
- fan (22) and noise (31) have no equal here, and are refused: fan's modulus is another, and noise takes a sine twice.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import check_draw
from fractalvid.core.constants import MAX_FRAMES
from fractalvid.core.curves import CURVE_KINDS, grid
from fractalvid.fractals.bank import MAX_VALUE, ClassBank, stacked
from fractalvid.fractals.config import MAX_MAPS, ClassConfig
from fractalvid.fractals.sampling import padded
from fractalvid.kernels.variations import LINEAR, MAX_PARAMS, VARIATIONS, by_name
from fractalvid.utils.errors import UserError
from fractalvid.utils.npz import NpzError, open_npz

Floats = NDArray[np.float64]

THEIR_VARIATIONS = frozenset({*range(23), 27, 28, 29, 31, 42, 44, 45, 48})
"""The variations that the code of the reference method has."""
SWAPPED = frozenset({*range(5, 14), 19})
"""Variations that take the angle from the other axis there."""
RINGS, FAN, NOISE = 21, 22, 31
NOTES = {
    **dict.fromkeys(SWAPPED, "angles are atan2(y, x) there; the rows of its maps are swapped, which is exact"),
    13: "angles are atan2(y, x) there, so the rows of its maps are swapped; draws are one a point, not one a step",
    RINGS: "angles are atan2(y, x) there, so it is rings2 here; instances do not vary the width of its rings",
    44: "draws are one a point here, not one a step",
    45: "draws are one a point here, not one a step",
    48: "1 / |x² - y²| there; the same but within 1e-5 of the diagonals",
}
REFUSED = {
    FAN: "its modulus of negative angles is another there, and nothing here is equal to it",
    NOISE: "it takes a sine for the cosine there, and nothing here is equal to it",
}
_MAX_BYTES = 2**20
"""Of an array of a class file, which holds a few maps."""
KEYS = ("interp", "angle", "sigma", "delta", "bias", "is_constant", "var")


@dataclass(frozen=True)
class ReferenceClass:
    """What a file says, in this package's terms and not yet padded.

    Attributes:
        path: the file.
        number: of its variation, as the file has it.
        curve: (T, N), on native frames.
        theta: (2, N), outer rotation at both keyframes, radians.
        phi: (2, N), inner rotation.
        sigma: (2, N, 2), singular values.
        signs: (N, 4), diagonals of D1 and D2.
        shift: (2, N, 2).
    """

    path: Path
    number: int
    curve: Floats
    theta: Floats
    phi: Floats
    sigma: Floats
    signs: Floats
    shift: Floats


def class_files(paths: Iterable[Path]) -> list[Path]:
    """The named files, and of named folders the npz files, in the order of the numbers in their names.

    Raises:
        UserError: nothing there, a folder without such files, or a file that is named twice.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.npz"), key=_numbers_in_name)
            if not inside:
                raise UserError(f"{path} holds no .npz files")
            files += inside
        else:
            files.append(path)
    twice = [path for path, count in Counter(path.resolve() for path in files).items() if count > 1]
    if twice:
        raise UserError(f"{twice[0]} is named twice: every file is a class of its own")
    return files


def import_classes(files: Sequence[Path], *, seed: int = 0) -> tuple[ClassBank, list[str]]:
    """A bank whose class c is file c, and a line about each thing that differs from the reference method's code.

    Args:
        files: class files, in the order of the classes.
        seed: determines instances and pixels.

    Raises:
        UserError: a file that can't be read, is none, or holds what can't be brought here.
    """
    check_draw(len(files), seed)
    classes = [read_class_file(path) for path in files]
    numbers = Counter(one.number for one in classes)
    names = tuple(_here(number).name for number in sorted(numbers) if number != LINEAR)
    config = ClassConfig(linear_share=numbers[LINEAR] / len(classes), rows="x")
    if names:
        config = dataclasses.replace(config, variations=names)
    bank = ClassBank(seed, config, **stacked([_arrays(one) for one in classes]))
    notes = ["rows of pixels follow x there, and in this bank's clips too"]
    notes += [
        f"{VARIATIONS[number].name} ({number}), {numbers[number]} classes: {NOTES[number]}"
        for number in sorted(numbers)
        if number in NOTES
    ]
    return bank, notes


def read_class_file(path: Path) -> ReferenceClass:
    """Read one file.

    Raises:
        UserError: it can't be read, is no such file, or holds what can't be brought here.
    """
    try:
        with open_npz(path) as file:
            if "weights" in file.arrays and "interp" not in file.arrays:
                raise UserError(
                    f"{path} holds maps of single images, not of a video: only video classes can be imported"
                )
            missing = [key for key in KEYS if key not in file.arrays]
            if missing:
                raise UserError(f"{path} is no class file of the reference method: it has no {missing[0]}")
            arrays = {key: file.read(key, most=_MAX_BYTES) for key in KEYS}
    except FileNotFoundError:
        raise UserError(f"no class file at {path}") from None
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from None
    except NpzError as error:
        raise UserError(f"{path} is no class file, or is damaged: {error}") from None
    return _parse(path, arrays)


def _parse(path: Path, arrays: dict[str, NDArray[Any]]) -> ReferenceClass:
    frames, maps = arrays["interp"].shape if arrays["interp"].ndim == 2 else (0, 0)
    if not (2 <= frames <= MAX_FRAMES and 1 <= maps <= MAX_MAPS):
        raise UserError(
            f"{path}: interp has shape {arrays['interp'].shape}; a class here has 2 to {MAX_FRAMES} frames and 1 to "
            f"{MAX_MAPS} maps"
        )
    shapes = {"interp": (frames, maps), "angle": (2, maps, 2), "sigma": (2, maps, 2, 2), "delta": (2, maps, 2, 2)}
    for name, shape in (shapes | {"bias": (2, maps, 2), "is_constant": (), "var": ()}).items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "biuf":
            raise UserError(f"{path}: {name} has shape {arrays[name].shape} and type {arrays[name].dtype}, not {shape}")
        if not np.isfinite(arrays[name]).all():
            raise UserError(f"{path}: {name} is not finite")
        if np.abs(arrays[name].astype(np.float64)).max() > MAX_VALUE:
            raise UserError(f"{path}: {name} is out of range, beyond {MAX_VALUE:g}")
    diagonal = {name: np.diagonal(arrays[name], axis1=-2, axis2=-1).astype(np.float64) for name in ("sigma", "delta")}
    for name, values in diagonal.items():
        if np.count_nonzero(arrays[name]) != np.count_nonzero(values):
            raise UserError(f"{path}: {name} is not diagonal")
    if not np.all(np.abs(diagonal["delta"]) == 1):
        raise UserError(f"{path}: delta is not made of reflections, its diagonals are not 1 and -1")
    shift = arrays["bias"].astype(np.float64)
    return ReferenceClass(
        path,
        _number(path, float(arrays["var"])),
        curve=arrays["interp"].astype(np.float64),
        theta=arrays["angle"][..., 0].astype(np.float64),
        phi=arrays["angle"][..., 1].astype(np.float64),
        sigma=diagonal["sigma"],
        signs=np.concatenate(list(diagonal["delta"]), axis=-1),
        shift=shift[[0, 0]] if arrays["is_constant"] else shift,
    )


def _number(path: Path, value: float) -> int:
    if value not in THEIR_VARIATIONS:
        raise UserError(f"{path}: var is {value:g}, which is no variation of the reference method's code")
    number = int(value)
    if number in REFUSED:
        raise UserError(f"{path} can't be imported: variation {number}, {VARIATIONS[number].name}: {REFUSED[number]}")
    return number


def _here(number: int) -> Any:
    """The row of the table that does what a file's variation does."""
    return by_name("rings2") if number == RINGS else VARIATIONS[number]


def _arrays(one: ReferenceClass) -> dict[str, Any]:
    """The arrays of a class in a bank."""
    theta, signs, shift = one.theta, one.signs, one.shift
    if one.number in SWAPPED:
        # Swapping rows is the rotation by a quarter turn after mirroring the second axis, which turns R(θ) into R(-θ).
        theta, signs, shift = np.pi / 2 - theta, signs * [1, -1, 1, 1], shift[..., ::-1]
    params = np.zeros((2, len(signs), 1, MAX_PARAMS), np.float32)
    if one.number == RINGS:
        params[..., 0, 0] = shift[..., 0]
    return padded(
        native_frames=np.int64(len(one.curve)),
        num_maps=np.int64(len(signs)),
        variation=np.full((len(signs), 1), _here(one.number).number, np.int32),
        amount=np.ones((2, len(signs), 1), np.float32),
        params=params,
        theta=theta,
        phi=one.phi,
        sigma=one.sigma,
        signs=signs,
        shift=shift,
        curve=_on_grid(one.curve),
        curve_kind=_kinds(one.curve),
    )


def _on_grid(curve: Floats) -> NDArray[np.float32]:
    """Curves (T, N) on native frames as samples of quarter frames, linear between, the last repeated."""
    native, at = np.arange(len(curve)), np.minimum(grid(MAX_FRAMES), len(curve) - 1)
    return np.stack([np.interp(at, native, column) for column in curve.T], axis=1).astype(np.float32)


def _kinds(curve: Floats) -> NDArray[np.int8]:
    """Curves (T, N) that are even are "linear", all others "curve": the files do not say."""
    even = np.linspace(0, 1, len(curve))[:, None]
    linear = np.abs(curve - even).max(axis=0) < 1e-6
    return np.where(linear, CURVE_KINDS.index("linear"), CURVE_KINDS.index("curve")).astype(np.int8)


def _numbers_in_name(path: Path) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", path.stem)], path.name
