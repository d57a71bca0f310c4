"""The benchmark's table with ours beside: a row a method, published numbers marked as other people's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.generalise.config import METHODS
from fractalvid.finetune.generalise.folder import Accuracies, Finished
from fractalvid.finetune.report.markup import Table, as_markdown
from fractalvid.finetune.report.statistics import spread
from fractalvid.utils.documents import read_toml

NAMES = {"rada": "simplified RADA"}
"""What methods are called in tables, where not by their names."""
_FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class PublishedTable:
    """What others have published of a study: rows of method, top-1 and top-5."""

    title: str
    rows: list[tuple[str, float, float]]


def published(study: str) -> PublishedTable:
    """The table of a study, gifs or ava."""
    return read_toml(_FILE, dict[str, PublishedTable], what="the published numbers")[study]


def table(runs: Sequence[Finished]) -> str:
    """Markdown: each method's means over its runs, with their deviation, and what is published of the study.

    Args:
        runs: alike but for method and seed; at least one.
    """
    study = None if runs[0].study is None else published(runs[0].study)
    theirs = {} if study is None else {name: f"{top1:.2f} / {top5:.2f}" for name, top1, top5 in study.rows}
    head = ["method", "runs", "target top-1", "top-5", "mean class", "source top-1"]
    lines = [[*_row(method, runs), *([theirs.pop(method, "")] if study else [])] for method in METHODS]
    lines = [line for line in lines if line[1] != "0" or (study and line[-1])]
    if study is not None:
        head.append("published (I3D), top-1 / top-5")
        lines += [[name, "", "", "", "", "", value] for name, value in theirs.items()]
    text = [as_markdown(Table("", tuple(head), tuple(map(tuple, lines))))]
    if study is not None:
        text += ["", f"Published: {study.title}, of other people, with other networks, clips and base training."]
    return "\n".join(text)


def _row(method: str, runs: Sequence[Finished]) -> list[str]:
    own = [run for run in runs if run.method == method]
    cells = [NAMES.get(method, method), str(len(own))]
    if not own:
        return [*cells, "", "", "", ""]
    target = [run.target_scores for run in own]
    source = [run.source_scores for run in own if run.source_scores is not None]
    cells += [str(spread([getattr(one, name) for one in target])) for name in ("top1", "top5", "mean_class")]
    return [*cells, str(spread([one.top1 for one in source])) if source else ""]


def describe(scores: Accuracies) -> str:
    """As "top-1 12.0 %, top-5 40.0 % of 240 clips"."""
    return f"top-1 {scores.top1:.1f} %, top-5 {scores.top5:.1f} % of {scores.videos} clips"
