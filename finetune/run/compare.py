"""Several initialisations over several seeds and splits: which runs there are to be, and what is written of them."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.recipes.plan import plan_run
from fractalvid.finetune.recipes.recipe import Mode, Recipe
from fractalvid.finetune.report.write import FILES, is_comparison, write_comparison
from fractalvid.finetune.results.folder import (
    check_begun,
    compared_name,
    read_settings,
)
from fractalvid.finetune.results.read import RunResult, find_runs, read_run
from fractalvid.finetune.run.jobs import Job, begun_in
from fractalvid.finetune.videos.data import Data
from fractalvid.pretrain.weights import Initial, parse_initial
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, remove_temporary
from fractalvid.utils.messages.phrases import first_few


def parse_initials(texts: Sequence[str], model: str | None = None) -> list[Initial]:
    """Read the initialisations of a comparison, of `model` if that is settled; their labels must differ, case aside.

    `LABEL=A,B,...` gives several of one label: pre-trainings that make one row.
    """
    rows = [_parse_row(text, model) for text in texts]
    seen = set[str]()
    for label in (row[0].label for row in rows):
        if label.casefold() in seen:
            raise UserError(f"two initialisations are called {label!r}: name them apart with LABEL=...")
        seen.add(label.casefold())
    return [init for row in rows for init in row]


def _parse_row(text: str, model: str | None) -> list[Initial]:
    """What one row of a comparison starts from: an initialisation, or as LABEL=A,B,... several pre-trainings."""
    label, rest = text.split("=", 1) if "=" in text else ("", text)
    parts = rest.split(",")
    if len(parts) == 1 or Path(text).exists() or Path(rest).exists():
        return [parse_initial(text, model)]
    if not label:
        raise UserError(f"--init {text!r}: several pre-trainings in one row need a name; say LABEL={text}")
    inits = [parse_initial(f"{label}={part}", model) for part in parts]
    if any(init.sha256 is None for init in inits):
        raise UserError(f"--init {text!r}: a row of several pre-trainings takes files of weights")
    if len({init.sha256 for init in inits}) < len(inits):
        raise UserError(f"--init {text!r}: the same weights stand there twice")
    return inits


def same_shape(recipe: Recipe, inits: Sequence[Initial]) -> Recipe:
    """The recipe with the network and clip of the pre-trained weights, so that scratch gets the same ones.

    Raises:
        UserError: the weights are of different networks or clips and the recipe does not settle which to use.
    """
    settled: dict[str, str | int] = {}
    for name in ("model", "clip_len", "size"):
        values = {getattr(init, name) for init in inits} - {None}
        if getattr(recipe, name) is None and len(values) > 1:
            option = name.replace("_", "-")
            # Every pre-trained network is fixed, its clip is not.
            fixed = "compare those of one network at a time (kinetics:ARCH and imagenet:ARCH choose theirs)"
            advice = fixed if name == "model" else f"to compare them, set --{option}"
            raise UserError(f"the weights differ in {option} ({', '.join(sorted(map(str, values)))}): {advice}")
        if getattr(recipe, name) is None and values:
            settled[name] = values.pop()
    return replace(recipe, **settled)  # type: ignore[arg-type]  # each value is of its own field's type


def recipes_for_modes(recipe: Recipe, modes: Sequence[Mode], linear_lr: float | None) -> list[Recipe]:
    """The recipe in each mode: the recipe itself where none is named.

    Args:
        recipe: what all have in common.
        modes: full, linear or both.
        linear_lr: peak learning rate of the linear probe, where it is another than the recipe's.

    Raises:
        UserError: settings that exclude each other.
    """
    if linear_lr is not None and "linear" not in modes:
        raise UserError("--linear-lr is the learning rate of --modes linear; with --mode it is --lr")
    if not modes:
        return [recipe]
    if recipe.mode not in ("full", *modes):
        raise UserError(f"--mode {recipe.mode} and --modes {' '.join(modes)} exclude each other")
    rates: dict[Mode, float | None] = {"full": recipe.lr, "linear": recipe.lr if linear_lr is None else linear_lr}
    return [replace(recipe, mode=mode, lr=rates[mode]) for mode in modes]


def plan_jobs(
    data: Data,
    recipes: Sequence[Recipe],
    inits: Sequence[Initial],
    *,
    splits: Sequence[str | None],
    seeds: Sequence[int],
    allow_missing: bool,
    out: Path,
) -> list[Job]:
    """All runs: for each split, seed and recipe every initialisation, so that an early stop leaves whole comparisons.

    The recipes differ in their mode alone.

    Raises:
        UserError: a folder holds a run with other settings, or something else.
    """
    protocol = data.target.protocol
    if len(splits) > 1 and protocol.splits and not protocol.average_splits:
        several = first_few(map(str, splits))
        raise UserError(f"--splits {several}: those of {data.target.name} are no repetitions; compare in one at a time")
    recipes = [same_shape(recipe, inits) for recipe in recipes]
    jobs = []
    for split, seed, recipe, init in itertools.product(splits, seeds, recipes, inits):
        plan = plan_run(data, recipe, init, split=split, seed=seed, allow_missing=allow_missing)
        name = compared_name(recipe.mode, plan.split, seed)
        jobs.append(_with_begun_precision(Job(plan, _parent(out, init, inits) / name)))
    for job in jobs:
        check_begun(job.out, job.plan)
    return jobs


def _parent(out: Path, init: Initial, inits: Sequence[Initial]) -> Path:
    """Where the runs of an initialisation lie: one of several in a row has a folder named by its weights."""
    alone = sum(other.label == init.label for other in inits) == 1
    return out / init.label if alone else out / init.label / f"weights-{(init.sha256 or init.kind)[:12]}"


def _with_begun_precision(job: Job) -> Job:
    """The job; its precision is auto where the run that is there was begun so, and auto came to what is asked for."""
    asked = job.plan.recipe.precision
    if asked == "auto" or _config(job.out).get("precision") != "auto" or begun_in(job) != asked:
        return job
    return replace(job, plan=replace(job.plan, recipe=replace(job.plan.recipe, precision="auto")))


def _config(folder: Path) -> dict[str, Any]:
    """What the run in a folder was begun with; nothing where there is none, or none that can be read."""
    try:
        return read_settings(folder)
    except UserError:
        return {}


def gather(texts: Sequence[str]) -> list[RunResult]:
    """Results of finished runs elsewhere: folders, each as PATH or LABEL=PATH, searched for results.

    Gains are over what comes first: those from scratch, unless labels are given.
    """
    results = []
    for text in texts:
        label, equals, rest = text.partition("=")
        if not equals or Path(text).exists():
            label, rest = "", text
        if not Path(rest).is_dir():
            raise UserError(f"--runs {text!r}: there is no such folder")
        results += [read_run(folder, label or None, together=bool(label)) for folder in find_runs([Path(rest)])]
    if any("=" in text and not Path(text).exists() for text in texts):
        return results
    return sorted(results, key=lambda run: run.metrics["init"].get("kind") != "scratch")


def check_out(out: Path, *, may_hold_runs: bool) -> None:
    """Make sure that a comparison may be written to `out`: a new or empty folder, or one that holds a comparison.

    With `may_hold_runs` other things may lie there, too, as long as they are not called like its files.

    Raises:
        UserError: it holds something that must not be replaced, or cannot be made.
    """
    check_can_make(out)
    if out.is_dir() and not is_comparison(out):
        there = [name for name in FILES if (out / name).exists()]
        if there or not (may_hold_runs or is_empty(out)):
            what = there[0] if there else "something else"
            raise UserError(f"--out {out} holds {what}, but no comparison of this program; choose another folder")
    for name in FILES:
        remove_temporary(out / name)


def finish(out: Path, results: Sequence[RunResult]) -> None:
    """Write the comparison and print its table."""
    text = write_comparison(out, results)
    print(text)
    print("written: " + ", ".join(str(out / name) for name in FILES))
