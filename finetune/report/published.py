"""Numbers that others have published, to stand beside one's own: `published.toml`, with source and conditions."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fractalvid.finetune.results.read import RunResult
from fractalvid.utils.documents import Table, read_toml
from fractalvid.utils.messages.phrases import counted

_FILE = Path(__file__).with_name("published.toml")
_REAL, _SYNTHETIC = "Kinetics", "synthetic humans"
"""What SynAPT compares as pre-training on real and on synthetic video."""


@dataclass(frozen=True)
class PublishedNumber:
    """An accuracy (percent) that is not ours; `top5` where it is said."""

    target: str
    network: str
    mode: str
    pretraining: str
    top1: float
    top5: float | None
    source: str
    conditions: str


@cache
def _read() -> dict[str, Any]:
    return read_toml(_FILE, Table, what="the published numbers")


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """All of them, in the order of the file."""
    numbers = []
    for source in _read()["source"]:
        for target, network, mode, pretraining, top1, *more in source["rows"]:
            top5 = more[0] if more else None
            about = (source["name"], source["conditions"])
            numbers.append(PublishedNumber(target, network, mode, pretraining, top1, top5, *about))
    return tuple(numbers)


def published_bias(target: str) -> list[tuple[float, float, str]]:
    """Accuracy (percent) of frozen frame features on a target, its bits over chance, and the source."""
    return [
        (accuracy, bits, source["name"])
        for source in _read()["bias"]
        for name, accuracy, bits in source["rows"]
        if name == target
    ]


def published_gaps(target: str, mode: str) -> list[tuple[str, float, float, str]]:
    """Network, top-1 by synthetic and by Kinetics pre-training (percent), and the source, where one has both."""
    numbers = [n for n in published_numbers() if (n.target, n.mode) == (target, mode)]
    real = {(n.source, n.network): n.top1 for n in numbers if n.pretraining == _REAL}
    return [
        (n.network, n.top1, real[n.source, n.network], n.source)
        for n in numbers
        if n.pretraining == _SYNTHETIC and (n.source, n.network) in real
    ]


def published_remarks() -> list[tuple[str, str]]:
    """Source and text of what no row can say."""
    return [(remark["name"], remark["text"]) for remark in _read()["remark"]]


def published_beside(run: RunResult) -> tuple[tuple[PublishedNumber, ...], str]:
    """The numbers of a run's benchmark and mode, and why there are none where the run is not the whole benchmark."""
    metrics, target = run.metrics, run.metrics["target"]
    numbers = tuple(n for n in published_numbers() if n.target == target and n.mode == metrics["mode"])
    if not numbers:
        return (), ""
    version = _read()["version"].get(target, {})
    if version and metrics["split"] != version["split"]:
        return (), (
            f"None: what others have published is of {target} {version['split']}, and this is about {metrics['split']}."
        )
    official = version.get("classes", metrics.get("official_classes"))
    tested = metrics.get("tested_classes", metrics["classes"])
    if official is not None and tested < official:
        return (), (
            f"None: what others have published is of all {official} classes of {target}, and this is about {tested} of "
            "them."
        )
    videos = metrics["videos"]
    missing, skipped = videos.get("missing", 0), videos.get("skipped", 0)
    listed = missing + skipped + sum(videos.get(side, 0) for side in ("train", "val", "test"))
    if missing + skipped > 0.05 * listed:
        how = "are missing here or do not decode" if skipped else "are missing here"
        return (), f"None: {missing + skipped} of the {listed} videos of {target} {how}."
    if run.settings.get("held_out") and videos.get("val"):
        return (), (
            f"None: these runs hold {counted(videos['val'], 'training video')} out to choose by, the published ones "
            "learn from all."
        )
    trained = (metrics.get("trained_on") or {}).get("target")
    if trained is not None and _base_target(str(trained)) == _base_target(target):
        return (), f"None: these weights were trained on {trained}, those of the published tests on another target."
    if metrics.get("shots") is not None:
        few = counted(metrics["shots"], "video")
        return (), f"None: these runs learn from {few} a class, the published ones from all."
    if metrics.get("first_frames") is not None:
        only = first_frames(metrics["first_frames"])
        return (), f"None: these runs see only {only} of each video, the published ones all of it."
    return numbers, ""


def _base_target(target: str) -> str:
    """The target that one of some of its classes is of: anigifs-40 is of anigifs."""
    return re.sub(r"-\d+$", "", target)


def first_frames(count: int) -> str:
    """As "the first 8 frames"."""
    return "the first frame" if count == 1 else f"the first {count} frames"
