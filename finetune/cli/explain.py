"""`finetune explain`: where fine-tuned weights look in any video."""

import inspect
import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from tqdm import tqdm

from fractalvid.cli.parsing import parse
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_new, make_folder, write_text
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import one_line
from fractalvid.video.errors import MAX_PIXELS, check_max_pixels

if TYPE_CHECKING:
    from fractalvid.finetune.explain.run import Explanation

SOME_UNREADABLE = 1
"""Exit code where some videos could not be read."""


@dataclass(frozen=True)
class Explain:
    """Show where and when in videos fine-tuned weights look, by Grad-CAM (arXiv 1610.02391).

    For the middle clip of each video: the class, the peak of its saliency, how far saliency agrees with boxes, an
    overlay video, and a sheet of frames. All of it is left in --out, in explain.json as numbers.
    """

    videos: tyro.conf.Positional[tuple[Path, ...]]
    """Videos, GIFs, or folders of videos or of pictures."""
    weights: Path
    """Fine-tuned weights: a .safetensors file with its card beside it, or the folder of a run of finetune."""
    out: Path
    """Folder for what is found; new or empty."""
    of: str | None = None
    """The class that is asked about; the likeliest of each video if not given."""
    stage: str | None = None
    """Stage of the network: stem, stage1, ...; the last that has places if not given."""
    boxes: Path | None = None
    """CSV file of video,time,x1,y1,x2,y2: names of videos, seconds, and shares of the frame."""
    threshold: float = 0.5
    """Share of the peak from which on a place is salient, for the agreement with boxes."""
    max_pixels: int = MAX_PIXELS
    """Pixels that a frame or picture may have; 8K has 33 to 36 million."""
    isolate: bool = False
    """Decode in child processes: a video that crashes, hangs or fills the decoder is one that cannot be read."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    progress: bool = True
    """Show a progress bar."""

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        if not self.videos:
            raise UserError("no video is named: finetune explain --weights W --out DIR VIDEO ...")
        if not 0 < self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold:g}: it must be above 0 and at most 1")
        check_max_pixels(self.max_pixels)
        check_new(self.out)


def run(options: Explain) -> int:
    """Explain all videos; the exit code."""
    announce(f"looking where the weights {options.weights} look")
    from fractalvid.finetune.clips.files import clips_at
    from fractalvid.finetune.explain.run import Explainer, write_pictures
    from fractalvid.finetune.explain.tubes import read_boxes
    from fractalvid.finetune.weights.trained import open_trained

    options.check()
    boxes = {} if options.boxes is None else read_boxes(options.boxes)
    explainer = Explainer(open_trained(options.weights), device=options.device, stage=options.stage, label=options.of)
    paths = [clip for path in options.videos for clip in clips_at(path)]
    if boxes and not {path.name for path in paths} & boxes.keys():
        raise UserError(f"--boxes {options.boxes} names none of the {len(paths)} videos")
    if explainer.untold is not None:
        note(explainer.untold)
    explain = partial(
        explainer.explain, threshold=options.threshold, max_pixels=options.max_pixels, isolate=options.isolate
    )
    found: list[Explanation] = []
    for number, path in enumerate(
        tqdm(paths, unit="video", disable=not options.progress or len(paths) == 1, **bar_options())
    ):
        try:
            one = explain(path, boxes.get(path.name, []))
        except (UserError, OSError) as error:
            if len(paths) == 1:
                raise
            tqdm.write(f"finetune: {error}", file=sys.stderr)
            continue
        make_folder(options.out)
        write_pictures(one, options.out, f"{number:04d}_{path.stem}")
        found.append(one)
        tqdm.write(_line(one))
    if not found:
        raise UserError(f"none of the {len(paths)} videos can be explained; see above")
    about = {"weights": str(options.weights), "stage": explainer.stage, "threshold": options.threshold}
    told = {**about, "maps": explainer.maps._asdict(), "videos": [one.to_dict() for one in found]}
    write_text(options.out / "explain.json", json.dumps(told, indent=2) + "\n")
    return SOME_UNREADABLE if len(found) < len(paths) else 0


def _line(found: "Explanation") -> str:
    """As "clip.avi: wave 63.1 %, peak at frame 3, row 40, column 51 (0.52 s), tube IoU 0.31"; all that is known."""
    when = "" if found.time is None else f" ({found.time:g} s)"
    agrees = "" if found.tube_iou is None else f", tube IoU {found.tube_iou:.2f}"
    label = f"{one_line(str(found.path))}: {found.label} {100 * found.confidence:.1f} %"
    if found.peak is None:
        return f"{label}, which nothing in these maps speaks for"
    known = [f"{name} {value}" for name, value in found.peak._asdict().items() if value is not None]
    where = f", peak at {', '.join(known)}" if known else ""
    return label + where + when + agrees


def command(args: list[str]) -> int:
    """`finetune explain` with the arguments behind these words; the exit code."""
    wanted = Explain(videos=(), weights=tyro.MISSING, out=tyro.MISSING)
    text = inspect.getdoc(Explain) or ""
    main = {
        "what": {"videos": "", "weights": "A .safetensors file, or the folder of a run", "of": "", "stage": ""},
        "what it is compared with": {"boxes": "", "threshold": "Share of the peak above which a place counts"},
        "the result": {"out": "", "device": ""},
    }
    return run(parse(Explain, args, program="finetune explain", default=wanted, description=text, main=main))
