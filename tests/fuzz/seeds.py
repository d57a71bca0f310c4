"""Small inputs that are as they should be, from which fuzzing begins."""

import dataclasses
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fractalvid.finetune.cache.reader import CacheKind
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.engine.checkpoint import save_checkpoint
from fractalvid.pretrain.recipes.fields import to_json
from fractalvid.pretrain.recipes.load import RECIPES
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.weights.cards import Card
from fractalvid.sets.card import card_of
from fractalvid.sets.config import SetConfig
from fractalvid.sets.manifest import HEADER
from tests.fractalvid.video.made import quarters, write

Seeds = Callable[[], list[bytes]]


def written(write_to: Callable[[Path], object], name: str = "a.bin") -> bytes:
    """What something writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        write_to(Path(folder, name))
        return Path(folder, name).read_bytes()


def as_json(*documents: Any) -> list[bytes]:
    """Documents as they lie on the disk."""
    return [json.dumps(document).encode() for document in documents]


@cache
def banks() -> list[bytes]:
    """Of every sort of kind, and one stored without compression, whose arrays mutations reach."""
    made = [sample_bank(2, kind=kind, seed=1) for kind in ("ifs", "perlin", "octopus", "dead_leaves")]
    packed = [written(bank.save, "a.npz") for bank in made]
    return packed + [_stored(data) for data in packed]


def _stored(data: bytes) -> bytes:
    plain = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as held, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as file:
        for name in held.namelist():
            file.writestr(name, held.read(name))
    return plain.getvalue()


def reference_classes() -> list[bytes]:
    """A class of two maps over 4 frames, as the reference method's code keeps it."""
    eye = np.broadcast_to(np.eye(2), (2, 2, 2, 2))
    arrays: dict[str, Any] = {"interp": np.linspace(0, 1, 8).reshape(4, 2), "angle": np.full((2, 2, 2), 0.5)}
    arrays |= {"sigma": 0.5 * eye, "delta": eye, "bias": np.zeros((2, 2, 2))}
    arrays |= {"is_constant": np.array(False), "var": np.array(0)}
    return [written(lambda path: np.savez(path, **arrays), "a.npz")]


def archives() -> list[bytes]:
    """Zip archives: plain, packed, in folders."""
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", method) as file:
            for name in ("a.txt", "b/c.txt", "b/d/e.txt"):
                file.writestr(name, name * 20)
        made.append(data.getvalue())
    return made


def videos(ending: str, codec: str, pixels: str = "yuv420p") -> Seeds:
    """A video of 6 frames of 32 x 48 pixels."""

    def made() -> list[bytes]:
        return [written(lambda path: write(path, quarters(6, 32, 48), codec=codec, pixels=pixels), f"a.{ending}")]

    return made


def pictures(kind: str, **options: Any) -> Seeds:
    """A picture file, of several pictures where `options` say so."""

    def made() -> list[bytes]:
        data, frames = io.BytesIO(), [Image.fromarray(frame) for frame in quarters(4, 32, 48)]
        more = {"append_images": frames[1:], **options} if options else {}
        frames[0].save(data, kind, **more)
        return [data.getvalue()]

    return made


def checkpoints() -> list[bytes]:
    """One with tensors, numbers and tables."""
    state = {"model": {"a": torch.zeros(2, 3)}, "step": 3, "config": {"seed": 0}, "rng": [1, 2]}
    return [written(lambda path: save_checkpoint(path, state))]


def state_dicts() -> list[bytes]:
    """Weights of others."""
    return [written(lambda path: torch.save({"state_dict": {"a.b": torch.ones(2), "c": torch.zeros(1)}}, path))]


def safetensors_files() -> list[bytes]:
    """A header of two tensors and what it announces."""
    head = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    head["b"] = {"dtype": "I64", "shape": [1, 1], "data_offsets": [8, 16]}
    text = json.dumps(head).encode()
    return [len(text).to_bytes(8, "little") + text + bytes(16)]


CARD: dict[str, Any] = {"format": "fractalvid.weights", "version": 1} | dataclasses.asdict(
    Card("r3d_10", 2, 4, 32, 2.0, (0.4,) * 3, (0.2,) * 3, 0, 1, {"classes": ["a", "b"], "views": 3, "init": None}, {})
)


def set_cards() -> list[bytes]:
    """Of a set of npz files."""
    return as_json(card_of(sample_bank(2, seed=1), SetConfig(format="npz", size=32, clips=2)))


def clip_rows() -> list[bytes]:
    """A manifest of two clips in files and one in a shard."""
    rows = "0/a.npz,0,0,8,300,ab12,0,0,\n0/a.npz,0,1,8,300,ab12,0,10,cd\na.tar,1,1,8,300,ab,512,0,\n"
    return [(HEADER + rows).encode()]


def pretraining_configs() -> list[bytes]:
    """As runs keep theirs."""
    return as_json({"program": "pretrain", "config": to_json(PretrainConfig())})


def recipes(folder: Path = RECIPES) -> list[bytes]:
    """Those that come with the program."""
    return [path.read_bytes() for path in sorted(folder.rglob("*.toml"))]


def cached_rows() -> list[bytes]:
    """Of two videos."""
    return [b'["a.mp4", 1, 2, 0, 300, 1, 10, 10]\n["b.mp4", 1, 2, 300, 300, 1, 10, 10]\n']


def cache_cards(root: Path) -> list[bytes]:
    """What a decoded cache says of itself."""
    return as_json(CacheKind(10).info(root))
