"""Whether finished runs may stand side by side: the same data, trained and tested alike but for what is compared."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fractalvid.finetune.recipes.recipe import KINETICS_MEAN, KINETICS_STD
from fractalvid.finetune.results.predictions import read_predictions
from fractalvid.finetune.results.read import RunResult, by_mode
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

EQUAL = (
    *("target", "classes", "mode", "model", "clip", "views", "crops", "sampling", "first_frames", "voting"),
    *("shots", "epochs", "batch_size", "lr", "optimizer"),
)
"""What `metrics.json` says that must be equal among the runs of a mode."""
_OF_A_MODE = {"mode", "epochs", "batch_size", "lr", "optimizer", "shots"}
"""What a head alone may be trained with otherwise than a whole network."""
_COMPARED = {"init", "mean", "std", "seed", "split", "mode", "videos_digest", "frames", "precision"}
_COMPARED |= {"beside_digest"}
"""Settings that other initialisations and repetitions differ in, or that are compared in a way of their own."""
_HARMLESS = {"data", "annotations", "table", "columns", "held_out", "classes", "official_classes", "allow_missing"}
_HARMLESS |= {"scenes", "masks"}
_HARMLESS |= {"metric", "eval_every", "views", "crops", "voting"}
"""Where the videos lie, which are compared themselves, and what no weights follow from; `EQUAL` has what tests do."""
_OFF: tuple[object, ...] = (None, False, 0)
"""What a setting is that does nothing."""


def check_comparable(results: Sequence[RunResult]) -> None:
    """Raise `UserError` for runs that must not stand in one report: other data or budget, or one run twice.

    Target, classes, network, clip, views and what frames are read from must be equal, and in each split the numbers of
    videos and, as far as predictions tell, the test videos and their labels. Every setting of training must be equal
    among the runs of a mode but the initialisation with its normalisation, split and seed; the precision among all that
    trained. Of a run whose folder holds no `config.json`, only its metrics are compared.
    """
    for runs in by_mode(results).values():
        _check_equal(runs, EQUAL)
        for split in dict.fromkeys(run.split for run in runs):
            _check_counts([run for run in runs if run.split == split], ("train", "test"))
    _check_equal(results, [name for name in EQUAL if name not in _OF_A_MODE])
    _check_one("precision", [result.precision for result in results if result.mode != "test"])
    tests = [result.trained_on for result in results if result.mode == "test"]
    for name in sorted({name for one in tests for name in one} - {"split"}):
        _check_one(f"trained_on {name}, the training of the weights", [one.get(name) for one in tests])
    for mode, runs in by_mode(results).items():
        _check_training(runs, ", the training of the weights" if mode == "test" else "")
    _check_one("frames", [result.frames for result in results])
    if len({json.dumps(result.metrics.get("class_names")) for result in results}) > 1:
        raise UserError("the runs differ in class_names, the names of their classes: they do not compare")
    for split in dict.fromkeys(result.split for result in results):
        _check_counts([result for result in results if result.split == split], ("test",))
        _check_tested([result for result in results if result.split == split])
    _check_distinct(results)


def _check_distinct(results: Sequence[RunResult]) -> None:
    """Raise `UserError` where an initialisation has two runs of one split, seed and pre-training."""
    seen = set[tuple[object, ...]]()
    for result in results:
        apart = result.pretraining if result.together else ""
        key = (result.mode, result.label, *result.repetition, result.trained_on.get("mode"), apart)
        if key in seen:
            _, trained, seed = result.repetition
            of = f", trained on split {trained}," if trained else ""
            raise UserError(
                f"two runs of {result.label!r}{of} have split {result.split} and seed {seed}; "
                "name them apart with LABEL=..."
            )
        seen.add(key)


def _check_equal(results: Sequence[RunResult], names: Sequence[str]) -> None:
    """Raise `UserError` where the runs' settings of these names differ."""
    for name in names:
        _check_one(name, _values(name, [result.metrics for result in results]))


def _values(name: str, tables: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The values of a setting; what an earlier version did not have yet was off, however that is written now."""
    there = [table[name] for table in tables if name in table]
    absent = len(tables) - len(there)
    return there if all(value in _OFF for value in there) else [*there, *[None] * absent]


def _check_one(name: str, values: Iterable[object]) -> None:
    """Raise `UserError` where the runs' values of a setting differ."""
    different = {json.dumps(value, sort_keys=True) for value in values}
    if len(different) > 1:
        raise UserError(f"the runs differ in {name} ({first_few(sorted(different), 3)}): they do not compare")


def _check_training(results: Sequence[RunResult], of: str) -> None:
    """Raise `UserError` where runs of one mode were trained otherwise; `of` says whose training it is."""
    known = [result.settings for result in results if result.settings]
    flat = [dict(training_settings(settings)) for settings in known]
    for name in dict.fromkeys(name for settings in flat for name in settings):
        _check_one(f"{name}{of}", _values(name, flat))
    _check_normalised(known, of)
    _check_one(f"frames{of}", [result.frames_trained_on for result in results if result.settings])
    for split in dict.fromkeys(settings.get("split") for settings in known):
        of_split = [settings for settings in known if settings.get("split") == split]
        where = f" of split {split}" if split else ""
        if len({settings.get("beside_digest") for settings in of_split}) > 1:
            raise UserError(f"the runs{where} differ in what --scenes and --masks held{of}: they do not compare")
        if len({settings.get("videos_digest") for settings in of_split}) > 1:
            raise UserError(
                f"the runs{where} differ in their lists of videos, labels, sides or groups{of}: they do not compare"
            )


def training_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of the settings that must be equal, with their values."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and name not in _COMPARED | _HARMLESS:
            yield from training_settings(value, f"{prefix}{name}.")
        elif prefix or name not in _COMPARED | _HARMLESS:
            yield prefix + name, value


def _check_normalised(known: Sequence[Mapping[str, Any]], of: str) -> None:
    """Raise `UserError` where runs are normalised otherwise, unless each is as its weights ask for."""
    used = [[settings.get("mean"), settings.get("std")] for settings in known]
    if not all(_as_asked(settings) for settings in known):
        _check_one(f"mean and std{of}", used)


def _as_asked(settings: Mapping[str, Any]) -> bool:
    """Whether a run's normalisation is that of its initialisation, or the default where this has none."""
    init = settings.get("init")
    asked = init if isinstance(init, Mapping) else {}
    default = {"mean": KINETICS_MEAN, "std": KINETICS_STD}
    return all(json.dumps(settings.get(name)) == json.dumps(asked.get(name) or default[name]) for name in default)


def _check_counts(results: Sequence[RunResult], sides: Sequence[str]) -> None:
    """Raise `UserError` where runs of one split have other numbers of videos."""
    counts = set()
    for result in results:
        videos = result.metrics.get("videos", {})
        counts.add(" and ".join(f"{videos.get(side)} to {side}" for side in sides))
    if len(counts) > 1:
        where = f" of split {results[0].split}" if results[0].split else ""
        raise UserError(f"the runs{where} differ in videos ({first_few(sorted(counts), 3)}): they do not compare")


def _check_tested(results: Sequence[RunResult]) -> None:
    """Raise `UserError` where runs of one split were tested on other videos, or the same with other labels."""
    first: tuple[RunResult, set[tuple[str, int]]] | None = None
    for result in results if len(results) > 1 else ():
        predictions = read_predictions(result)
        if predictions is None:
            continue
        tested = set(zip(predictions.videos, predictions.label.tolist(), strict=True))
        first = first or (result, tested)
        if tested != first[1]:
            video, label = min(tested ^ first[1])
            has, lacks = (result, first[0]) if (video, label) in tested else (first[0], result)
            where = f" of split {result.split}" if result.split else ""
            raise UserError(
                f"the runs{where} differ in test videos or labels ({video} as {result.metrics['class_names'][label]!r} "
                f"is in {has.folder}, not in {lacks.folder}): they do not compare"
            )
