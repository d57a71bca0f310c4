"""What a sweep leaves: all rows as JSON, a table that says which was best and how it was chosen, and a picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fractalvid.finetune.grids import shown
from fractalvid.finetune.report.markup import Table, as_markdown, or_none
from fractalvid.finetune.results.read import ACCURACIES
from fractalvid.finetune.sweep.plan import Cell, Sweep
from fractalvid.finetune.sweep.rows import FILES, WHAT, Row, best_row, cells_tested, metric_of, read_rows
from fractalvid.pages.charts import look, new_figure, plain, save
from fractalvid.pretrain.recipes import to_json
from fractalvid.utils.files import write_text, write_with
from fractalvid.utils.messages.phrases import counted


def write_sweep(sweep: Sweep, cells: Sequence[Cell]) -> str:
    """Write sweep.json, .md and .png, with as many rows as there are; returns the Markdown.

    Raises:
        UserError: the folder of a run is damaged.
    """
    rows, metric = read_rows(sweep, cells), metric_of(sweep)
    best = best_row(rows, metric)
    text = _markdown(sweep, rows, best)
    write_text(sweep.out / FILES[0], json.dumps(_content(sweep, cells, rows, best), indent=2) + "\n")
    write_text(sweep.out / FILES[1], text)
    if best is not None:
        _draw(sweep.out / FILES[2], sweep, rows, best)
    return text


def _content(sweep: Sweep, cells: Sequence[Cell], rows: Sequence[Row], best: Row | None) -> dict[str, Any]:
    metric, plan = metric_of(sweep), cells[0].runs[0].plan
    return {
        "what": WHAT,
        "target": plan.target,
        "split": plan.split,
        "init": asdict(sweep.init),
        "seeds": list(sweep.seeds),
        "axes": {name: list(values) for name, values in sweep.grid.axes.items()},
        "absolute_lr": sweep.grid.absolute_lr,
        "recipe": to_json(sweep.recipe),
        "chosen_by": {"metric": metric, "side": "val", "held_out": plan.to_dict()["held_out"]},
        "best": None if best is None else {"row": best.number, "values": best.values, "test": _spreads(best, "test")},
        "settings_tested": cells_tested(sweep),
        "rows": [_row(row) for row in rows],
    }


def _row(row: Row) -> dict[str, Any]:
    runs = [{"seed": seed, **{name: one[name] for name in ACCURACIES}} for seed, one in row.found.items()]
    return {
        "values": row.values,
        "status": row.status,
        "reason": row.reason or None,
        "validation": _spreads(row, "validation"),
        "test": _spreads(row, "test"),
        "runs": runs,
    }


def _spreads(row: Row, side: str) -> dict[str, Any] | None:
    values = {name: getattr(row, side)(name) for name in ACCURACIES}
    return None if None in values.values() else {name: asdict(value) for name, value in values.items()}


def _markdown(sweep: Sweep, rows: Sequence[Row], best: Row | None) -> str:
    name = ACCURACIES[metric_of(sweep)]
    title = f"# Sweep on {sweep.data.target.name} from {sweep.init.label}"
    return "\n\n".join([title, *_verdict(sweep, rows, best), as_markdown(_table(sweep, rows, best, name))]) + "\n"


def _table(sweep: Sweep, rows: Sequence[Row], best: Row | None, name: str) -> Table:
    metric, axes = metric_of(sweep), list(sweep.grid.axes)
    head = (*axes, f"validation {name} (%)", f"test {name} (%)", "")
    body = []
    for row in rows:
        note = "best" if best is not None and row.number == best.number else ""
        note = row.reason if row.status == "failed" else note if row.status == "finished" else "to come"
        values = [shown(row.values[axis]) for axis in axes]
        body.append((*values, or_none(row.validation(metric)), or_none(row.test(metric)), note))
    return Table("Cells", head, tuple(body))


def _verdict(sweep: Sweep, rows: Sequence[Row], best: Row | None) -> list[str]:
    """What was best, how it was chosen, and how often test videos were looked at."""
    done = sum(row.status == "finished" for row in rows)
    failed = sum(row.status == "failed" for row in rows)
    state = f"{done} of {counted(len(rows), 'cell')} finished" + (f", {failed} failed" if failed else "")
    if best is None:
        return [f"{state}."]
    metric = metric_of(sweep)
    name = ACCURACIES[metric]
    values = ", ".join(f"{axis} {shown(value)}" for axis, value in best.values.items())
    seeds = f", mean of {counted(len(sweep.seeds), 'seed')}" if len(sweep.seeds) > 1 else ""
    lines = [
        f"{state}. **Best of {done}: {values}**, with {name} {best.validation(metric)} % on validation videos{seeds}: "
        f"a best of {done} is high by choice, and no estimate of what it will do."
    ]
    if best.tested:
        times = cells_tested(sweep)
        looked = "once, at the end, by the best alone" if times == 1 else f"by {times} cells, each the best of its time"
        lines.append(f"On test videos the best has {name} {best.test(metric)} %; these were looked at {looked}.")
    return lines


def _draw(path: Path, sweep: Sweep, rows: Sequence[Row], best: Row) -> None:
    """A panel for each axis: every finished cell as a dot, the mean of each value as a line, the best as a ring."""
    metric, axes = metric_of(sweep), sweep.grid.axes
    done = [(row, value.mean) for row in rows if row.status == "finished" and (value := row.validation(metric))]
    with look({}):
        figure = new_figure(max(4.2, 2.6 * len(axes)), 3.6)
        panels = figure.subplots(1, len(axes), squeeze=False, sharey=True)[0]
        for axis, panel in zip(axes, panels, strict=True):
            values = list(axes[axis])
            places = [values.index(row.values[axis]) for row, _ in done]
            panel.plot(places, [mean for _, mean in done], "o", color="C0", markersize=4, alpha=0.6)
            means = {
                x: [m for place, (_, m) in zip(places, done, strict=True) if place == x] for x in sorted({*places})
            }
            panel.plot([*means], [sum(each) / len(each) for each in means.values()], color="C0", linewidth=1)
            top = next(mean for row, mean in done if row.number == best.number)
            panel.plot(values.index(best.values[axis]), top, "o", color="C3", markersize=10, fillstyle="none")
            panel.set_xticks(range(len(values)), [plain(shown(value)) for value in values])
            panel.set(xlabel=axis, xlim=(-0.5, len(values) - 0.5))
        panels[0].set_ylabel(f"validation {ACCURACIES[metric]} (%)")
        figure.suptitle(
            plain(f"{sweep.data.target.name} from {sweep.init.label}: best of {len(done)} ringed"), fontsize=11
        )
        write_with(path, lambda file: save(figure, file, format="png", dpi=140))
