"""The table of what is fuzzed: every reader of what others may have written, with inputs that are as they should be."""

import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from fractalvid.finetune.cache.reader import FRAMES, INFO, ROWS, CacheKind, DecodedCache, kinds_of
from fractalvid.finetune.recipes import RECIPES as TRANSFER_RECIPES
from fractalvid.finetune.recipes import Recipe
from fractalvid.finetune.results.read import read_run
from fractalvid.finetune.targets import (
    diving48,
    egtea,
    hmdb51,
    ikeafa,
    kinetics,
    ssv2,
    uavhuman,
    ucf101,
    volleyball,
    yup,
)
from fractalvid.finetune.targets.files.archives import unpack_zip
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.weights.classes import read_class_map
from fractalvid.finetune.weights.trained import open_trained
from fractalvid.fractals.importing import import_classes
from fractalvid.kernels import Jobs, accumulate, growth, orbit
from fractalvid.kinds import load_bank
from fractalvid.pretrain.engine.checkpoint import load_checkpoint
from fractalvid.pretrain.export import readme
from fractalvid.pretrain.recipes.load import load_recipe
from fractalvid.pretrain.run.config import PretrainConfig, kept_config
from fractalvid.pretrain.weights.cards import load_card, load_described, load_tensors
from fractalvid.pretrain.weights.state_dicts import read_state_dicts
from fractalvid.sets.card import read_card
from fractalvid.sets.reader import SetReader
from fractalvid.utils.errors import UserError
from fractalvid.video.reader import probe_video, read_frames
from tests.fuzz import seeds
from tests.fuzz.seeds import Seeds, as_json

MAX_PIXELS = 2**18
"""Of frames of fuzzed videos: their memory is to show what is not bounded."""


@dataclass(frozen=True)
class Target:
    """Something that reads what others may have written.

    Attributes:
        name: what is read.
        seeds: inputs that are as they should be.
        run: reads an input, in an empty folder of its own.
        allowed: the errors that it may raise.
    """

    name: str
    seeds: Seeds
    run: Callable[[bytes, Path], object]
    allowed: tuple[type[Exception], ...] = (UserError,)


def _file(name: str, read: Callable[[Path], object], *, sums: bool = True) -> Callable[[bytes, Path], object]:
    """Reads an input as the file of that name; without check sums, a zip's changes reach what lies behind them."""

    def run(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        if sums:
            return read(folder / name)
        with mock.patch.object(zipfile.ZipExtFile, "_update_crc", lambda *_: None):
            return read(folder / name)

    return run


def _all_of(*reads: Callable[[Path], object]) -> Callable[[Path], object]:
    """Reads a file in several ways, of which each may refuse it in one line; the last answers."""

    def read(path: Path) -> object:
        for one in reads[:-1]:
            with suppress(UserError):
                one(path)
        return reads[-1](path)

    return read


def _bank(path: Path) -> object:
    bank = load_bank(path)
    assert len(bank) >= 1
    return bank


def _unpack(path: Path) -> object:
    return unpack_zip(path, path.parent / "into")


def _video(path: Path) -> object:
    facts = probe_video(path, max_pixels=MAX_PIXELS)
    numbers = np.array([0, min(facts.frames, 100) - 1])
    return read_frames(path, numbers, short_side=16, max_pixels=MAX_PIXELS)


def _set(manifest: bytes, folder: Path) -> object:
    """A set with that manifest, of which all clips are read."""
    (folder / "dataset.json").write_bytes(seeds.set_cards()[0])
    (folder / "manifest.csv").write_bytes(manifest)
    (folder / "0").mkdir()
    (folder / "0" / "a.npz").write_bytes(bytes(400))
    (folder / "a.tar").write_bytes(bytes(2000))
    reader = SetReader(folder)
    for row in reader.rows:
        for read in (reader.frames, reader.mask):
            with suppress(UserError):
                read(row)
    reader.check_rows()
    return reader


def _config(path: Path) -> object:
    return kept_config(path.parent)


def _card(path: Path) -> object:
    path.with_suffix(".safetensors").write_bytes(seeds.safetensors_files()[0])
    weights = path.with_suffix(".safetensors")
    readers = (lambda _: readme(load_card(path)), lambda _: open_trained(weights), lambda _: load_described(weights))
    return _all_of(*readers, load_card)(path)


def _rows(path: Path) -> object:
    (path.parent / FRAMES).write_bytes(bytes(1000))
    (path.parent / "a.mp4").write_bytes(b"a")
    cache = DecodedCache(path.parent, CacheKind(10), path.parent)
    return [cache.frames(name) for name in cache.rows]


def _cache(data: bytes, folder: Path) -> object:
    there = CacheKind(10).folder(folder, folder)
    there.mkdir(parents=True)
    (there / INFO).write_bytes(data)
    return list(kinds_of(folder, folder))


def _table(path: Path) -> object:
    return [
        Folder(table=path).index(path.parent, "default"),
        Folder(table=path, fold_column="fold").index(path.parent, "0"),
    ]


def _recipe(base: Any) -> Callable[[Path], object]:
    return lambda path: load_recipe(str(path), base)


_JOB = struct.Struct("<12f2f2fi9f8fqi")
"""Two maps of six, weights, amounts, a variation, a projection, starts and colours, a seed, points."""
KNOWN = (0, 2)
"""Variations that are compiled for it; compiling another takes seconds."""


def _jobs() -> list[bytes]:
    maps = (0.5, 0, 0.1, 0, 0.5, 0, 0.5, 0, -0.1, 0, 0.5, 0.2)
    view, more = (8, 0, 8, 0, 8, 8, 0, 0, 1), (0.1, 0.2, 0.3, 0.4, 0, 1, 0.5, 0.25)
    # At amount 1 a variation is fused with its map, at others it is summed: both are compiled.
    return [
        _JOB.pack(*maps, 0.5, 0.5, 1, amount, number, *view, *more, 7, 1000) for number in KNOWN for amount in (1, 0.5)
    ]


def _kernels(data: bytes, folder: Path) -> object:
    """Every kernel on jobs of numbers that may be anything."""
    values = _JOB.unpack(data[: _JOB.size].ljust(_JOB.size, b"\0"))
    maps, weights, amount, number = values[:12], values[12:14], values[14:16], values[16]
    view, more = values[17:26], values[26:34]
    variation = number if abs(number) > 99 else KNOWN[number % len(KNOWN)]
    jobs = Jobs.of(
        np.reshape(maps, (1, 2, 6)),
        np.reshape(weights, (1, 2)),
        seed=values[34],
        variation=np.full((1, 2, 1), variation),
        amount=np.reshape(amount, (1, 2, 1)),
        projection=np.reshape(view, (1, 3, 3)),
        start=np.reshape(more[:4], (1, 2, 2)),
        colour=np.reshape(more[4:6], (1, 2)),
    )
    points = values[35] if values[35] < 1 else min(values[35], 5000)
    drawn = accumulate(jobs, size=16, points=points, threads=1)
    assert int(drawn.counts.sum()) + int(drawn.outside[0]) + int(drawn.discarded[0]) == points
    return orbit(jobs, 64, threads=1), growth(jobs, 8, threads=1)


def _lists() -> list[Target]:
    """Lists, tables and labels of benchmarks."""
    lines = b"a/v_a_g01_c01.avi 1\na/v_a_g01_c02.avi 1\nb/v_b_g02_c01.avi 2\n"
    clips = b"label,youtube_id,time_start,time_end,split\nabseiling,a1,0,10,train\nb c,d2,5,15,train\n"
    cuts = b"video,start,end,label,subject\na,0,10,spin leg,p1\nb,10,20,attach leg,p2\n"
    own = b"path,label,split,fold,source\ntrain/a/0.avi,a,train,0,a0\ntest/b/1.avi,b,test,1,b1\n"
    dives = as_json([{"vid_name": "a", "label": 3}, {"vid_name": "b", "label": 4}])
    words = as_json([["a", str(number), "c", "d"] for number in range(48)])
    things = as_json([{"id": 1, "template": "Holding [something]", "label": "holding a"}, {"id": "2", "label": "b"}])
    readers: dict[str, tuple[list[bytes], Callable[[Path], object]]] = {
        "ucf101": (
            [lines, b"1 a\n2 b\n"],
            _all_of(ucf101.read_classes, lambda path: ucf101.read_list(path, ("a", "b"))),
        ),
        "hmdb51": ([b"a_b.avi 1\nc d.avi 2\n"], hmdb51.read_list),
        "diving48": ([*dives, *words], _all_of(diving48.read_vocabulary, diving48.read_list)),
        "ssv2": ([*things, *as_json({"a": "0", "b": "1"})], _all_of(ssv2.read_labels, ssv2.read_list)),
        "egtea": ([b"a-1-2 3 4\n", b"Read a 1\nCut b 2\n"], _all_of(egtea.read_classes, egtea.read_list)),
        "kinetics": ([clips], lambda path: kinetics.read_table(path, "train")),
        "ikeafa": ([cuts], ikeafa.read_table),
        "volleyball": ([b"10.jpg r_set 1 2 3\n20.jpg l-pass 1\n"], volleyball.read_annotations),
        "yup": ([b"Beach_static_1.mp4 static_train\na b moving_test\n"], yup.read_list),
        "uavhuman": ([b"0, 2, 5\nP7\n"], uavhuman.read_subjects),
        "own table": ([own], _table),
        "class map": ([b"class,weights\na,b\nc,\n"], read_class_map),
    }
    return [Target(f"list {name}", partial(list, data), _file("a.csv", read)) for name, (data, read) in readers.items()]


def _videos() -> list[Target]:
    """Videos and pictures of each container and decoder."""
    made = {
        "a.mp4": seeds.videos("mp4", "libx264"),
        "b.avi": seeds.videos("avi", "mpeg4"),
        "c.avi": seeds.videos("avi", "mjpeg", "yuvj420p"),
        "d.mkv": seeds.videos("mkv", "libx264"),
        "e.webm": seeds.videos("webm", "libvpx"),
        "f.mov": seeds.videos("mov", "qtrle", "rgb24"),
        "g.gif": seeds.pictures("GIF", save_all=True, duration=80),
    }
    return [Target(f"video {name}", data, _file(name, _video)) for name, data in made.items()]


def _picture_folder(data: bytes, folder: Path) -> object:
    """A folder of one picture, as a video."""
    endings = {b"\x89PNG": "png", b"\xff\xd8": "jpg", b"RIFF": "webp"}
    (folder / f"1.{next((name for head, name in endings.items() if data.startswith(head)), 'jpg')}").write_bytes(data)
    return _video(folder)


def _all_pictures() -> list[bytes]:
    return [data for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF") for data in seeds.pictures(kind)()]


METRICS = {"init": {"label": "a"}, "target": "demo", "split": "1", "seed": 0, "mode": "full", "metric": "top1"}
METRICS |= {"classes": 2, "videos": {"train": 1, "test": 1}, "frames": "files", "class_names": ["a", "b"]}
METRICS |= {"top1": 50.0, "top5": 60.0, "mean_class": 50.0}
"""Of a run."""

TARGETS = (
    Target("bank", seeds.banks, _file("a.npz", _bank, sums=False)),
    Target("reference class", seeds.reference_classes, _file("a.npz", lambda path: import_classes([path]), sums=False)),
    Target("manifest", seeds.clip_rows, _set),
    Target("dataset.json", seeds.set_cards, _file("dataset.json", lambda path: read_card(path.parent))),
    Target("recipe of pretrain", seeds.recipes, _file("a.toml", _recipe(PretrainConfig()))),
    Target("recipe of finetune", lambda: seeds.recipes(TRANSFER_RECIPES), _file("a.toml", _recipe(Recipe()))),
    Target("config.json", seeds.pretraining_configs, _file("config.json", _config)),
    Target("metrics.json", lambda: as_json(METRICS), _file("metrics.json", lambda path: read_run(path.parent))),
    *_lists(),
    Target("checkpoint", seeds.checkpoints, _file("checkpoint.pt", load_checkpoint)),
    Target("weights of others", seeds.state_dicts, _file("a.pth", read_state_dicts)),
    Target("safetensors", seeds.safetensors_files, _file("a.safetensors", _all_of(read_state_dicts, load_tensors))),
    Target("index of weights", lambda: as_json({"weight_map": {"a": "b"}}), _file("a.index.json", read_state_dicts)),
    Target("weights card", lambda: as_json(seeds.CARD), _file("weights.json", _card)),
    Target("rows of the cache", seeds.cached_rows, _file(ROWS, _rows)),
    Target("card of the cache", lambda: seeds.cache_cards(Path("a")), _cache),
    Target("archive", seeds.archives, _file("a.zip", _unpack, sums=False)),
    *_videos(),
    Target("pictures", _all_pictures, _picture_folder),
    Target("jobs of kernels", _jobs, _kernels, allowed=(ValueError,)),
)
BY_NAME = {target.name: target for target in TARGETS}
