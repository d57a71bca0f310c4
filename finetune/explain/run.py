"""Where fine-tuned weights look in a video: the class, the peak, agreement with boxes, and pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.files import open_clip
from fractalvid.finetune.clips.prediction import check_finite
from fractalvid.finetune.clips.sampling import view_frames
from fractalvid.finetune.clips.views import cut_views
from fractalvid.finetune.explain.extent import map_extents, untold
from fractalvid.finetune.explain.gradcam import grad_cam, last_maps, stages_with_maps
from fractalvid.finetune.explain.pictures import Frames, contact_sheet, mark, overlay
from fractalvid.finetune.explain.tubes import Box, Mask, Saliency, peak, tube_iou, tube_mask
from fractalvid.finetune.weights.trained import Trained
from fractalvid.pretrain.machine import resolve_device
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.video.encoding.writer import write_video
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.reader import frame_times

_ENLARGE = 2
"""Pictures are so many times as large as what the network sees."""
_FPS = 8


class Peak(NamedTuple):
    """Where saliency is largest: a clip's frame, and row and column in pixels of what the network sees.

    What maps of one time, or of one place, can't tell is None.
    """

    frame: int | None
    row: int | None
    column: int | None


@dataclass(frozen=True)
class Explanation:
    """What was found in a video.

    Attributes:
        path: of the video.
        label: the class that was asked about, or the likeliest.
        confidence: the network's, in [0, 1].
        peak: of the saliency; None where nothing speaks for the class.
        time: when that frame comes on screen, in seconds from the first; None for folders of pictures, and where the
            frame isn't known.
        tube_iou: agreement with the video's boxes; None where there are none, or the maps have one place.
        inside: whether the peak lies in them; None where it may or may not, for want of its frame or place.
        frames: uint8 (T, S, S, 3), what the network saw.
        saliency: float32 (T, S, S).
        mask: bool (T, S, S), the boxes.
    """

    path: Path
    label: str
    confidence: float
    peak: Peak | None
    time: float | None
    tube_iou: float | None
    inside: bool | None
    frames: Frames
    saliency: Saliency
    mask: Mask | None

    def to_dict(self) -> dict[str, Any]:
        """What the report says of it."""
        found = None
        if self.peak is not None:
            found = {"frame": self.peak.frame, "y": self.peak.row, "x": self.peak.column, "seconds": self.time}
        told = {"path": str(self.path), "class": self.label, "confidence": round(self.confidence, 6), "peak": found}
        return told | {"tube_iou": self.tube_iou, "peak_inside": self.inside}


class Explainer:
    """Fine-tuned weights, ready to show where they look.

    Attributes:
        stage: the module whose maps are looked at.
        maps: their times, rows and columns.
        untold: a line on what a peak in them does not tell; None where it tells frame and place.
    """

    def __init__(self, trained: Trained, *, device: str = "auto", stage: str | None = None, label: str | None = None):
        """Build the network.

        Args:
            trained: the weights.
            device: auto, cpu, cuda or cuda:N.
            stage: of `stage_names`, whose maps are looked at; None for the last that has any.
            label: the class that is asked about; None for the likeliest of each video.

        Raises:
            UserError: no such device, stage or class, or damaged weights.
        """
        self.trained, self.device = trained, resolve_device(device)
        self.number = None if label is None else _number(label, trained.classes)
        self.stage = stage_path(trained.card.architecture, stage)
        self.network = trained.network().to(self.device).eval()
        arch, views = trained.card.architecture, trained.views
        self.clip_len = views.frames.clip_len
        extents = map_extents(self.network, arch, self.clip_len, views.size)
        name = next(name for name, path in stages_with_maps(arch).items() if path == self.stage)
        self.maps, self.untold = extents[name], untold(extents, name, self.clip_len)

    def explain(
        self, path: Path, boxes: list[Box], *, threshold: float, max_pixels: int = MAX_PIXELS, isolate: bool = False
    ) -> Explanation:
        """Where the network looks in the middle square of the middle clip of a video.

        Raises:
            UserError: the video can't be read, or a box is of a time that it does not have.
        """
        config = self.trained.views
        seen = open_clip(path, short_side=decoded_side(config.size), max_pixels=max_pixels, isolate=isolate)
        window = view_frames(len(seen), config.frames, 1)
        used, where = np.unique(window, return_inverse=True)
        single = ViewConfig(config.frames, config.size, config.mean, config.std, views=1, crops=1)
        clip = cut_views(seen[used], where.reshape(window.shape), single)  # uint8 (1, T, S, S, 3)
        video = to_network(clip, config.mean, config.std).to(self.device)
        with torch.no_grad():
            p = self.network(video).float().softmax(1)[0]
        check_finite(p.cpu().numpy())
        number = int(p.argmax()) if self.number is None else self.number
        saliency = grad_cam(self.network, video, torch.tensor([number]), self.stage)[0].cpu().numpy()
        place, mask, agrees = self._known(peak(saliency)), None, None
        times = frame_times(path, max_pixels=max_pixels, isolate=isolate)
        if boxes:
            if times is None:
                raise UserError(f"{boxes[0].where}: {path} has no frame rate, so that the box's time means no frame")
            shape = (seen.shape[1], seen.shape[2])
            mask = tube_mask(boxes, times[window[0]], float(times[-1]), shape, config.size)
            if self.maps.tells_place:
                agrees = round(tube_iou(saliency, mask, threshold), 4)
        return Explanation(
            path=path,
            label=self.trained.classes[number],
            confidence=float(p[number]),
            peak=place,
            time=_seconds(times, window[0], place),
            tube_iou=agrees,
            inside=None if mask is None or place is None else _inside(mask, place),
            frames=clip[0].numpy(),
            saliency=saliency,
            mask=mask,
        )

    def _known(self, place: tuple[int, int, int] | None) -> Peak | None:
        """A peak, without what the maps do not tell: where all is equal, the first is as good as any."""
        if place is None:
            return None
        frame, row, column = place
        there = (row, column) if self.maps.tells_place else (None, None)
        return Peak(frame if self.maps.tells_frame(self.clip_len) else None, *there)


def _seconds(times: NDArray[np.float64] | None, frames: NDArray[np.int64], place: Peak | None) -> float | None:
    """When the peak's frame, one of the video's `frames`, comes on screen; None where that isn't known."""
    if times is None or place is None or place.frame is None:
        return None
    return round(float(times[frames[place.frame]]), 3)


def _inside(mask: Mask, place: Peak) -> bool | None:
    """Whether a peak lies in a mask (T, S, S); None where that depends on what isn't known of it."""
    if place.row is None or place.column is None:
        return None
    held = mask[:, place.row, place.column]
    if place.frame is not None:
        return bool(held[place.frame])
    return bool(held[0]) if (held == held[0]).all() else None


def stage_path(arch: str, stage: str | None) -> str:
    """The module of a stage of `arch`, by the stage's name; None means the last that has places.

    Raises:
        UserError: no such stage, or one without places.
    """
    if stage is None:
        return last_maps(arch)
    usable = stages_with_maps(arch)
    if stage not in usable:
        raise UserError(f"--stage {stage}: {arch} has {', '.join(usable)}")
    return usable[stage]


def _number(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise UserError(f"--of {label!r} is no class of the weights{nearest_note(label, classes)}")
    return classes.index(label)


def write_pictures(found: Explanation, out: Path, name: str) -> None:
    """An overlay video NAME.mp4 and a contact sheet NAME.png: what was seen above, where the network looks below."""
    large = [np.repeat(np.repeat(of, _ENLARGE, axis=1), _ENLARGE, axis=2) for of in (found.frames, found.saliency)]
    mask = None if found.mask is None else np.repeat(np.repeat(found.mask, _ENLARGE, axis=1), _ENLARGE, axis=2)
    shown = mark(overlay(large[0], large[1]), _enlarged(found.peak), mask)
    write_video(out / f"{name}.mp4", shown, fps=_FPS)
    Image.fromarray(contact_sheet([large[0], shown])).save(out / f"{name}.png")


def _enlarged(found: Peak | None) -> tuple[int | None, int, int] | None:
    """Where a cross is to be in pictures; None where no place is known."""
    if found is None or found.row is None or found.column is None:
        return None
    return found.frame, found.row * _ENLARGE, found.column * _ENLARGE
