"""What a debiased training needs beside its videos, read and checked before it begins."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.debias.masks import Masks, check_masks
from fractalvid.finetune.debias.scenes import Scenes, match_scenes, read_scenes
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.data import Data, index_videos
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class Beside:
    """Scenes and masks of the training videos, None where there are none, and a digest of both."""

    scenes: Scenes | None
    masks: Masks | None
    digest: str


def read_beside(
    data: Data, trained: tuple[Video, ...], scenes: Path | None, masks: Path | None, machine: Machine
) -> Beside:
    """Read what there is of the videos that are trained on.

    Raises:
        UserError: something is missing or does not fit.
    """
    told = None if scenes is None else match_scenes(scenes, read_scenes(scenes), trained, data.root)
    digest = hashlib.blake2b(json.dumps(None if told is None else [told.names, dict(told.of)]).encode(), digest_size=16)
    found = None
    if masks is not None:
        paths = list(dict.fromkeys(video.path for video in trained))
        index = index_videos(data.root, paths, machine)
        found = Masks(masks, index.facts)
        digest.update(check_masks(masks, paths, index.facts, threads=machine.decoders()).encode())
    known = [counted(len(told.names), "scene")] if told is not None else []
    known += [f"masks of {counted(len(found.facts), 'video')}"] if found is not None else []
    tqdm.write(f"debiasing from {' and '.join(known)}")
    return Beside(told, found, digest.hexdigest())
