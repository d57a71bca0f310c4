"""Masks of people by torchvision's Mask R-CNN (He et al. 2017, arXiv 1703.06870), for videos that come without."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2
from tqdm import tqdm

from fractalvid.finetune.cache.frames import Bytes
from fractalvid.finetune.debias.masks import Mask, mask_file, read_mask
from fractalvid.pretrain.machine import resolve_device
from fractalvid.sets.formats.mask import MAX_PIXELS as MOST_IN_A_PICTURE
from fractalvid.sets.formats.mask import encode_mask
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_bytes
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.errors import VideoError
from fractalvid.video.reader import VideoFacts, read_video

Detector = Callable[[Bytes], Mask]
"""Frames uint8 (T, H, W, 3) -> where people are, bool (T, H, W)."""
PERSON = 1
"""The class of people in COCO."""
THRESHOLD = 0.5
"""Of a detection's score, and of a pixel's within it."""


class PersonDetector:
    """Mask R-CNN with a ResNet-50 and feature pyramid, second version, trained on COCO."""

    def __init__(self, device: str, network: nn.Module | None = None) -> None:
        """Load the network; torchvision's weights are downloaded into torch.hub's cache unless they are there.

        Raises:
            UserError: no such device, or the weights can't be downloaded.
        """
        self.device = resolve_device(device)
        self.network = (network or _load()).to(self.device).eval()

    @torch.inference_mode()
    def __call__(self, frames: Bytes) -> Mask:
        """Where people are, bool (T, H, W), in frames uint8 (T, H, W, 3)."""
        found = np.zeros(frames.shape[:3], np.bool_)
        for number, frame in enumerate(frames):
            picture = torch.from_numpy(frame).permute(2, 0, 1).float().div(255).to(self.device)
            (told,) = self.network([picture])
            people = (told["labels"] == PERSON) & (told["scores"] >= THRESHOLD)
            if people.any():
                found[number] = (told["masks"][people, 0] >= THRESHOLD).any(0).cpu().numpy()
        return found


def _load() -> nn.Module:
    entry = MaskRCNN_ResNet50_FPN_V2_Weights.DEFAULT
    try:
        network: nn.Module = maskrcnn_resnet50_fpn_v2(weights=entry, progress=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"the detector's weights cannot be downloaded ({error}); put {entry.url} into {folder} yourself"
        ) from error
    return network


def make_masks(
    root: Path,
    facts: Mapping[str, VideoFacts],
    folder: Path,
    detector: Callable[[], Detector],
    *,
    max_pixels: int,
    progress: bool,
    isolate: bool = False,
) -> Iterator[str]:
    """Make the masks that `folder` lacks of the videos below `root`, and say in a line what was made.

    A file appears when it is whole, so that this can be stopped and begun again at any time.

    Args:
        root: the data folder.
        facts: what is known of the videos, by path.
        folder: for masks.
        detector: makes one, and is called only where there is something to do.
        max_pixels: what a frame may have.
        progress: show a bar.
        isolate: decode in child processes (`fractalvid.video.isolation`).

    Raises:
        UserError: a mask that is there does not fit its video, or nothing can be written.
    """
    todo = []
    for video, known in facts.items():
        file = mask_file(folder, video)
        if file is None:
            todo.append(video)
        else:
            read_mask(file, known)
    empty, lost = 0, list[str]()
    if todo:
        detect = detector()
        for video in tqdm(todo, desc="finding people", unit="video", disable=not progress, **bar_options()):
            try:
                frames = read_video(root / video, max_pixels=max_pixels, isolate=isolate)
            except VideoError:
                lost.append(video)
                continue
            mask = detect(frames)
            empty += not mask.any()
            write_mask(folder, video, mask)
    nobody = f" (nobody in {empty})" if empty else ""
    none = f", {len(lost)} can't be read as a whole ({first_few(lost, 3)})" if lost else ""
    made, kept = counted(len(todo) - len(lost), "video"), len(facts) - len(todo)
    yield f"masks     {made} now{nobody}, {kept} were there{none}; in {folder}"


def write_mask(folder: Path, video: str, mask: Mask) -> None:
    """Write a mask (T, H, W), whole or not at all: a picture, or npz where that would be too large for readers.

    Raises:
        UserError: it can't be written.
    """
    base = folder / video
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't make the folder {base.parent}: {error.strerror}; choose another for --masks") from error
    if mask.size <= MOST_IN_A_PICTURE:
        write_bytes(folder / f"{video}.png", encode_mask(mask))
        return
    packed = io.BytesIO()
    np.savez_compressed(packed, mask=mask)
    write_bytes(folder / f"{video}.npz", packed.getvalue())
