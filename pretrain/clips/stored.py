"""A generated set on disk as a source: its clips, as a stream would show them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fractalvid.core.bank import Bank
from fractalvid.core.constants import BANK_FILE
from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.kernels.compiled import available_cores
from fractalvid.kinds import load_bank
from fractalvid.pretrain.clips.indexed import IndexedSource, Share, ShuffledOrder
from fractalvid.sets.reader import SetReader
from fractalvid.sets.torch_set import FractalSet
from fractalvid.stream import Batch, SecondView, StreamConfig, emulate_clips
from fractalvid.stream.render import reverse_frames
from fractalvid.stream.second_view import draw_backwards, eased, second_seed
from fractalvid.utils.errors import UserError


class StoredClips(IndexedSource):
    """Samples of a generated set: windows, crops, flips and emulation as in a `FractalStream` of its bank.

    All clips are gone through once, then again in another order. Files are read when their turn comes.

    Args:
        path: the set's folder, of any format.
        config: how samples are taken; colour, size of the clips and points are the set's.
        seed: determines order, time window, crop, flip and emulation.
        share: which samples this process takes.
        threads: at most this many; by default all cores.
        second: gives a second view of each clip, too, differing so from the first.

    Raises:
        UserError: no generated set of clips to train on.
    """

    def __init__(
        self,
        path: Path,
        *,
        config: StreamConfig,
        seed: int,
        share: Share,
        threads: int | None = None,
        second: SecondView | None = None,
    ) -> None:
        """See the class."""
        super().__init__(share)
        reader = SetReader(path)
        if reader.config.split == "val":
            raise UserError(
                f"{path} holds held-out instances (--split val), which runs are validated on: train on others"
            )
        if reader.config.file_format.still:
            raise UserError(f"{path} holds single frames, no clips: generate it in another --format")
        self.config = replace(config, colour=reader.config.colour, channels=3)
        self._clips = FractalSet(path, channels=1 if reader.config.colour is None else 3, dtype=torch.uint8)
        self.bank: Bank = load_bank(reader.path / BANK_FILE)
        self._seed, self._second = seed, second
        self._threads = available_cores() if threads is None else threads
        self._order = ShuffledOrder(seed, len(self._clips))
        pool = 0 if config.emulate is None else (1 if second is None else 2) * config.emulate.background.pool
        self._backgrounds = CpuRenderer(self.bank, pool)

    def __len__(self) -> int:
        """How many clips the set has."""
        return len(self._clips)

    def digest(self) -> str:
        """Of what it holds: the clips by their names and contents."""
        held = "\n".join(f"{row.class_id} {row.instance_id} {row.digest}" for row in self._clips.rows)
        return hashlib.blake2b(held.encode(), digest_size=8).hexdigest()

    def at(self, index: NDArray[np.int64]) -> Batch:
        """The samples `index` (B,).

        Raises:
            UserError: a clip's file is missing, cut short or damaged.
        """
        items = self._order[index]
        with ThreadPoolExecutor(self._threads, "clips") as pool:
            videos = list(pool.map(lambda item: self._clips[item][0], items.tolist()))
        ids = np.array([(row.class_id, row.instance_id) for row in (self._clips.rows[item] for item in items)])
        first = self._view(videos, ids, index, self.config, self._seed)
        if self._second is None:
            return first
        easier = eased(self.config, self._second.strength)
        other = self._view(videos, ids, index, easier, second_seed(self._seed))
        backwards = draw_backwards(self._second, self._seed, index)
        video, mask = reverse_frames(other.video, other.mask, backwards)
        return replace(first, video2=video, mask2=mask)

    def _view(
        self,
        videos: list[torch.Tensor],
        ids: NDArray[np.int64],
        index: NDArray[np.int64],
        config: StreamConfig,
        seed: int,
    ) -> Batch:
        """One view of whole clips, uint8 (C, N, H, W) each: those of equal length together."""
        lengths = np.array([video.shape[1] for video in videos])
        groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        parts = [
            emulate_clips(
                torch.stack([videos[row] for row in rows]),
                *(ids[rows], index[rows]),
                bank=self.bank,
                config=config,
                seed=seed,
                renderer=self._backgrounds,
                threads=self._threads,
            )
            for rows in groups
        ]
        return joined(parts, groups)


def joined(parts: list[Batch], places: list[NDArray[np.int64]]) -> Batch:
    """One batch of several, whose samples take these places in it. What a part doesn't have, none has."""
    order = torch.from_numpy(np.argsort(np.concatenate(places), kind="stable"))
    fields: dict[str, torch.Tensor | None] = {}
    for name in ("video", "target", "clip_id", "mask", "background_id", "video2", "mask2"):
        values = [getattr(part, name) for part in parts]
        fields[name] = None if any(value is None for value in values) else torch.cat(values)[order]
    return replace(parts[0], **fields)  # type: ignore[arg-type]  # video, target and clip_id are never None
