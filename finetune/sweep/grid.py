"""The grid of a sweep: settings of a fine-tuning, each with several values, from a file and the command line."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.grids import Axes, changed, check_axes, combinations, flat
from fractalvid.finetune.recipes.recipe import LR, Recipe, with_warmup
from fractalvid.pretrain.optim import scaled
from fractalvid.pretrain.recipes import find_recipe
from fractalvid.utils.documents import Table, convert_config, read_toml
from fractalvid.utils.errors import UserError

GRIDS = Path(__file__).parent
"""Published grids, a TOML file each."""


@dataclass(frozen=True)
class Grid:
    """Axes by the dotted names of a recipe's fields; with `absolute_lr` rates are those of a step, whatever its clips.

    Without, they are for 32 clips and scaled with the batch, as `--lr` is. The warm-up stays the same share of a cell's
    epochs, unless it is `fixed`: among the settings that have one value of their own.
    """

    axes: Axes
    absolute_lr: bool = False
    fixed: frozenset[str] = frozenset()

    def cells(self, base: Recipe) -> Iterator[tuple[dict[str, Any], Recipe]]:
        """The settings of each cell, and the recipe with them. Raises `UserError` for what no recipe can have."""
        for values in combinations(self.axes):
            where = ", ".join(f"{name} {value}" for name, value in values.items())
            settings = values if "warmup_epochs" in self.fixed else with_warmup(base, values)
            yield values, self._absolute(changed(base, settings, where=f"the cell {where}"))

    def _absolute(self, recipe: Recipe) -> Recipe:
        if not self.absolute_lr:
            return recipe
        return replace(recipe, lr=(recipe.lr or LR[recipe.mode]) / scaled(1.0, recipe.batch_size))


@dataclass(frozen=True)
class _File:
    """What a file holds."""

    grid: Table = field(default_factory=dict)
    absolute_lr: bool = False


def read_grid(file: str | None, axes: Axes, *, absolute_lr: bool = False, fixed: frozenset[str] = frozenset()) -> Grid:
    """A grid from a file, by its path or the name of one that comes with the program, and from axes beside it.

    Args:
        file: the former; None for axes alone.
        axes: the latter.
        absolute_lr: rates are those of a step, if the file doesn't say so itself.
        fixed: settings to which the command line gives one value.

    Raises:
        UserError: no such file, no grid in it, or an axis without values, with one twice, in both, or of what is fixed.
    """
    where, told = "the grid", _File()
    if file is not None:
        path = find_recipe(file, GRIDS, what="grid")
        where = f"the grid {path}"
        told = convert_config(read_toml(path, Table, what="the grid"), _File, where=where)
    named = flat(told.grid)
    both = next((name for name in named if name in axes), None)
    if both is not None:
        raise UserError(f"{where} has values of {both}, and the command line others: leave one of them out")
    grid = Grid({**named, **axes}, told.absolute_lr or absolute_lr, fixed)
    check_axes(grid.axes, where=where)
    both = next((name for name in grid.axes if name in fixed), None)
    if both is not None:
        raise UserError(f"the grid has values of {both}, and the command line another: leave one of them out")
    return grid
