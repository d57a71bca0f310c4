"""Generated sets in PyTorch: a map-style data set over clips on disk, whatever their format."""

import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from fractalvid.core.constants import MAX_CLIP_FRAMES
from fractalvid.sets.manifest import ManifestRow
from fractalvid.sets.reader import SetReader
from fractalvid.utils.checks import check_integer, is_whole, shown
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import first_few


class FractalSet(Dataset[tuple[Any, ...]]):
    """The complete clips of a generated set: item i is (video, target), or (video, target, mask).

    A video is (C, T, H, W): float32 in [0, 1], or uint8; the target is the class, an int; a mask is bool (T, H, W).
    Items are read when they are asked for, so worker processes share the work, and a copy costs no open files.

        for video, target in DataLoader(FractalSet("dataset", frames=8), batch_size=32, shuffle=True): ...

    Args:
        path: the set's folder, of any format.
        frames: so many equidistant frames of each clip, from first to last, so that clips of different lengths make
            batches; None for all, which a DataLoader's own way to make batches takes of one length alone.
        channels: 3, with grey repeated, or 1, for grey sets only.
        dtype: torch.float32 (0..255 becomes 0..1) or torch.uint8.
        masks: whether items have a mask; for sets generated with masks.
        transform: applied to the video of each item.

    Attributes:
        rows: of the manifest, item by item.
        classes: the names of all classes of the set, also of those that have no clip yet: their numbers in the bank,
            as folders of sets are named ("000003").
        class_to_idx: the target of each name.
        targets: the class of each item.

    Raises:
        UserError: no generated set, one without clips, one that does not have what is asked for, or one whose manifest
            names clips or files that are not there.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        frames: int | None = None,
        channels: Literal[1, 3] = 3,
        dtype: torch.dtype = torch.float32,
        masks: bool = False,
        transform: Callable[[torch.Tensor], Any] | None = None,
    ) -> None:
        """See the class."""
        self._reader = SetReader(path)
        if not self._reader.rows:
            raise UserError(f"{path} holds no clips yet: make some first (fractalvid generate)")
        if frames is not None:
            check_integer("frames", frames, 1, MAX_CLIP_FRAMES)
        if dtype not in (torch.float32, torch.uint8):
            raise UserError(f"dtype must be torch.float32 or torch.uint8, got {dtype!r}")
        if not is_whole(channels) or channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {channels!r}")
        if channels == 1 and self._reader.config.colour is not None:
            raise UserError(f"{path} is in colour: ask for 3 channels")
        if masks and not self._reader.config.masks:
            raise UserError(f"{path} has no masks: generate it with --masks")
        self._reader.check_rows()
        self._reader.check_files(masks=masks)
        if self._reader.missing:
            of = len(self._reader.rows) + self._reader.missing
            note(f"{path} is not complete: {len(self._reader.rows)} of {of} clips; generate makes the others")
        self._frames, self._channels, self._dtype, self._masks = frames, channels, dtype, masks
        self._transform = transform

    @property
    def rows(self) -> list[ManifestRow]:
        """See the class."""
        return self._reader.rows

    @property
    def classes(self) -> list[str]:
        """See the class."""
        return [f"{class_id:06d}" for class_id in range(self._reader.classes)]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """See the class."""
        return {name: class_id for class_id, name in enumerate(self.classes)}

    @property
    def targets(self) -> list[int]:
        """See the class."""
        return [row.class_id for row in self.rows]

    def __repr__(self) -> str:
        """One line: how many clips of how many classes, in which form."""
        config, seed = self._reader.config, self._reader.card["seed"]
        shape = f"{config.size} x {config.size}, {config.format}"
        return (
            f"{type(self).__name__}({self._reader.name!r}, {len(self)} clips of {self._reader.classes} classes, "
            f"{shape}, seed={seed})"
        )

    def __len__(self) -> int:
        """The number of clips."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Clip `index` of the manifest; those below 0 count from the end, as in lists.

        Raises:
            IndexError: there is no such clip.
            TypeError: the index is no whole number.
            UserError: its file is cut short or damaged, or gone meanwhile.
        """
        try:
            place = operator.index(index)  # of tensors too, which a Subset may hold
        except TypeError:
            raise TypeError(
                f"index must be a whole number, got {shown(index)}: torch.utils.data.Subset takes many"
            ) from None
        if not -len(self) <= place < len(self):
            raise IndexError(f"index {place} is out of range: {len(self)} clips")
        row = self.rows[place]
        times = _times(row.frames, self._frames)
        video: Any = self._tensor(self._reader.frames(row)[times])
        if self._transform is not None:
            video = self._transform(video)
        item: tuple[Any, ...] = (video, row.class_id)
        if self._masks:
            item = (*item, torch.from_numpy(self._reader.mask(row)[times]))
        return item if self._frames is not None else _WholeClip(item)

    def _tensor(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Frames (T, H, W) or (T, H, W, 3) as a video (C, T, H, W)."""
        planes = frames[None] if frames.ndim == 3 else np.moveaxis(frames, -1, 0)
        # By NumPy: PyTorch would wake all its threads for each of these small arrays.
        if self._dtype == torch.float32:
            planes = np.divide(planes, np.float32(255), dtype=np.float32)
        return torch.from_numpy(np.repeat(planes, self._channels // len(planes), axis=0))


class _WholeClip(tuple[Any, ...]):
    """An item with all frames of its clip: a type of its own, so that batches of unlike lengths can say why not."""


def _batched(items: Sequence[_WholeClip], *, collate_fn_map: Any = None) -> Any:
    """A batch as PyTorch makes it of tuples.

    Raises:
        UserError: the clips are not of one length.
    """
    videos = [item[0] for item in items]
    lengths = sorted({video.shape[-3] for video in videos if isinstance(video, torch.Tensor) and video.ndim == 4})
    if len(lengths) > 1:
        raise UserError(
            f"clips of {first_few(map(str, lengths), len(lengths))} frames make no batch: give FractalSet frames=, as "
            "in frames=8, or the DataLoader a collate_fn of your own, or batch_size=1"
        )
    return collate([tuple(item) for item in items], collate_fn_map=collate_fn_map)


default_collate_fn_map[_WholeClip] = _batched


def _times(length: int, frames: int | None) -> NDArray[np.int64]:
    """Indices of equidistant frames of a clip; one alone is the middle one."""
    if frames is None:
        return np.arange(length)
    if frames == 1:
        return np.array([(length - 1) // 2])
    return np.asarray(np.linspace(0, length - 1, frames).round(), np.int64)
