"""`finetune predict`: what fine-tuned weights see in any video."""

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro
from tqdm import tqdm

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import check_views
from fractalvid.kernels.compiled import available_cores
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, write_text
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import one_line
from fractalvid.video.errors import MAX_PIXELS, check_max_pixels

if TYPE_CHECKING:
    from fractalvid.finetune.run.predict import Prediction, Unreadable

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
    max_pixels: int = MAX_PIXELS
    """Pixels that a frame or picture may have; 8K has 33 to 36 million."""
    isolate: bool = False
    """Decode in child processes: a video that crashes, hangs or fills the decoder is one that cannot be read."""
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
        for name in ("top", "threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 1024:
                raise UserError(f"--{name} is {value}: it must be 1 to 1024")
        check_views(self.views, self.crops)
        check_max_pixels(self.max_pixels)
        if self.out is not None:
            check_place(self.out)


def as_text(result: "Prediction") -> str:
    """As "clip.avi: wave 63.1 %, clap 12.0 %"."""
    labels = ", ".join(f"{label} {100 * confidence:.1f} %" for label, confidence in result.labels)
    return f"{one_line(result.path)}: {labels}"


def as_json(weights: Path, results: "list[Prediction | Unreadable]") -> str:
    """One document: the weights, and for each video its labels or why it could not be read."""
    from fractalvid.finetune.run.predict import Unreadable

    def plain(result: "Prediction | Unreadable") -> dict[str, Any]:
        if isinstance(result, Unreadable):
            return {"path": result.path, "error": result.why}
        labels = [{"label": label, "confidence": round(p, 6)} for label, p in result.labels]
        return {"path": result.path, "frames": result.frames, "labels": labels}

    return json.dumps({"weights": str(weights), "videos": [plain(result) for result in results]}, indent=2)


def run(options: Predict) -> int:
    """Name what is in the videos; the exit code."""
    if options.out is not None or sys.stderr.isatty():  # else standard output is for what the videos show
        announce(f"reading the weights {options.weights}")
    from fractalvid.finetune.clips.files import clips_at
    from fractalvid.finetune.run.predict import Prediction, Predictor

    options.check()
    predictor = Predictor(options.weights, device=options.device, views=options.views, crops=options.crops)
    threads = available_cores() if options.threads is None else options.threads
    paths = [clip for path in options.videos for clip in clips_at(path)]
    predicted = predictor.predict(
        paths, top=options.top, threads=threads, max_pixels=options.max_pixels, isolate=options.isolate
    )
    results = list(_told(predicted, len(paths), options.progress))
    named = [result for result in results if isinstance(result, Prediction)]
    if not named:
        raise UserError(f"none of the {len(results)} videos can be read; see above")
    text = as_json(options.weights, results) if options.format == "json" else "\n".join(map(as_text, named))
    if options.out is None:
        print(text)
    else:
        write_text(options.out, text + "\n")
    return SOME_UNREADABLE if len(named) < len(results) else 0


def _told(
    results: "Iterator[Prediction | Unreadable]", count: int, progress: bool
) -> "Iterator[Prediction | Unreadable]":
    """The results as they come, with a bar; what cannot be read is told, and where it is the only video an error."""
    from fractalvid.finetune.run.predict import Unreadable

    for result in tqdm(results, total=count, unit="video", disable=not progress or count == 1, **bar_options()):
        if isinstance(result, Unreadable):
            why = result.why if result.path in result.why else f"{result.path}: {result.why}"
            if count == 1:
                raise UserError(why)
            tqdm.write(f"finetune: {why}", file=sys.stderr)
        yield result


def command(args: list[str]) -> int:
    """`finetune predict` with the arguments behind these words; the exit code."""
    wanted = Predict(videos=(), weights=tyro.MISSING)
    text = inspect.getdoc(Predict) or ""
    main = {
        "what": {"videos": "", "weights": "A .safetensors file, or the folder of a run"},
        "what is told": {"top": "", "format": "", "out": ""},
        "how": {
            "views": "Clips a video; as the weights were tested",
            "crops": "Squares a clip: 1 or 3; as they were tested",
            "device": "",
            "threads": "",
        },
    }
    return run(parse(Predict, args, program="finetune predict", default=wanted, description=text, main=main))
