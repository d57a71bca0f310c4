"""What a probe keeps between calls: features of a network on a set of clips, and what was classified of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from fractalvid.finetune.probe.features import STATISTICS, Features
from fractalvid.finetune.videos.listing import Listing
from fractalvid.pretrain.models import head_name, stage_names
from fractalvid.utils.digests import digest_of
from fractalvid.utils.documents import Table, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text, write_with
from fractalvid.utils.npz import NpzError, open_npz
from fractalvid.video.index import stamp_of

VERSION = 1
"""Rises when features or rows come to mean something else."""
_MOST = 2**33
"""Bytes of the features of one stage."""


def network_digest(network: nn.Module, arch: str) -> str:
    """BLAKE2b of all parameters and statistics of a network below its head, which has nothing to do with features."""
    digest, head = hashlib.blake2b(arch.encode(), digest_size=16), f"{head_name(arch)}."
    for name, values in network.state_dict().items():
        if not name.startswith(head):
            digest.update(name.encode() + b"\n" + values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def clips_digest(root: Path, listing: Listing, settings: Mapping[str, Any]) -> str:
    """BLAKE2b of which clips features are taken of: files as they are now, cuts, sides, and how clips are made.

    Labels and sources are left out: no feature depends on them.
    """
    files = {video.path: list(stamp_of(root / video.path)) for video in listing.videos}
    cuts = [(video.path, video.start, video.end, video.side) for video in listing.videos]
    return digest_of([VERSION, files, cuts, dict(settings)])


def load_features(path: Path, arch: str) -> Features | None:
    """The features that lie there; None where there are none, or damaged ones."""
    try:
        with open_npz(path) as opened:
            return {
                (statistics, stage): opened.read(f"{statistics}.{stage}", most=_MOST)
                for statistics in STATISTICS
                for stage in stage_names(arch)
            }
    except (NpzError, OSError):
        return None


def save_features(path: Path, features: Features) -> None:
    """Keep features. Raises `UserError` where that cannot be done."""
    arrays = {f"{statistics}.{stage}": values for (statistics, stage), values in features.items()}
    write_with(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # savez has an option allow_pickle


def load_rows(path: Path) -> list[dict[str, Any]] | None:
    """The rows that lie there; None where there are none, or damaged ones."""
    try:
        rows = read_json(path, Table, what="the rows of a probe").get("rows")
    except UserError:
        return None
    return rows if isinstance(rows, list) else None


def save_rows(path: Path, rows: Sequence[Any]) -> None:
    """Keep rows, which are dataclasses. Raises `UserError` where that cannot be done."""
    write_text(path, json.dumps({"rows": [asdict(row) for row in rows]}))
