"""Where fine-tuned weights look in a video: the class, the peak, agreement with boxes, and pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.files import open_clip
from fractalvid.finetune.clips.sampling import view_frames
from fractalvid.finetune.clips.views import cut_views
from fractalvid.finetune.explain.gradcam import grad_cam, last_maps
from fractalvid.finetune.explain.pictures import Frames, contact_sheet, mark, overlay
from fractalvid.finetune.explain.tubes import Box, Mask, Saliency, peak, tube_iou, tube_mask
from fractalvid.finetune.weights.trained import Trained
from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.models import architecture, stage_names
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.video.encoding.writer import write_video
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.reader import frame_times

_ENLARGE = 2
"""Pictures are so many times as large as what the network sees."""
_FPS = 8


@dataclass(frozen=True)
class Explanation:
    """What was found in a video.

    Attributes:
        path: of the video.
        label: the class that was asked about, or the likeliest.
        confidence: the network's, in [0, 1].
        peak: frame (of the clip), row and column of the largest saliency, in pixels of what the network sees; None
            where nothing speaks for the class.
        time: when that frame comes on screen, in seconds from the first; None for folders of pictures.
        tube_iou: agreement with the video's boxes; None where there are none.
        inside: whether the peak lies in them.
        frames: uint8 (T, S, S, 3), what the network saw.
        saliency: float32 (T, S, S).
        mask: bool (T, S, S), the boxes.
    """

    path: Path
    label: str
    confidence: float
    peak: tuple[int, int, int] | None
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
            t, y, x = self.peak
            found = {"frame": t, "y": y, "x": x, "seconds": self.time}
        told = {"path": str(self.path), "class": self.label, "confidence": round(self.confidence, 6), "peak": found}
        return told | {"tube_iou": self.tube_iou, "peak_inside": self.inside}


class Explainer:
    """Fine-tuned weights, ready to show where they look."""

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
        number = int(p.argmax()) if self.number is None else self.number
        saliency = grad_cam(self.network, video, torch.tensor([number]), self.stage)[0].cpu().numpy()
        place, mask = peak(saliency), None
        times = frame_times(path, max_pixels=max_pixels, isolate=isolate)
        if boxes:
            if times is None:
                raise UserError(f"{boxes[0].where}: {path} has no frame rate, so that the box's time means no frame")
            shape = (seen.shape[1], seen.shape[2])
            mask = tube_mask(boxes, times[window[0]], float(times[-1]), shape, config.size)
        return Explanation(
            path=path,
            label=self.trained.classes[number],
            confidence=float(p[number]),
            peak=place,
            time=None if times is None or place is None else round(float(times[window[0][place[0]]]), 3),
            tube_iou=None if mask is None else round(tube_iou(saliency, mask, threshold), 4),
            inside=None if mask is None or place is None else bool(mask[place]),
            frames=clip[0].numpy(),
            saliency=saliency,
            mask=mask,
        )


def stage_path(arch: str, stage: str | None) -> str:
    """The module of a stage of `arch`, by the stage's name; None means the last that has places.

    Raises:
        UserError: no such stage, or one without places.
    """
    if stage is None:
        return last_maps(arch)
    row = architecture(arch)
    known = dict(zip(stage_names(arch), row.stages, strict=True))
    usable = [name for name, path in known.items() if path != row.head]
    if stage not in usable:
        raise UserError(f"--stage {stage}: {arch} has {', '.join(usable)}")
    return known[stage]


def _number(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise UserError(f"--of {label!r} is no class of the weights{nearest_note(label, classes)}")
    return classes.index(label)


def write_pictures(found: Explanation, out: Path, name: str) -> None:
    """An overlay video NAME.mp4 and a contact sheet NAME.png: what was seen above, where the network looks below."""
    large = [np.repeat(np.repeat(of, _ENLARGE, axis=1), _ENLARGE, axis=2) for of in (found.frames, found.saliency)]
    mask = None if found.mask is None else np.repeat(np.repeat(found.mask, _ENLARGE, axis=1), _ENLARGE, axis=2)
    place = None if found.peak is None else (found.peak[0], found.peak[1] * _ENLARGE, found.peak[2] * _ENLARGE)
    shown = mark(overlay(large[0], large[1]), place, mask)
    write_video(out / f"{name}.mp4", shown, fps=_FPS)
    Image.fromarray(contact_sheet([large[0], shown])).save(out / f"{name}.png")
