"""What a study compares: columns of pre-trainings that differ in one choice, and how each is transferred; from TOML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.grids import changed, check_values, flat, shown
from fractalvid.finetune.recipes.recipe import Mode, Recipe, load_recipe, with_warmup
from fractalvid.finetune.study.axes import AXES, Axis
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.pretrain.recipes import find_recipe, override
from fractalvid.pretrain.recipes import load_recipe as load_pretraining
from fractalvid.pretrain.run import PretrainConfig, check_settings, without_unused
from fractalvid.utils.documents import Seed, Table, convert_config, read_toml
from fractalvid.utils.errors import UserError

PRETRAINED = "pretrained"
"""The value of the axis `init` that means the study's own pre-training."""
PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Column:
    """A value of the axis: what is pre-trained (its seed is that of each pre-training), or what is started from."""

    label: str
    config: PretrainConfig | None = None
    start: str | None = None

    def clips(self) -> int | None:
        """Clips that a pre-training sees; None where nothing is pre-trained."""
        return None if self.config is None else (self.config.engine.steps or 0) * self.config.batch_size


@dataclass(frozen=True)
class Study:
    """A study, completely: columns, how each is transferred, on what, and how often.

    `pretrainings` is where pre-trainings lie that studies of several targets share; None is the study's own folder.
    """

    axis: Axis
    columns: tuple[Column, ...]
    recipes: tuple[Recipe, ...]
    target: TargetOptions
    pretrain_seeds: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    splits: tuple[str, ...] = ()
    pretrainings: Path | None = None

    @property
    def config(self) -> PretrainConfig:
        """The first pre-training: all have its network and its clips' shape."""
        return next(column.config for column in self.columns if column.config is not None)


@dataclass(frozen=True)
class _File:
    """What a file of a study holds; every other name in it is an error."""

    values: list[Any]
    axis: str | None = None
    pretrain: Table = field(default_factory=dict)
    finetune: Table = field(default_factory=dict)
    linear: Table = field(default_factory=dict)
    target: Table = field(default_factory=dict)
    modes: list[Mode] = field(default_factory=lambda: ["full", "linear"])
    pretrain_seeds: list[Seed] = field(default_factory=lambda: [0])
    seeds: list[Seed] = field(default_factory=lambda: [0])
    splits: list[str] = field(default_factory=list)


def find_study(name: str) -> Path:
    """The file of a study: one that comes with the program by its name, or any by its path."""
    return find_recipe(name, PRESETS, what="study")


def read_target(path: Path, default: TargetOptions) -> TargetOptions:
    """The target that a file names; the default where it names none."""
    told = _read(path).target
    return override(default, told, where=f"the study {path}, [target]") if told else default


def _read(path: Path) -> _File:
    where = f"the study {path}"
    table = read_toml(path, Table, what="the study")
    if "values" not in table:
        raise UserError(f"{where} has no values: the list of what its axis takes")
    return convert_config(table, _File, where=where)


def read_study(axis: Axis, path: Path, target: TargetOptions) -> Study:
    """The study of an axis that a file describes, on a target.

    Raises:
        UserError: an axis other than the file's, values that are none of its, are empty or stand there twice, settings
            that exclude each other, or columns that differ in budget or network.
    """
    where, told = f"the study {path}", _read(path)
    if told.axis not in (None, axis):
        raise UserError(f"{where} is one of {told.axis}: say finetune study {told.axis}, or give another file")
    for name in ("values", "modes", "pretrain_seeds", "seeds"):
        check_values(name, getattr(told, name), where=where)
    if told.splits:
        check_values("splits", told.splits, where=where)
    base = _pretraining(told.pretrain, where)
    columns = tuple(_column(axis, value, base, where) for value in told.values)
    _check_columns(axis, columns, where)
    study = Study(
        axis=axis,
        columns=columns,
        recipes=tuple(_recipe(mode, told, where) for mode in told.modes),
        target=target,
        pretrain_seeds=tuple(told.pretrain_seeds),
        seeds=tuple(told.seeds),
        splits=tuple(told.splits),
    )
    return replace(study, recipes=tuple(_of_the_network(recipe, study.config) for recipe in study.recipes))


def _pretraining(table: Table, where: str) -> PretrainConfig:
    """The pre-training that columns change: a recipe, where one is named, and what else is said."""
    settings = dict(table)
    if "seed" in settings:
        raise UserError(f"{where}: [pretrain] has a seed; pre-trainings are repeated with those of pretrain_seeds")
    name = settings.pop("recipe", None)
    base = PretrainConfig() if name is None else load_pretraining(str(name), PretrainConfig())
    config = without_unused(override(base, settings, where=f"{where}, [pretrain]"), base)
    try:
        config.check()  # else columns would drop, as what a recipe has set, one of two that exclude each other
    except UserError as error:
        raise UserError(f"{where}, [pretrain]: {error}") from error
    return config


def _recipe(mode: Mode, told: _File, where: str) -> Recipe:
    """The fine-tuning of a mode: [finetune], and for the linear probe what [linear] says."""
    settings = told.finetune | {"mode": mode} | (told.linear if mode == "linear" else {})
    name = settings.pop("recipe", None)
    if settings["mode"] != mode or "mode" in told.finetune:
        raise UserError(f"{where}: the mode is none of the settings of a fine-tuning here; modes names them")
    base = Recipe() if name is None else load_recipe(str(name))
    return override(base, with_warmup(base, settings), where=f"{where}, [finetune]")


def _of_the_network(recipe: Recipe, config: PretrainConfig) -> Recipe:
    """The recipe for the network and the clips of pre-training, which what starts from nothing gets as well."""
    stream = config.stream
    return replace(
        recipe,
        model=recipe.model or config.arch,
        clip_len=recipe.clip_len or stream.clip_len,
        size=recipe.size or stream.size,
    )


def _column(axis: Axis, value: Any, base: PretrainConfig, where: str) -> Column:
    """One value of the axis: of its setting, or a table of any settings with a label, or with what to start from."""
    name = AXES[axis]
    table = dict(value) if isinstance(value, Mapping) else _table_of(name, value)
    label, start = table.pop("label", None), table.pop("start", None)
    settings = flat(table)
    if isinstance(start, str):
        from fractalvid.pretrain.weights import split_label  # brings torch, which --dry-run's first line is before

        named, start = split_label(start)
        label = label or named or start
    label = label or (shown(settings[name]) if name in settings else None)
    where = f"{where}, the column {label}"
    if not isinstance(label, str):
        raise UserError(f"{where}: {shown(value)} has no label to be called by in tables")
    if start is not None and (settings or not isinstance(start, str)):
        raise UserError(f"{where}: what starts from weights that are there has no pre-training; leave one of them out")
    if start is not None:
        return Column(label, start=start)
    if "seed" in settings:
        raise UserError(f"{where} has a seed; pre-trainings are repeated with those of pretrain_seeds")
    config = without_unused(changed(base, settings, where=where), base)
    try:
        check_settings(config)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return Column(label, config)


def _table_of(name: str | None, value: Any) -> dict[str, Any]:
    if name is not None:
        return {name: value}
    return {"label": PRETRAINED} if value == PRETRAINED else {"start": value}


def _check_columns(axis: Axis, columns: Sequence[Column], where: str) -> None:
    """Raise `UserError` for columns that cannot be told apart, or that differ in more than what is compared."""
    labels = [column.label.casefold() for column in columns]
    twice = next((label for k, label in enumerate(labels) if label in labels[:k]), None)
    if twice is not None:
        raise UserError(f"{where}: two columns are called {twice!r}: name them apart with label = ...")
    configs = [column.config for column in columns if column.config is not None]
    if not configs:
        raise UserError(f"{where}: nothing is pre-trained; finetune compare sets weights that are there side by side")
    for config in configs:
        if config.engine.steps is None:
            raise UserError(f"{where}: a study has its budget in steps, alike for all: [pretrain.engine] steps = ...")
    shapes = {(config.arch, config.stream.clip_len, config.stream.size) for config in configs}
    if len(shapes) > 1:
        raise UserError(
            f"{where}: the columns differ in network, frames or size ({sorted(shapes)}): compare one at a time"
        )
    budgets = sorted({column.clips() or 0 for column in columns if column.config is not None})
    if axis != "budget" and len(budgets) > 1:
        raise UserError(
            f"{where}: the columns see other numbers of clips ({', '.join(map(str, budgets))}), which would be "
            "compared as well: give all the same steps and batch_size, or study budget"
        )
