"""Published rows of targets as Markdown, other people's marked as such, with one's own runs beside."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from fractalvid.finetune.report.markup import Table, as_markdown
from fractalvid.finetune.report.published import (
    PublishedNumber,
    published_beside,
    published_bias,
    published_numbers,
    published_remarks,
)
from fractalvid.finetune.results.comparable import EQUAL
from fractalvid.finetune.results.read import MODES, RunResult, mean_over_splits
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import did_you_mean
from fractalvid.utils.messages.phrases import counted

_ABOUT = (
    "Accuracies in percent. Rows marked * are other people's: none was measured with this program, and networks, "
    "resolution, budgets and pre-training data differ, as the sources say."
)
_HEAD = ("pre-training", "network", "mode", "top-1", "top-5", "source")


def published_targets() -> list[str]:
    """The targets that there are rows of, in the order of the file."""
    return list(dict.fromkeys(number.target for number in published_numbers()))


def published_page(targets: Sequence[str] = (), runs: Sequence[RunResult] = ()) -> str:
    """Markdown: a table a target (all of them where none is named), one's own runs first.

    Raises:
        UserError: there is nothing of a target, neither published nor among the runs.
    """
    known = list(dict.fromkeys([*(str(run.metrics["target"]) for run in runs), *published_targets()]))
    for target in targets:
        if target not in known:
            raise UserError(f"nothing is published here of {target!r}{did_you_mean(target, known)}")
    wanted = targets or (list(dict.fromkeys(str(run.metrics["target"]) for run in runs)) or known)
    parts = ["# Published rows", _ABOUT, *(part for target in wanted for part in _section(target, runs))]
    remarks = [f"- {name}: {text}." for name, text in published_remarks()]
    return "\n\n".join([*parts, "## Also published", "\n".join(remarks)]) + "\n"


def _section(target: str, runs: Sequence[RunResult]) -> Iterator[str]:
    own = [run for run in runs if run.metrics["target"] == target]
    others = [number for number in published_numbers() if number.target == target]
    yield f"## {target}"
    yield as_markdown(Table("", _HEAD, (*_own_rows(own), *map(_row, others))))
    refused = dict.fromkeys(why for run in own for _, why in [published_beside(run)] if why)
    if refused:
        yield "\n".join(f"Not to be compared: {why.removeprefix('None: ')}" for why in refused)
    biases = published_bias(target)
    if biases:
        yield "\n".join(
            f"Representation bias *: {bits:.2f} bits, {top1:.2f} % ({name})." for top1, bits, name in biases
        )
    sources = dict.fromkeys((number.source, number.conditions) for number in others)
    if sources:
        yield "\n".join(f"- {source} *: {conditions}" for source, conditions in sources)


def _row(number: PublishedNumber) -> tuple[str, ...]:
    top5 = "" if number.top5 is None else f"{number.top5:.2f}"
    return f"{number.pretraining} *", number.network, number.mode, f"{number.top1:.2f}", top5, number.source


def _own_rows(runs: Sequence[RunResult]) -> Iterator[tuple[str, ...]]:
    """Means of each initialisation, network and mode over splits and seeds; what was trained otherwise has its own."""
    modes = [*MODES, *sorted({run.mode for run in runs} - set(MODES))]
    rows = defaultdict[tuple[str, str, str], dict[str, list[RunResult]]](lambda: defaultdict(list))
    for run in runs:
        apart = json.dumps(_apart(run), sort_keys=True)
        rows[run.mode, run.label, str(run.metrics.get("model") or "")][apart].append(run)
    for (mode, label, model), groups in sorted(rows.items(), key=lambda row: modes.index(row[0][0])):
        told = [_apart(some[0]) for some in groups.values()]
        for some, own in zip(groups.values(), told, strict=True):
            top1, top5 = (mean_over_splits(some, name) for name in ("top1", "top5"))
            others = [name for name in own if own[name] is not None and any(one.get(name) != own[name] for one in told)]
            settings = "".join(f", {name.replace('_', ' ')} {own[name]}" for name in others)
            yield label, model, mode, f"{top1:.2f}", f"{top5:.2f}", f"here: {counted(len(some), 'run')}{settings}"


def _apart(run: RunResult) -> dict[str, Any]:
    """Settings of a run whose accuracies are averaged with no others, flat; splits too, if they are no repetitions."""
    repeated = run.split.isdecimal() or run.metrics["target"] == "folder"  # 1, 2, 3 divide the same videos anew
    told = {name: run.metrics.get(name) for name in EQUAL if name not in ("target", "mode", "model")}
    clip = told.pop("clip") or {}
    return {**told, **clip, "split": None if repeated else run.split}
