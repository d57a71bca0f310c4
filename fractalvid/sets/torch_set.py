"""Generated sets in PyTorch: a map-style data set over clips on disk, whatever their format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from fractalvid.sets.manifest import ManifestRow
from fractalvid.sets.reader import SetReader
from fractalvid.utils.errors import UserError


class FractalSet(Dataset[tuple[Any, ...]]):
    """The complete clips of a generated set: item i is (video, target), or (video, target, mask).

    A video is (C, T, H, W): float32 in [0, 1], or uint8; the target is the class, an int; a mask is bool (T, H, W).
    Items are read when they are asked for, so worker processes share the work, and a copy costs no open files.

        for video, target in DataLoader(FractalSet("dataset", frames=8), batch_size=32, shuffle=True): ...

    Args:
        path: the set's folder, of any format.
        frames: so many equidistant frames of each clip, from first to last, so that clips of different lengths make
            batches; None for all.
        channels: 3, with grey repeated, or 1, for grey sets only.
        dtype: torch.float32 (0..255 becomes 0..1) or torch.uint8.
        masks: whether items have a mask; for sets generated with masks.
        transform: applied to the video of each item.

    Attributes:
        rows: of the manifest, item by item.
        classes: how many classes the set has, also where some have no clip yet.

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
        if frames is not None and frames < 1:
            raise UserError(f"frames must be at least 1, got {frames}")
        if dtype not in (torch.float32, torch.uint8):
            raise UserError(f"dtype must be torch.float32 or torch.uint8, got {dtype}")
        if channels not in (1, 3):
            raise UserError(f"channels must be 1 or 3, got {channels}")
        if channels == 1 and self._reader.config.colour is not None:
            raise UserError(f"{path} is in colour: ask for 3 channels")
        if masks and not self._reader.config.masks:
            raise UserError(f"{path} has no masks: generate it with --masks")
        self._reader.check_rows()
        self._reader.check_files(masks=masks)
        self._frames, self._channels, self._dtype, self._masks = frames, channels, dtype, masks
        self._transform = transform

    @property
    def rows(self) -> list[ManifestRow]:
        """See the class."""
        return self._reader.rows

    @property
    def classes(self) -> int:
        """See the class."""
        return self._reader.classes

    def __len__(self) -> int:
        """The number of clips."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Clip `index` of the manifest.

        Raises:
            UserError: its file is cut short or damaged, or gone meanwhile.
        """
        row = self.rows[index]
        times = _times(row.frames, self._frames)
        video: Any = self._tensor(self._reader.frames(row)[times])
        if self._transform is not None:
            video = self._transform(video)
        if not self._masks:
            return video, row.class_id
        return video, row.class_id, torch.from_numpy(self._reader.mask(row)[times])

    def _tensor(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Frames (T, H, W) or (T, H, W, 3) as a video (C, T, H, W)."""
        planes = frames[None] if frames.ndim == 3 else np.moveaxis(frames, -1, 0)
        # By NumPy: PyTorch would wake all its threads for each of these small arrays.
        if self._dtype == torch.float32:
            planes = np.divide(planes, np.float32(255), dtype=np.float32)
        return torch.from_numpy(np.repeat(planes, self._channels // len(planes), axis=0))


def _times(length: int, frames: int | None) -> NDArray[np.int64]:
    """Indices of equidistant frames of a clip; one alone is the middle one."""
    if frames is None:
        return np.arange(length)
    if frames == 1:
        return np.array([(length - 1) // 2])
    return np.asarray(np.linspace(0, length - 1, frames).round(), np.int64)
