"""Where the clips of quality figures come from: rendered from a bank, or read from a generated set."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank, Fit
from fractalvid.core.constants import BANK_FILE, FIRST_VALIDATION_ID, MAX_FRAMES
from fractalvid.fractals.fit import Fits
from fractalvid.kernels.variations import VARIATIONS
from fractalvid.kinds import fit_clips, load_bank, render_fits
from fractalvid.sets.addresses.place import address_of
from fractalvid.sets.manifest import ClipId, ManifestRow
from fractalvid.sets.reader import ClipError, SetReader
from fractalvid.stats.config import Band, StatsConfig
from fractalvid.stats.figures import Clips, Floats, grey_levels
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import is_there

MOST_AT_ONCE = 16
PIXELS_AT_ONCE = 2**25
"""Of the clips of a batch: few enough to stay in memory, enough for array code."""
VIDEO_NOISE = 8
"""Grey levels that H.264 at its default quality may leave in black."""


@dataclass(frozen=True)
class DrawOutcomes:
    """What came of the draws of B instances of fractals.

    Attributes:
        damped: share of native frames that are damped (B,).
        rejected: int64 (B, 5), draws rejected for each `fractalvid.fractals.look.Fault`.
        fault: int8 (B,), what is wrong with the draw that was taken all the same.
    """

    damped: Floats
    rejected: NDArray[np.int64]
    fault: NDArray[np.int8]

    @staticmethod
    def of(fit: Fit, native_frames: int) -> "DrawOutcomes | None":
        """From instances of one class; None where they are no fractals."""
        if not isinstance(fit, Fits):
            return None
        damped = (fit.damping[:, :native_frames] < 1).mean(axis=1)
        return DrawOutcomes(damped, fit.rejected, fit.fault)


@dataclass(frozen=True)
class ClipBatch:
    """Clips of one class and length.

    Attributes:
        class_id: their class.
        instance_id: (B,).
        held_out: bool (B,), which a classifier is tested on rather than fitted to.
        clips: grey, (B, T, H, W).
        accepted: how their instances were, for fractals.
    """

    class_id: int
    instance_id: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    clips: Clips
    accepted: DrawOutcomes | None


@dataclass(frozen=True)
class Request:
    """Some instances of a class to measure; `held_out` says which of them are."""

    class_id: int
    instance_id: tuple[int, ...]
    held_out: tuple[bool, ...]


class Source(Protocol):
    """Gives clips by class and instance; threads share it.

    Attributes:
        name: what to call it.
        origin: "bank" or "set".
        kind: of its classes.
        noise: grey levels up to this may be an encoder's.
    """

    name: str
    origin: str
    kind: str
    noise: int

    @property
    def bank(self) -> Bank | None:
        """They themselves, where they are known."""

    def requests(self) -> list[Request]:
        """All that is to be measured, class by class."""

    def fetch(self, request: Request) -> list[ClipBatch]:
        """The clips of a request; those that can't be read are left out."""


def check_band(name: str, height: int, width: int, band: Band) -> None:
    """Refuse clips that are too small to have the band's frequencies.

    Raises:
        UserError: with the source's name.
    """
    if min(height, width) // 2 <= band.low:
        raise UserError(f"{name}: clips of {height} x {width} pixels have no band from {band.low} cycles a side up")


def open_source(path: Path, config: StatsConfig) -> Source:
    """A bank's file or a set's folder, to take clips of evenly spread classes from.

    Raises:
        UserError: it is neither, is damaged, holds no clips, or ones that are too small for the band.
    """
    if path.is_dir() or address_of(path) is not None:
        return SetSource(path, config)
    if not is_there(path):
        raise UserError(f"{path} does not exist; name a class bank (classes.npz) or the folder of a generated set")
    return BankSource(str(path), load_bank(path), config)


class BankSource:
    """Small clips rendered from a bank: instances from 0 up, and held-out ones from 2³¹ up.

    Args:
        name: what to call it.
        bank: the classes.
        config: how many clips of how many classes, and how they are rendered.
    """

    origin = "bank"
    noise = 0

    def __init__(self, name: str, bank: Bank, config: StatsConfig) -> None:
        """See the class."""
        check_band(name, config.size, config.size, config.band)
        self.name, self.kind, self.bank = name, str(bank.kind), bank
        self._config = config

    def requests(self) -> list[Request]:
        """See `Source`."""
        clips, held_out = self._config.clips, self._config.held_out
        ids = [*range(clips), *range(FIRST_VALIDATION_ID, FIRST_VALIDATION_ID + held_out)]
        pixels = (self._config.frames or MAX_FRAMES) * self._config.size**2
        return [r for c in spread(len(self.bank), self._config.classes) for r in _chunks(c, ids, clips, pixels)]

    def fetch(self, request: Request) -> list[ClipBatch]:
        """See `Source`."""
        config, ids = self._config, np.array(request.instance_id, np.int64)
        classes = np.full(len(ids), request.class_id)
        fit = fit_clips(self.bank, classes, ids, threads=1)
        last = float(self.bank.native_frames[request.class_id] - 1)
        times = np.linspace(0, last, int(last) + 1 if config.frames is None else config.frames)
        clips = render_fits(
            self.bank, fit, np.tile(times, (len(ids), 1)), size=config.size, points=config.points, threads=1
        )
        held_out, accepted = np.array(request.held_out), DrawOutcomes.of(fit, int(last) + 1)
        return [ClipBatch(request.class_id, ids, held_out, grey_levels(clips), accepted)]


class SetSource:
    """Clips of a generated set as its files hold them; the last instances of each class count as held out.

    Args:
        path: the set's folder.
        config: how many clips of how many classes.
    """

    origin = "set"

    def __init__(self, path: Path, config: StatsConfig) -> None:
        """See the class."""
        self.name = str(path)
        self._reader = SetReader(path)
        self.kind = str(self._reader.card["kind"])
        self.noise = VIDEO_NOISE if self._reader.config.file_format.video else 0
        self._rows: dict[ClipId, ManifestRow] = {row.clip: row for row in self._reader.rows}
        if not self._rows:
            raise UserError(f"{path} holds no clips yet: make some first (fractalvid generate)")
        check_band(self.name, self._reader.config.size, self._reader.config.size, config.band)
        # What the bank adds, fractals' acceptance and the probe, is left out where it is not there.
        bank_file = self._reader.path / BANK_FILE
        self.bank: Bank | None = load_bank(bank_file) if bank_file.exists() else None
        self._config = config
        known = self._reader.classes if self.bank is None else len(self.bank)
        odd = next((row for row in self._reader.rows if not self._reader.has(row) or row.class_id >= known), None)
        if odd is not None:
            clip = f"{odd.class_id}/{odd.instance_id}"
            checked = f"fractalvid verify {shlex.quote(str(path))}"
            raise UserError(f"{path} has no clip {clip}, which its manifest names; {checked} says more")

    def requests(self) -> list[Request]:
        """See `Source`."""
        instances: dict[int, list[int]] = {}
        for class_id, instance_id in sorted(self._rows):
            instances.setdefault(class_id, []).append(instance_id)
        class_ids, config, requests = list(instances), self._config, []
        for place in spread(len(class_ids), config.classes):
            ids = instances[class_ids[place]][: config.clips + config.held_out]
            pixels = self._rows[ClipId(class_ids[place], ids[0])].frames * self._reader.config.size**2
            requests += _chunks(class_ids[place], ids, max(len(ids) - config.held_out, 1), pixels)
        return requests

    def fetch(self, request: Request) -> list[ClipBatch]:
        """See `Source`."""
        read: dict[tuple[int, ...], list[tuple[int, bool, Clips]]] = {}
        for instance_id, held_out in zip(request.instance_id, request.held_out, strict=True):
            try:
                frames = self._reader.frames(self._rows[ClipId(request.class_id, instance_id)])
            except ClipError:
                continue
            read.setdefault(frames.shape, []).append((instance_id, held_out, frames))
        return [self._batch(request.class_id, *zip(*clips, strict=True)) for clips in read.values()]

    def _batch(self, class_id: int, ids: Sequence[int], held_out: Sequence[bool], clips: Sequence[Clips]) -> ClipBatch:
        rows, bank, accepted = np.array(ids, np.int64), self.bank, None
        if bank is not None and bank.kind == "ifs":
            # What was drawn is not in the files, but a function of the bank and the ids.
            fit = fit_clips(bank, np.full(len(rows), class_id), rows, threads=1)
            accepted = DrawOutcomes.of(fit, int(bank.native_frames[class_id]))
        return ClipBatch(class_id, rows, np.array(held_out), grey_levels(np.stack(clips)), accepted)


def spread(total: int, count: int) -> list[int]:
    """At most `count` of 0..total - 1, evenly spread."""
    return [round(place) for place in np.linspace(0, total - 1, min(count, total)).tolist()]


def _chunks(class_id: int, ids: Sequence[int], train: int, pixels: int) -> list[Request]:
    """Requests for instances of a class, of which all but the first `train` are held out; a clip has `pixels`."""
    held_out = [place >= train for place in range(len(ids))]
    step = max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // pixels))
    return [
        Request(class_id, tuple(ids[i : i + step]), tuple(held_out[i : i + step])) for i in range(0, len(ids), step)
    ]


def variations_taken(bank: Bank | None) -> dict[str, NDArray[np.bool_]] | None:
    """For each variation that some class of a bank takes, which classes (K,) do; None for other kinds."""
    if bank is None or bank.kind != "ifs":
        return None
    fractals: Any = bank
    real = np.arange(fractals.variation.shape[1]) < fractals.num_maps[:, None]
    used = (fractals.amount[:, 0] != 0) & real[..., None]
    taken = {row.name: ((fractals.variation == n) & used).any(axis=(1, 2)) for n, row in VARIATIONS.items()}
    return {name: classes for name, classes in taken.items() if classes.any()}
