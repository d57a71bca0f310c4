"""Miniature data sets in the published formats, made on the spot, and the command on them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.cli import finetune, main
from fractalvid.finetune.recipes.plan import Plan, plan_run
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import open_data
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.weights.initial import Initial
from fractalvid.video.encoding.writer import encode_video

Bytes = NDArray[np.uint8]


def video(frames: int = 8, *, height: int = 36, width: int = 48, level: int = 0) -> Bytes:
    """Frames (T, H, W, 3) of a smooth ramp; the grey grows with time and `level`."""
    ramp = np.linspace(0, 60, width)[None, None, :, None] + np.linspace(0, 30, height)[None, :, None, None]
    grey = ramp + level + 4.0 * np.arange(frames)[:, None, None, None]
    return np.broadcast_to(grey, (frames, height, width, 3)).clip(0, 255).astype(np.uint8)


def put(path: Path, frames: int = 8, *, level: int = 0) -> Path:
    """Write a small video; whatever the name, MP4 but for .avi."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".avi":
        write_avi(path, video(frames, level=level))
    else:
        path.write_bytes(encode_video(video(frames, level=level)))
    return path


def write_avi(path: Path, frames: Bytes) -> None:
    """MPEG-4 in AVI, the container of HMDB51."""
    with av.open(str(path), "w", format="avi") as container:
        stream: Any = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())


def folder_set(root: Path, *, classes: Sequence[str] = ("dark", "light"), train: int = 4, test: int = 2) -> Path:
    """`train/<class>/*` and `test/<class>/*`; classes differ in brightness, sides a little."""
    for number, name in enumerate(classes):
        for side, count, more in (("train", train, 0), ("test", test, 9)):
            for k in range(count):
                put(root / side / name / f"{k}.mp4", 6 + k, level=150 * number // max(1, len(classes) - 1) + more)
    return root


def hmdb_set(root: Path, lists: Mapping[str, str], files: Mapping[str, Sequence[str]]) -> Path:
    """HMDB51's layout: a folder a class with the named files, and split 1's lists with the given text."""
    splits = root / "testTrainMulti_7030_splits"
    splits.mkdir(parents=True)
    for name, text in lists.items():
        (splits / f"{name}_test_split1.txt").write_bytes(text.encode())
    for name, videos in files.items():
        (root / name).mkdir()
        for number, file in enumerate(videos):
            put(root / name / file, 5 + number)
    return root


class ArrayStore(ClipStore):
    """A store of frames in memory: path of a video -> uint8 (T, H, W, 3)."""

    def __init__(self, videos: Mapping[str, Bytes]) -> None:
        super().__init__(Path("."), short_side=36, memory=Memory(0))
        self.videos = videos

    def get(self, video: Video) -> Bytes:
        return self.videos[video.path][video.start : video.end]


SMALL = "--model r3d_10 --size 16 --clip-len 2 --frame-stride 1 --views 2"
SHORT = "--epochs 2 --warmup-epochs 0.5 --batch-size 4"


def command(*args: object, cache: Path) -> int:
    """Run `finetune` with small settings and a cache of its own; the exit code."""
    words = [str(arg) for arg in args]
    return main(
        [
            *words,
            *SMALL.split(),
            *SHORT.split(),
            "--cache-dir",
            str(cache),
            "--no-progress",
            "--device",
            "cpu",
        ]
    )


def metrics(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return content


def show_help() -> None:
    """What `finetune --help` prints, which ends by an exception."""
    finetune.command(["--help-all"])


SCRATCH = Initial("scratch", "scratch")


def plan_of(recipe: Recipe | None = None, init: Initial = SCRATCH, *, csv: Path | None = None, **columns: Any) -> Plan:
    """The plan of a run on somebody's own videos; with a table, `split` "0" is a fold of it."""
    data = open_data(TargetOptions("folder", Path("."), csv=csv, **columns), Machine())
    split = "0" if "fold_column" in columns else None
    return plan_run(data, recipe or Recipe(), init, split=split, seed=0, allow_missing=False)


def changed(plan: Plan, **changes: Any) -> Plan:
    """The plan with other values, of its own or of its recipe."""
    recipe = {name: value for name, value in changes.items() if hasattr(plan.recipe, name)}
    own = {name: value for name, value in changes.items() if name not in recipe}
    return replace(plan, recipe=replace(plan.recipe, **recipe), **own)
