"""A batch of clips, as a network takes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from fractalvid.truth.known import Truth
from fractalvid.utils.arrays import map_arrays
from fractalvid.utils.errors import UserError


@dataclass(frozen=True, repr=False)
class Batch:
    """B clips on their way into a network; `video, target, *rest = batch` gives its attributes one by one.

    Attributes:
        video: float32 (B, C, T, H, W), in [0, 1], or normalised where mean and std are given. The channels of grey
            clips may share their memory: `clone()` one before writing into it.
        target: int64 (B,), the class.
        clip_id: int64 (B, 2), class id and instance id.
        next_index: the value for `load_state_dict` once this batch has been used.
        mask: bool (B, T, H, W), True where the grey clip is above 0, also where it was emulated: the foreground, seen
            by the camera; None unless asked for.
        background_id: int64 (B, 2, 2), class and instance of both stills that are joined behind a clip, of a background
            that moves twice, -1 where there is none; None unless clips are emulated. Of the first view.
        video2: like `video`, another view of the same instances (`stream.second_view`); None unless two are asked for.
        mask2: the mask of `video2`, where masks are asked for.
        truth: what the generator knows of `video` exactly (`fractalvid.truth`); None unless anything is asked for.
    """

    video: torch.Tensor
    target: torch.Tensor
    clip_id: torch.Tensor
    next_index: int
    mask: torch.Tensor | None = None
    background_id: torch.Tensor | None = None
    video2: torch.Tensor | None = None
    mask2: torch.Tensor | None = None
    truth: Truth | None = None

    def __iter__(self) -> Iterator[Any]:
        """The attributes in their order, video and target first."""
        return iter(vars(self).values())

    def __repr__(self) -> str:
        """One line: the shapes of what there is."""
        shapes = (f"{name}={tuple(v.shape)}" for name, v in vars(self).items() if isinstance(v, torch.Tensor))
        return f"{type(self).__name__}({', '.join(shapes)}, next_index={self.next_index})"

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Batch":
        """The same batch with its tensors on a device; PyTorch Lightning moves batches by this."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, which `DataLoader(..., pin_memory=True)` asks for."""
        return self._with(torch.Tensor.pin_memory)

    def _with(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        """The same batch with what a function makes of its tensors."""
        changed: dict[str, Any] = {
            name: function(value) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **changed, truth=map_arrays(function, self.truth))


def _refuse(batches: object, **_: object) -> NoReturn:
    """Called by a DataLoader that would make batches of batches."""
    raise UserError("clips come in whole batches: DataLoader(clips, batch_size=None, ...)")


default_collate_fn_map[Batch] = _refuse
