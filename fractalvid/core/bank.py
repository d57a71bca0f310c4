"""What banks of every kind have in common: K classes of one seed, kept in one npz file without pickles."""

import dataclasses
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.constants import MAX_CLASSES
from fractalvid.core.seeds import STREAM_VERSION
from fractalvid.utils.checks import is_whole, shown
from fractalvid.utils.documents import Seed, Table, convert_config, parse_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folders, write_with
from fractalvid.utils.npz import Npz, NpzError, open_npz

C = TypeVar("C")

_LONGEST_HEADER = 2**20
ROUNDING = 1e-9
"""Native frames by which a time may lie beyond the last one, where it was added up."""

KindName = Literal["ifs", "shapes", "perlin", "octopus", "dead_leaves"]
"""Rows of `fractalvid.kinds.KINDS`."""

Size = int | tuple[int, int]
"""H and W in pixels; one number for both."""


class Bank(Protocol):
    """K classes of some kind (`fractalvid.kinds`). Class c depends on seed, config and c only, never on K."""

    @property
    def kind(self) -> str:
        """Which row of `fractalvid.kinds.KINDS` draws them."""

    @property
    def seed(self) -> int:
        """Determines classes, instances and pixels."""

    @property
    def config(self) -> Any:
        """The frozen dataclass that the classes were drawn from."""

    @property
    def native_frames(self) -> NDArray[np.int64]:
        """T of each class, (K,): its clips are functions of native time in [0, T - 1]."""

    def __len__(self) -> int:
        """The number of classes K."""

    def save(self, path: str | Path) -> None:
        """Write it to a file that `fractalvid.kinds.load_bank` reads."""


class Fit(Protocol):
    """What B clips need to be drawn at any time, size and number of points. All else is its kind's own affair."""

    @property
    def class_id(self) -> NDArray[np.int64]:
        """Their classes (B,)."""

    def __len__(self) -> int:
        """The number of clips B."""


def array_names(bank_type: Any) -> tuple[str, ...]:
    """The fields of a bank's dataclass that hold a row a class."""
    return tuple(f.name for f in dataclasses.fields(bank_type) if f.name not in ("seed", "config"))


def bank_line(bank: Bank) -> str:
    """What a bank is, for people: how many classes, of which seed."""
    return f"{type(bank).__name__}({len(bank)} classes, seed={bank.seed})"


def check_draw(num_classes: int, seed: int) -> None:
    """Refuse numbers that no bank can be drawn with."""
    if not (is_whole(num_classes) and 1 <= num_classes <= MAX_CLASSES):
        raise UserError(f"num_classes, the number of classes, must be 1 to {MAX_CLASSES}, got {num_classes!r}")
    check_seed(seed)


def check_seed(seed: int) -> None:
    """Refuse what is no seed of 64 bits: generators would take its lowest 64 bits instead."""
    if not (is_whole(seed) and 0 <= seed < 2**64):
        raise UserError(f"seed must be in 0..2**64 - 1, got {seed!r}")


def check_bank(bank: Bank) -> None:
    """Refuse what is no bank of classes."""
    if not hasattr(bank, "native_frames"):
        raise UserError(f"bank must be a bank of classes, as fractalvid.sample_bank draws one, got {bank!r}")


def check_times(times: ArrayLike, native_frames: NDArray[np.int64], of: str = "clips") -> NDArray[np.float64]:
    """Times (B, F), or (1, F) for all clips, in native frames, as float64.

    Args:
        times: in [0, T - 1].
        native_frames: T of each clip (B,).
        of: what the B are called, for the message.

    Raises:
        UserError: another shape, or times that the clip does not have.
    """
    try:
        at = np.asarray(times, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"times must be numbers (B, F), got {shown(times)}") from None
    clips = len(native_frames)
    if at.ndim != 2 or (len(at) != clips and (len(at) != 1 or not clips)):
        raise UserError(f"times must be (B, F), a row for each of {clips} {of}, got shape {at.shape}")
    outside = np.argwhere(~((at >= 0) & (at <= native_frames[:, None] - 1 + ROUNDING)))
    if len(outside):
        row, column = outside[0].tolist()
        time, last = at[row % len(at), column], native_frames[row] - 1
        raise UserError(f"times must be native frames, 0 to T - 1, which is {last} for clip {row}, got {time:g}")
    return at


def check_clip_ids(bank: Bank, class_id: ArrayLike, instance_id: ArrayLike) -> None:
    """Refuse ids that name no clips of a bank: random numbers would be drawn from their lowest 32 bits.

    Args:
        bank: the classes.
        class_id: some of 0..K-1.
        instance_id: some of 0..2³²-1.
    """
    for name, given, end in (("class_id", class_id, len(bank)), ("instance_id", instance_id, 2**32)):
        try:
            ids = np.asarray(given)
        except ValueError:
            raise UserError(f"{name} must be whole numbers (B,), got {shown(given)}") from None
        if ids.size and (ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= end):
            wrong = (one for one in ids.ravel().tolist() if not (is_whole(one) and 0 <= one < end))
            said = repr(next(wrong, ids.dtype))  # whole numbers in an array of objects, as pandas gives them, are none
            raise UserError(f"{name} {said} is out of range: whole numbers of 0..{end - 1}")


def check_arrays(
    arrays: Mapping[str, NDArray[Any]], bounds: Mapping[str, tuple[float, float]], path: str | Path
) -> None:
    """Refuse arrays, by name, whose values can't be a bank's.

    Args:
        arrays: by name, a row a class.
        bounds: smallest and largest value, by name, for arrays that have such bounds.
        path: the file, for the message.

    Raises:
        UserError: a value that is not finite, or one out of bounds.
    """
    for name, values in arrays.items():
        if not np.all(np.isfinite(values)):
            raise UserError(f"{path} is damaged: {name} is not finite")
        least, most = bounds.get(name, (-np.inf, np.inf))
        if values.min() < least or values.max() > most:
            raise UserError(f"{path} is damaged: {name} is out of range")


def bank_difference(one: Bank, other: Bank) -> str | None:
    """What tells two banks apart, in a few words; None where they hold the same classes."""
    if one.kind != other.kind:
        return f"{other.kind}, not {one.kind}"
    if len(one) != len(other):
        return f"{len(other)} classes, not {len(one)}"
    if one.seed != other.seed:
        return f"seed {other.seed}, not {one.seed}"
    names = ("config", *array_names(one))
    differing = (name for name in names if not _equal(getattr(one, name), getattr(other, name)))
    return next((f"another {name}" for name in differing), None)


def extends(larger: Bank, smaller: Bank) -> bool:
    """Whether the first classes of one bank are those of another."""
    if larger.kind != smaller.kind or len(larger) < len(smaller):
        return False
    k = len(smaller)
    return all(np.array_equal(getattr(larger, name)[:k], getattr(smaller, name)) for name in array_names(smaller))


def write_bank(path: str | Path, bank: Bank, *, file_format: str) -> None:
    """Write an npz file without pickles; it appears complete or not at all."""
    header = {"format": file_format, "kind": bank.kind, "stream_version": STREAM_VERSION}
    header |= {"seed": bank.seed, "config": dataclasses.asdict(bank.config)}
    target = Path(path)
    try:
        make_folders(target.parent)
    except OSError as error:
        raise UserError(f"cannot make the folder {target.parent}: {error.strerror}") from error
    arrays = {name: getattr(bank, name) for name in array_names(bank)}
    write_with(target, lambda file: np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays))


def bank_kind(path: str | Path) -> str:
    """The kind of the bank in a file; "ifs" if the file does not say.

    Raises:
        UserError: no such file, or not a bank.
    """
    with reading(path), open_npz(Path(path)) as file:
        return _header(file).kind


def read_bank(
    path: str | Path,
    *,
    kind: str,
    file_format: str,
    config_type: type[C],
    like: Callable[[C], Mapping[str, Any]],
    bounds: Mapping[str, tuple[float, float]],
) -> tuple[int, C, dict[str, NDArray[Any]]]:
    """Seed, config and arrays of a bank's file, to be called under `reading`.

    Args:
        path: the file.
        kind: that the bank must be of.
        file_format: likewise.
        config_type: what the classes were drawn from.
        like: a class drawn from a config, whose arrays have the shapes and types of the rows. Arrays that announce
            others are never unpacked.
        bounds: as of `check_arrays`.

    Raises:
        UserError: a bank of another kind or version, or damaged.
    """
    with open_npz(Path(path)) as file:
        header = _header(file)
        if header.kind != kind:
            raise UserError(f"{path} holds classes of kind {header.kind}, not {kind}")
        if header.format != file_format or header.stream_version != STREAM_VERSION:
            raise UserError(
                f"{path} was written by another version (format {header.format}, stream version "
                f"{header.stream_version}; here {file_format}, {STREAM_VERSION}): sample it again from its seed"
            )
        config = convert_config(header.config, config_type, where=f"{path}, config")
        rows = {name: np.asarray(row) for name, row in like(config).items()}
        classes = (*file.arrays["native_frames"].shape, 0)[0]
        check_draw(classes, header.seed)
        arrays: dict[str, NDArray[Any]] = {}
        for name, row in rows.items():
            announced = file.arrays[name]
            if announced != ((classes, *row.shape), row.dtype):
                raise UserError(f"{path} is damaged: {name} has shape {announced.shape}, type {announced.dtype}")
        # Small ones first: where they are no bank's, large ones are not unpacked.
        for name in sorted(rows, key=lambda name: rows[name].nbytes):
            arrays[name] = file.read(name, most=classes * rows[name].nbytes)
            check_arrays({name: arrays[name]}, bounds, path)
        return header.seed, config, {name: arrays[name] for name in rows}


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn whatever is raised by reading a damaged bank, or a file that is none, into a `UserError`."""
    try:
        yield
    except FileNotFoundError:
        made = f"fractalvid classes --classes 1000 --out {shlex.quote(str(path))}"
        raise UserError(f"no class bank at {path}; {made} makes one") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: name a class bank in it, a .npz file") from None
    except NpzError as error:
        raise UserError(f"{path} is not a class bank of fractalvid, or is damaged: {error}") from None
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{path} is not a class bank of fractalvid, or is damaged ({type(error).__name__})") from None


@dataclass(frozen=True)
class _Header:
    """What a bank's file says of its arrays."""

    format: str
    seed: Seed
    config: Table
    stream_version: int = STREAM_VERSION
    kind: str = "ifs"


def _header(file: Npz) -> _Header:
    array = file.read("header", most=_LONGEST_HEADER)
    if array.dtype.kind != "U" or array.ndim:
        raise NpzError("the header is no text")
    return parse_json(str(array), _Header, where="the header of the bank")


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)
