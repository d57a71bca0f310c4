"""The command `finetune predict`: what fine-tuned weights see in any video."""

import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from torch import Tensor
from tqdm import tqdm

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cache.pictures import clips_at, open_clip
from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips.augment import Floats
from fractalvid.finetune.clips.evaluate import ahead, probabilities, top_classes, video_views
from fractalvid.finetune.weights.trained import open_trained
from fractalvid.kernels.compiled.threads import available_cores
from fractalvid.pretrain.machine.precision import resolve_device
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, write_text

_BATCH = 16
SOME_UNREADABLE = 1
"""Exit code where some videos could not be read and others were named."""


@dataclass(frozen=True)
class Predict:
    """Name what is in videos: the most likely classes of fine-tuned weights, with their confidence.

    Videos are files that FFmpeg decodes, GIFs, folders of videos, or folders with the pictures of one clip. Those that
    cannot be read are named, the others go on; the exit code is then 1, or 2 where none could be read.
    """

    videos: tyro.conf.Positional[tuple[Path, ...]]
    """Videos, GIFs, or folders of videos or of pictures."""
    weights: Path
    """Fine-tuned weights: a .safetensors file with its card beside it, or the folder of a run of finetune."""
    top: int = 5
    """Classes to name for each video."""
    format: Literal["text", "json"] = "text"
    """text: a line a video; json: one document."""
    out: Path | None = None
    """File to write to instead of standard output."""
    views: int | None = None
    """Clips a video, spread uniformly; default as the weights were tested."""
    crops: int | None = None
    """Squares a clip: 1 (centre) or 3 (along the long side); default as the weights were tested."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int | None = None
    """Videos decoded at once; default one a processor."""
    progress: bool = True
    """Show a progress bar."""

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        if not self.videos:
            raise UserError("no video is named: finetune predict --weights W VIDEO ...")
        for name in ("top", "views", "crops", "threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1024:
                raise UserError(f"--{name} is {value}: it must be 1 to 1024")
        if self.crops not in (None, 1, 3):
            raise UserError(f"--crops is {self.crops}: it can be 1 (the centre) or 3 (along the long side)")
        resolve_device(self.device)
        if self.out is not None:
            check_place(self.out)


@dataclass(frozen=True)
class Named:
    """A video and what was found in it: `frames` it has, `labels` with their confidence in [0, 1], best first."""

    path: str
    frames: int
    labels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Unreadable:
    """A video that could not be read, and why."""

    path: str
    why: str


class Predictor:
    """Fine-tuned weights, ready to name what is in videos."""

    def __init__(self, weights: Path, *, device: str = "auto", views: int | None = None, crops: int | None = None):
        """Build the network that the weights' card describes.

        Raises:
            UserError: weights without a card, damaged ones, or ones that name no classes.
        """
        trained = open_trained(weights, views=views, crops=crops)
        self.classes, self.config = trained.classes, trained.views
        self.network = trained.network().to(resolve_device(device)).eval()

    def views(self, path: Path) -> tuple[int, Tensor]:
        """How many frames a video has, and its views. Raises `UserError` or `OSError` where it cannot be read."""
        frames = open_clip(path, short_side=decoded_side(self.config.size))
        return len(frames), video_views(frames, self.config)

    @torch.no_grad()
    def probabilities(self, views: Tensor) -> Floats:
        """Class probabilities (K,) of a video from its views."""
        found: Floats = probabilities(self.network, [views], self.config, _BATCH)[0].numpy()
        return found

    def name(self, paths: Sequence[Path], *, top: int, threads: int) -> Iterator[Named | Unreadable]:
        """What is in each of some videos, in their order; decoded a few ahead in threads."""

        def read(path: Path) -> tuple[int, Tensor] | Unreadable:
            try:
                return self.views(path)
            except (UserError, OSError) as error:
                return Unreadable(str(path), str(error))

        for path, clip in zip(paths, ahead(read, paths, threads), strict=True):
            if isinstance(clip, Unreadable):
                yield clip
                continue
            frames, views = clip
            p = self.probabilities(views)
            if not np.isfinite(p).all():
                raise UserError("the network's outputs are not finite: the weights are of a training that diverged")
            best = top_classes(p[None], top)[0]
            yield Named(str(path), frames, tuple((self.classes[k], float(p[k])) for k in best))


def as_text(result: Named) -> str:
    """As "clip.avi: wave 63.1 %, clap 12.0 %"."""
    labels = ", ".join(f"{label} {100 * confidence:.1f} %" for label, confidence in result.labels)
    return f"{result.path}: {labels}"


def as_json(weights: Path, results: Sequence[Named | Unreadable]) -> str:
    """One document: the weights, and for each video its labels or why it could not be read."""

    def plain(result: Named | Unreadable) -> dict[str, Any]:
        if isinstance(result, Unreadable):
            return {"path": result.path, "error": result.why}
        labels = [{"label": label, "confidence": round(p, 6)} for label, p in result.labels]
        return {"path": result.path, "frames": result.frames, "labels": labels}

    return json.dumps({"weights": str(weights), "videos": [plain(result) for result in results]}, indent=2)


def predict_main(options: Predict) -> int:
    """Name what is in the videos; the exit code."""
    options.check()
    predictor = Predictor(options.weights, device=options.device, views=options.views, crops=options.crops)
    threads = available_cores() if options.threads is None else options.threads
    paths = [clip for path in options.videos for clip in clips_at(path)]
    named = predictor.name(paths, top=options.top, threads=threads)
    results = list[Named | Unreadable]()
    for result in tqdm(named, total=len(paths), unit="video", disable=not options.progress or len(paths) == 1):
        results.append(result)
        if isinstance(result, Unreadable):
            if len(paths) == 1:
                raise UserError(_explained(result))
            tqdm.write(f"finetune: {_explained(result)}", file=sys.stderr)
    found = [result for result in results if isinstance(result, Named)]
    if not found:
        raise UserError(f"none of the {len(results)} videos can be read; see above")
    text = as_json(options.weights, results) if options.format == "json" else "\n".join(map(as_text, found))
    if options.out is None:
        print(text)
    else:
        write_text(options.out, text + "\n")
    return SOME_UNREADABLE if len(found) < len(results) else 0


def _explained(result: Unreadable) -> str:
    return result.why if result.path in result.why else f"{result.path}: {result.why}"


def command(args: list[str]) -> int:
    """`finetune predict` with its arguments; the exit code."""
    wanted = Predict(videos=(), weights=tyro.MISSING)
    text = inspect.getdoc(Predict) or ""
    return predict_main(parse(Predict, args, program="finetune predict", default=wanted, description=text))
