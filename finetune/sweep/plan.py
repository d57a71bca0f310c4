"""The runs of a sweep, found out before the first begins: mistakes show at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.grids import folder_name
from fractalvid.finetune.recipes.plan import Plan, plan_run
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.results.folder import check_begun, files_digest, videos_digest
from fractalvid.finetune.sweep.grid import Grid
from fractalvid.finetune.targets.base import Target
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing
from fractalvid.pretrain.weights import Initial
from fractalvid.utils.errors import UserError

RUNS = "runs"
"""Where the runs of a sweep lie, in its folder."""


@dataclass(frozen=True)
class Sweep:
    """What is swept: a grid around a recipe, from one initialisation, on one split, with each of some seeds."""

    data: Data
    recipe: Recipe
    grid: Grid
    init: Initial
    split: str | None
    seeds: tuple[int, ...]
    allow_missing: bool
    out: Path


@dataclass(frozen=True)
class SweepRun:
    """A run of a cell: what to do, its name, and its folder."""

    plan: Plan
    name: str
    out: Path


@dataclass(frozen=True)
class Cell:
    """Settings by their dotted names, and a run of them for each seed."""

    values: dict[str, Any]
    runs: tuple[SweepRun, ...]


def plan_cells(sweep: Sweep) -> list[Cell]:
    """All cells of the grid, in its order.

    Raises:
        UserError: settings that cannot be, or a folder that holds a run with others.
    """
    cells = [
        Cell(values, tuple(_plan_run(sweep, recipe, folder_name(values), seed) for seed in sweep.seeds))
        for values, recipe in sweep.grid.cells(sweep.recipe)
    ]
    for run in (run for cell in cells for run in cell.runs):
        check_begun(run.out, run.plan)
    return cells


def _plan_run(sweep: Sweep, recipe: Recipe, name: str, seed: int) -> SweepRun:
    plan = plan_run(sweep.data, recipe, sweep.init, split=sweep.split, seed=seed, allow_missing=sweep.allow_missing)
    folder = sweep.out / RUNS / name / f"seed-{seed}"
    return SweepRun(plan, f"{name}_seed-{seed}", folder)


def with_videos(cells: Sequence[Cell], listing: Listing, target: Target) -> list[Cell]:
    """The cells, once it is known which videos there are.

    Raises:
        UserError: a run that is there had others, or a class has fewer than a cell asks for.
    """
    videos, files = videos_digest(listing, target), files_digest(listing)

    def listed(run: SweepRun) -> SweepRun:
        return replace(run, plan=replace(run.plan, videos_digest=videos, files_digest=files))

    known = [Cell(cell.values, tuple(map(listed, cell.runs))) for cell in cells]
    for run in (run for cell in known for run in cell.runs):
        check_begun(run.out, run.plan)
        if run.plan.recipe.shots is not None:
            draw_few_shot(listing, run.plan.recipe.shots, run.plan.seed)
    return known


def check_validation(data: Data, listing: Listing) -> None:
    """Raise `UserError` where there are no validation videos to choose by, or none to train on."""
    if listing.side("val"):
        return
    if data.options.val_share is not None:
        raise UserError(
            f"{data.root} has no test videos of its own, so that --val-share takes those: a sweep needs test/ or rows "
            "of test, and validation videos beside them"
        )
    raise UserError(
        "a sweep chooses by validation videos, and there are none: --val-share 0.2 takes a fifth of the training videos"
    )
