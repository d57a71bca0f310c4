"""The commands that are disturbed: each tiny, each with what has to be equal in the end."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.finetune.cache.reader import CacheRow
from tests.faults.child import Setting
from tests.faults.disk import Point

Compared = dict[str, object]
"""What has to be equal: by the names of files, or of rows."""


@dataclass(frozen=True)
class Scenario:
    """A command.

    Attributes:
        name: for people.
        words: the arguments of `fractalvid`; it runs in a folder of its own, in which `videos` may be read.
        outcome: the folder with what it leaves, relative to that.
        compare: what has to be equal, of that folder.
        settings: what is changed, such as how often rows are written: a short run is to have many moments.
        begun: a file by which a run is known to have begun, so that the same command goes on by `--resume`.
        before: commands that have to be done before.
        points: named moments, at which a kill is most likely to be felt.
        power: whether one process does all that a loss of power could take.
    """

    name: str
    words: tuple[str, ...]
    outcome: str
    compare: Callable[[Path], Compared]
    settings: tuple[Setting, ...] = ()
    begun: str | None = None
    before: tuple[tuple[str, ...], ...] = ()
    points: tuple[Point, ...] = ()
    power: bool = True

    def words_in(self, folder: Path) -> tuple[str, ...]:
        """The command that begins in a folder, or goes on with what lies there; FOLDER in it becomes its path."""
        going_on = self.begun is not None and (folder / self.begun).exists()
        words = (*self.words, "--resume") if going_on else self.words
        return tuple(word.replace("FOLDER", str(folder)) for word in words)


def files(folder: Path) -> Compared:
    """Every file, byte for byte; of locks only that nobody holds them matters."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (".lock", "lock"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def decoded(folder: Path) -> Compared:
    """As `files`, but in whichever order videos stand: one that could not be written stands behind later ones."""
    ordered = ("rows.jsonl", "frames.bin")
    found = {name: digest for name, digest in files(folder).items() if Path(name).name not in ordered}
    for rows in sorted(folder.rglob("rows.jsonl")):
        frames = rows.with_name("frames.bin").read_bytes()
        for row in map(CacheRow.parse, rows.read_bytes().splitlines()):
            shown = hashlib.sha256(frames[row.offset : row.offset + row.count]).hexdigest()
            found[f"{rows.parent.name}/{row.path}"] = f"{shown} {row.frames} {row.height} {row.width}"
    return found


_TIMES = {"seconds", "clips_per_s", "data_wait", "forward", "backward", "versions"}


def trained(folder: Path) -> Compared:
    """Weights and predictions byte for byte; records and logs but for the time that things took; names of all files."""
    found: Compared = {"names": sorted(path.name for path in folder.iterdir())}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".npz", ".csv"):
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix in (".json", ".jsonl"):
            found[path.name] = [_untimed(json.loads(text)) for text in _documents(path)]
    return found


def _documents(path: Path) -> list[str]:
    text = path.read_text()
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def _untimed(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _untimed(value) for name, value in tree.items() if name not in _TIMES}
    return tree


_SET = ("generate", "--classes", "3", "--seed", "3", "--clips", "3", "--size", "32", "--points", "20000")
_OFTEN: tuple[Setting, ...] = (("fractalvid.sets.generation:FLUSH_ROWS", 2), ("fractalvid.sets.generation:CHUNK", 1))
_NETWORK = ("--size", "16", "--clip-len", "2", "--device", "cpu", "--no-progress", "--threads", "1")
_FOLDER = ("--target", "folder", "--data", "../videos", "--cache-dir", "cache", "--threads", "1")

SETS = (
    Scenario(
        "generate",
        (*_SET, "--masks", "--workers", "2", "--out", "new/deep/set"),
        "new",
        files,
        _OFTEN,
        points=(
            Point("replace", "*/clips/*.mp4", 3, after=True),  # between a file and its row
            Point("fsync", "*/manifest.csv", 2),  # rows written, not on the disk
            Point("replace", "*/dataset.json"),  # before there is a card
            Point("replace", "*/manifest.csv", 1, after=True),  # between name and folder
        ),
    ),
    Scenario(
        "generate, shards",
        (*_SET, "--format", "webdataset", "--shard-size", "4", "--workers", "1", "--out", "set"),
        "set",
        files,
        _OFTEN,
        points=(Point("fsync", "*/shards/*"), Point("fsync", "*/manifest.csv", 2, after=True)),
    ),
    Scenario(
        "generate, processes",
        (*_SET, "--workers", "2", "--out", "set"),
        "set",
        files,
        (*_OFTEN, ("fractalvid.sets.workers:CLIPS_FOR_PROCESSES", 1)),
        power=False,
    ),
    Scenario(
        "generate, behind an address",
        (*_SET, "--workers", "1", "--out", "file://FOLDER/there"),
        "there",
        files,
        _OFTEN,
        power=False,
    ),
    Scenario(
        "merge",
        ("merge", "set"),
        "set",
        files,
        before=tuple((*_SET, "--workers", "1", "--out", "set", "--shard", f"{n}/2") for n in (1, 2)),
        points=(
            Point("replace", "set/dataset.json"),  # nothing but what the card's writing leaves
            Point("replace", "set/clips/*", 4, after=True),  # some files moved
            Point("rename", "set/.merged"),  # the set's manifest is written, and the parts are there
            Point("rename", "set/.merged", after=True),  # all done, but for what is removed
            Point("unlink", "*", 3, after=True),  # some of the parts removed
        ),
    ),
)
PREPARE = Scenario(
    "prepare",
    ("finetune", "prepare", *_FOLDER, "--cache", "16", "--max-broken", "0", "--no-progress"),
    "cache",
    decoded,
    (("fractalvid.finetune.cache.writer:_COMMIT_SECONDS", 0.0),),
    points=(Point("fsync", "*/frames.bin", 2, after=True), Point("fsync", "*/rows.jsonl", 2)),
)
PRETRAIN = Scenario(
    "pretrain",
    (
        *("pretrain", "--arch", "rmc3_10", "--classes", "2", "--batch-size", "4", "--frame-stride", "2"),
        *("--points", "500", "--val-clips", "2", "--val-every", "2", *_NETWORK, "--no-tensorboard"),
        *("--checkpoint-every", "2", "--log-every", "1", "--steps", "5", "--out", "run"),
    ),
    "run",
    trained,
    begun="run/config.json",
    points=(
        Point("replace", "run/checkpoint.pt", 1),  # a whole temporary file
        Point("replace", "run/checkpoint.pt", 2, after=True),
        Point("replace", "run/weights.json", after=True),  # a card without weights
        Point("replace", "run/weights.safetensors", after=True),  # all but the process's end
    ),
)
FINETUNE = Scenario(
    "finetune",
    (
        *("finetune", *_FOLDER, "--model", "rmc3_10", "--frame-stride", "1", "--views", "2", "--epochs", "2"),
        *("--warmup-epochs", "0.5", "--batch-size", "4", *_NETWORK[:-2], "--out", "run"),
    ),
    "run",
    trained,
    (("fractalvid.finetune.run.train:CHECKPOINT_STEPS", 1),),
    begun="run/config.json",
    points=(
        Point("replace", "run/checkpoint.pt", 1, after=True),
        Point("replace", "run/predictions.csv", after=True),
        Point("replace", "run/metrics.json", after=True),  # finished, but not tidied
        Point("unlink", "run/checkpoint.pt", after=True),
    ),
)
SCENARIOS = (*SETS, PREPARE, PRETRAIN, FINETUNE)
