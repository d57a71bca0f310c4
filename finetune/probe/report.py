"""What a probe leaves: a table for the terminal, a picture, and all rows as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from fractalvid.finetune.probe.features import STATISTICS
from fractalvid.finetune.probe.linear import CLASSIFIERS, SCALINGS
from fractalvid.finetune.probe.run import RANDOM, Probe, Row
from fractalvid.finetune.report.statistics import Spread, spread
from fractalvid.finetune.targets.base import SIDES
from fractalvid.pages.charts import look, new_figure, plain, save
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, make_folder, write_text, write_with
from fractalvid.utils.messages.phrases import counted

FILES = ("probe.json", "probe.png")
COLUMNS = 80
_LABEL, _CELL = 17, 11
_MOST_STAGES = 5
"""Stages that a line has room for; of networks with more the last ones, since those are transferred."""
_NAMES = {"kept": "statistics kept", "settled": "statistics settled", "raw": "raw", "standard": "standardised"}

Cell = tuple[str, str, str]
"""Statistics, scaling and classifier."""


def check_out(out: Path) -> None:
    """Raise `UserError` unless `out` is a folder to be made, an empty one, or that of a probe, which is replaced."""
    check_can_make(out)
    if out.is_dir() and not is_empty(out) and not (out / FILES[0]).is_file():
        raise UserError(f"--out {out} holds something else than a probe; choose another folder")


def chosen(rows: Sequence[Row]) -> list[Row]:
    """Of each network the row with the best accuracy on held-out training videos, the first of equals."""
    best = dict[tuple[str, int], Row]()
    for row in rows:
        key = (row.network, row.number)
        if key not in best or row.cv_top1 > best[key].cv_top1:
            best[key] = row
    return list(best.values())


def labels_of(rows: Iterable[Row]) -> list[str]:
    """The networks by their labels, the random ones last."""
    labels = dict.fromkeys(row.network for row in rows)
    return [*(label for label in labels if label != RANDOM), RANDOM]


def table(probe: Probe, rows: Sequence[Row]) -> str:
    """Top-1 on the test side by stage, in at most `COLUMNS` columns: of several networks means ± deviations."""
    stages = list(dict.fromkeys(row.stage for row in rows))[-_MOST_STAGES:]
    lines = [*_headlines(probe, rows), ""]
    for cell in product(STATISTICS, SCALINGS, CLASSIFIERS):
        values = [row for row in rows if (row.statistics, row.scaling, row.classifier) == cell]
        lines += [_head(f"{_NAMES[cell[0]]}, {_NAMES[cell[1]]} features, {cell[2]}: top-1 (%)"), _line("", stages)]
        lines += _lines(values, stages, "test_top1")
    for statistics in STATISTICS:
        first = (statistics, SCALINGS[0], next(iter(CLASSIFIERS)))
        values = [row for row in rows if (row.statistics, row.scaling, row.classifier) == first]
        dims = [f"of {row.dim}" for stage in stages for row in values if row.stage == stage][:: _count(values, stages)]
        lines += [_head(f"{_NAMES[statistics]}: effective rank of the features"), _line("", stages), _line("", dims)]
        lines += _lines(values, stages, "rank")
    return "\n".join(lines)


def _count(rows: Sequence[Row], stages: Sequence[str]) -> int:
    return max(1, len([row for row in rows if row.stage == stages[0]]))


def _headlines(probe: Probe, rows: Sequence[Row]) -> list[str]:
    """The data, and of each network what cross-validation chose, with its accuracy on the test side."""
    listing, best = probe.listing, chosen(rows)
    train, test = (counted(len(listing.side(side)), f"{side} video") for side in SIDES)
    split = f", split {probe.split}" if probe.split else ""
    lines = [f"{probe.data.target.name}{split}: {train}, {test}, chance {100 / len(listing.classes):.1f} %"]
    lines += ["Strength, and in the next lines everything, chosen on held-out training sources:"]
    for label in labels_of(best):
        own = [row for row in best if row.network == label]
        for row in own if label != RANDOM else ():
            how = f"{row.stage}, {row.statistics}, {_NAMES[row.scaling]}, {row.classifier}"
            lines.append(f"{_cut(label)} {row.test_top1:5.1f} %        {how}")
        if len(own) > 1:
            both = _both([row.test_top1 for row in own])
            lines.append(f"{_cut(label)} {both} %  mean ± deviation of {len(own)} networks")
    return lines


def _both(values: Sequence[float]) -> str:
    got = spread(values)
    return f"{got.mean:5.1f} ± {got.deviation or 0:.1f}"


def _head(text: str) -> str:
    return f"\n{text[:COLUMNS]}"


def _lines(rows: Sequence[Row], stages: Sequence[str], name: str) -> list[str]:
    """A line a label: of several networks, as of the random ones, their mean."""
    made = []
    for label in labels_of(rows):
        cells = [spread([getattr(r, name) for r in rows if (r.network, r.stage) == (label, stage)]) for stage in stages]
        made.append(_line(label, list(map(str, cells))))
    return made


def _line(label: str, cells: Sequence[str]) -> str:
    return f"{_cut(label)}{''.join(f'{cell:>{_CELL + 1}}' for cell in cells)}".rstrip()


def _cut(label: str) -> str:
    return f"{label if len(label) <= _LABEL else f'{label[: _LABEL - 1]}…':<{_LABEL}}"


def to_json(probe: Probe, rows: Sequence[Row]) -> dict[str, Any]:
    """All of it as plain data: settings, networks, what was chosen, raw rows."""
    listing = probe.listing
    return {
        "target": probe.data.target.name,
        "data": str(probe.data.root.resolve()),
        "split": probe.split,
        "videos": {side: len(listing.side(side)) for side in SIDES} | {"missing": len(listing.missing)},
        "classes": list(listing.classes),
        "training_sources": len({probe.data.target.group(v.path) or v.path for v in listing.side("train")}),
        "config": asdict(probe.config),
        "networks": [
            {"label": n.label, "number": n.number, "init": vars(n.init), "views": asdict(n.recipe.view_config())}
            for n in probe.networks
        ],
        "chosen": [asdict(row) for row in chosen(rows)],
        "rows": [asdict(row) for row in rows],
    }


def draw(path: Path, rows: Sequence[Row], title: str, chance: float) -> None:
    """Write a PNG: top-1 against the stage, a panel for each statistics and scaling; several networks as a band."""
    stages = list(dict.fromkeys(row.stage for row in rows))
    with look({}):
        figure = new_figure(10, 7.2)
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, (statistics, scaling) in zip(panels.flat, product(STATISTICS, SCALINGS), strict=True):
            cell = [row for row in rows if (row.statistics, row.scaling) == (statistics, scaling)]
            for number, label in enumerate(labels_of(rows)):
                for classifier, style in zip(CLASSIFIERS, ("-", "--"), strict=True):
                    got = [_of(cell, label, stage, classifier) for stage in stages]
                    mean, colour = [one.mean for one in got], "grey" if label == RANDOM else f"C{number}"
                    axes.plot(stages, mean, style, marker="o", color=colour, label=plain(f"{label}, {classifier}"))
                    if got[0].n > 1:
                        ends = [[one.mean + sign * (one.deviation or 0) for one in got] for sign in (-1, 1)]
                        axes.fill_between(stages, *ends, color=colour, alpha=0.2, linewidth=0)
            axes.axhline(chance, color="grey", linestyle=":", linewidth=1)
            axes.set_title(f"{_NAMES[statistics]}, {_NAMES[scaling]} features", fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0, 0].set_ylabel("top-1 (%)")
        panels[1, 0].set_ylabel("top-1 (%)")
        panels[0, 0].legend(fontsize=8, frameon=False)
        figure.suptitle(plain(title))
        write_with(path, lambda file: save(figure, file, format="png", dpi=130))


def _of(rows: Sequence[Row], label: str, stage: str, classifier: str) -> Spread:
    wanted = (label, stage, classifier)
    return spread([row.test_top1 for row in rows if (row.network, row.stage, row.classifier) == wanted])


def write_probe(out: Path, probe: Probe, rows: Sequence[Row]) -> str:
    """Write probe.json and probe.png into `out`; return the table. Raises `UserError` where that cannot be done."""
    make_folder(out)
    classes = len(probe.listing.classes)
    draw(out / FILES[1], rows, f"Linear probes on {probe.data.target.name}", 100 / classes)
    write_text(out / FILES[0], json.dumps(to_json(probe, rows), indent=2) + "\n")
    return table(probe, rows)
