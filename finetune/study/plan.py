"""The runs of a study, their folders, and whether these are its own: found out before anything runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.results.folder import METRICS, compared_name
from fractalvid.finetune.study.design import Column, Study
from fractalvid.finetune.videos.data import Data, split_name
from fractalvid.pretrain.recipes import differences, to_json
from fractalvid.pretrain.run import WEIGHTS, PretrainConfig, kept_config
from fractalvid.pretrain.run.config import FREE
from fractalvid.pretrain.run.folder import CONFIG, completed
from fractalvid.utils.documents import Table
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import is_empty

_FOUND_OUT = {"found", "extended_at", "classes", "kind", "stream.colour"}
"""Settings that a run may fill in where nobody has asked for anything."""
_CLIPS = {"bank", "data", "videos"}
"""Paths of what is trained on. A run that goes on compares what lies there; one that is finished compares nothing."""


@dataclass(frozen=True)
class Cell:
    """A pre-training of a column, with the seed of that pre-training (None: it starts from what is there).

    `pretrainings` is the folder that has it where that is shared between studies.
    """

    column: Column
    seed: int | None
    pretrainings: Path | None = None

    @property
    def name(self) -> str:
        """What it is called in messages, and among failures."""
        return self.column.label if self.seed is None else f"{self.column.label}_pretraining-{self.seed}"

    def config(self) -> PretrainConfig | None:
        """What is pre-trained."""
        return None if self.column.config is None else replace(self.column.config, seed=self.seed or 0)

    def folder(self, out: Path) -> Path:
        """Where it is pre-trained."""
        return (self.pretrainings or out / "pretrain") / self.column.label / f"seed-{self.seed}"

    def weights(self, out: Path) -> Path:
        """What that leaves."""
        return self.folder(out) / WEIGHTS

    def transfers(self, out: Path) -> Path:
        """The folder of its transfers, in which each label has one of its own."""
        return out / "transfer" / ("start" if self.seed is None else f"pretraining-{self.seed}")


@dataclass(frozen=True)
class Transfer:
    """One transfer of a cell: its mode, split and seed, its name, and its folder."""

    cell: Cell
    mode: str
    split: str
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What it is called among failures."""
        return f"{self.cell.name}_{self.folder.name}"

    def finished(self) -> bool:
        """Whether its result is there."""
        return (self.folder / METRICS).exists()


def cells_of(study: Study) -> list[Cell]:
    """All cells: what starts from nothing first, then every column with a seed before any with the next."""
    starts = [Cell(column, None) for column in study.columns if column.config is None]
    trained = [column for column in study.columns if column.config is not None]
    return starts + [Cell(column, seed, study.pretrainings) for seed in study.pretrain_seeds for column in trained]


def splits_of(study: Study, data: Data) -> tuple[str, ...]:
    """The names of the splits or folds that are transferred to."""
    return tuple(split_name(data, split) for split in study.splits or (None,))


def transfers_of(study: Study, cell: Cell, out: Path, data: Data) -> Iterator[Transfer]:
    """The transfers of a cell."""
    for split in splits_of(study, data):
        for seed in study.seeds:
            for recipe in study.recipes:
                name = compared_name(recipe.mode, split, seed)
                folder = cell.transfers(out) / cell.column.label / name
                yield Transfer(cell, recipe.mode, split, seed, folder)


def settings_of(study: Study) -> dict[str, Any]:
    """What a study's result keeps of it, and what another call in its folder has to agree with."""
    return {
        "axis": study.axis,
        "target": _absolute(to_json(study.target)),
        "recipes": {recipe.mode: to_json(recipe) for recipe in study.recipes},
        "columns": {
            column.label: {"start": column.start} if column.config is None else to_json(column.config)
            for column in study.columns
        },
    }


def _absolute(target: Table) -> Table:
    """A target as JSON, with its paths absolute: they may be written otherwise by each call."""
    paths = {name: target.get(name) for name in ("data", "annotations", "csv")}
    told = {name: path for name, path in paths.items() if isinstance(path, str) and "\0" not in path}
    return target | {name: str(Path(path).resolve()) for name, path in told.items()}


def check_same(kept: Table, study: Study, out: Path) -> None:
    """Raise `UserError` where the study in a folder is another one; columns, modes, seeds and splits may be added."""
    before, now = kept.get("settings"), settings_of(study)
    if not isinstance(before, dict):
        raise UserError(f"the study in {out} is damaged (no settings); choose another --out")
    if isinstance(before.get("target"), dict):  # of a version that kept paths as they were written
        before = before | {"target": _absolute(before["target"])}
    changes = [name for name in ("axis", "target") if before.get(name) != now[name]]
    for part in ("recipes", "columns"):
        told = before.get(part)
        shared: Mapping[str, Any] = told if isinstance(told, dict) else {}
        for label in shared.keys() & now[part].keys():
            changes += [f"{name} of {label}" for name in _differences(shared[label], now[part][label])]
    if changes:
        raise UserError(
            f"{out} holds a study with other settings ({'; '.join(sorted(changes)[:3])}); choose another --out"
        )


def _differences(before: Any, now: Table) -> list[str]:
    """Names of settings that differ; those that an earlier version did not have yet were at their defaults."""
    if not isinstance(before, dict) or "start" in before or "start" in now:
        return [] if before == now else ["start"]
    default = Recipe() if "mode" in now else PretrainConfig()
    return _changes(completed(before, to_json(default)), now)


def _changes(before: Table, now: Table) -> list[str]:
    """Names of settings that differ and may not: where a run is made may, and how a path is written."""
    names = differences(before, now)
    return [name for name in names if name not in FREE or (name in _CLIPS and _lies(before, name) != _lies(now, name))]


def _lies(settings: Table, name: str) -> Path | None:
    path = settings.get(name)
    return Path(path).resolve() if isinstance(path, str) and "\0" not in path else None


def check_folders(study: Study, out: Path) -> None:
    """Raise `UserError` where the folder of a pre-training holds another one, something else, or a damaged one."""
    for cell in cells_of(study):
        config = cell.config()
        folder = cell.folder(out)
        if config is None or not folder.exists():
            continue
        if not folder.is_dir() or not ((folder / CONFIG).exists() or is_empty(folder)):
            raise UserError(f"{folder} holds something else than a pre-training; remove it, or choose another --out")
        if (folder / CONFIG).exists():
            _check_config(folder, config)


def _check_config(folder: Path, config: PretrainConfig) -> None:
    try:
        kept = kept_config(folder)
    except UserError as error:
        raise UserError(f"{error}; remove {folder} to run it again") from error
    asked = to_json(config)
    names = [name for name in _changes(to_json(kept), asked) if name not in _FOUND_OUT or _at(asked, name) is not None]
    if names:
        raise UserError(f"{folder} was begun with other settings ({'; '.join(names[:3])}); choose another --out")


def _at(settings: Table, name: str) -> Any:
    """The setting of a dotted name; None where there is none."""
    value: Any = settings
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
