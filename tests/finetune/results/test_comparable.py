"""Which settings of training keep runs from standing side by side, and which may differ."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.recipes.plan import Columns, Plan
from fractalvid.finetune.recipes.recipe import NORMALISATION, Recipe
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import RunResult, read_run
from fractalvid.pretrain.weights.initial import Initial
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import SCRATCH, changed, plan_of
from tests.finetune.report.helpers import run_of, write_run_folder

OURS = Initial("ours", "weights", "w", "1f", "r3d_18", 16, 112, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def plan(init: Initial = SCRATCH, recipe: Recipe | None = None, **changes: Any) -> Plan:
    return changed(plan_of(recipe, init), **{"split": "1"} | changes)


def finished(folder: Path, trained: Plan | dict[str, Any], **said: Any) -> RunResult:
    """A finished run: `trained` is its `config.json`, `said` is what `metrics.json` says beside its defaults."""
    settings = trained if isinstance(trained, dict) else trained.to_dict()
    label = settings["init"]["label"]
    write_run_folder(
        folder, run_of([True, False, True], label=label, split=settings["split"]), seed=settings["seed"], **said
    )
    (folder / "config.json").write_text(json.dumps(settings))
    return read_run(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_decay", 0.5),
        ("dropout", 0.5),
        ("mixup", 0.2),
        ("cutmix", 1.0),
        ("label_smoothing", 0.0),
        ("warmup_epochs", 1.0),
        ("momentum", 0.5),
        ("grad_clip", 1.0),
        ("frame_stride", 7),
    ],
)
def test_runs_that_were_trained_otherwise_do_not_compare(tmp_path: Path, name: str, value: Any) -> None:
    runs = [finished(tmp_path / "a", plan()), finished(tmp_path / "b", plan(OURS, **{name: value}))]
    with pytest.raises(UserError, match=rf"the runs differ in {name} \(.*\): they do not compare"):
        check_comparable(runs)


def test_momentum_of_two_kinds_does_not_compare(tmp_path: Path) -> None:
    nesterovs, classic = (Recipe(optimizer="sgd", classic_momentum=kind) for kind in (False, True))
    runs = [finished(tmp_path / "a", plan(recipe=nesterovs)), finished(tmp_path / "b", plan(OURS, classic))]
    with pytest.raises(UserError, match=r"the runs differ in classic_momentum \(.*\): they do not compare"):
        check_comparable(runs)


def test_runs_of_which_one_was_extended_do_not_compare(tmp_path: Path) -> None:
    runs = [finished(tmp_path / "a", plan()), finished(tmp_path / "b", replace(plan(OURS), extended_at=(4,)))]
    with pytest.raises(UserError, match=r"the runs differ in extended_at"):
        check_comparable(runs)


def test_runs_that_were_augmented_otherwise_do_not_compare(tmp_path: Path) -> None:
    other = plan(OURS, augment=AugmentConfig(flip=0.0))
    with pytest.raises(UserError, match=r"the runs differ in augment\.flip \(0\.0, 0\.5\)"):
        check_comparable([finished(tmp_path / "a", plan()), finished(tmp_path / "b", other)])


def test_what_earlier_versions_did_not_have_was_off(tmp_path: Path) -> None:
    early = plan(OURS).to_dict()
    for name in ("settle", "standardise", "mixup"):
        del early[name]
    runs = [finished(tmp_path / "a", plan()), finished(tmp_path / "b", early, precision=None)]
    check_comparable(runs)
    with pytest.raises(UserError, match=r"the runs differ in mixup \(0\.2, null\)"):
        check_comparable([runs[1], finished(tmp_path / "c", plan(mixup=0.2))])
    with pytest.raises(UserError, match=r'the runs differ in precision \("bf16", "fp32"\)'):
        check_comparable([runs[1], finished(tmp_path / "d", plan(), precision="bf16")])


def test_initialisations_repetitions_and_places_may_differ(tmp_path: Path) -> None:
    elsewhere = {
        "data": "/elsewhere",
        "annotations": "/lists",
        "table": "t.csv",
        "allow_missing": True,
        "eval_every": 1,
    }
    plans = [
        plan(),
        plan(OURS, Recipe(precision="fp32"), **elsewhere, columns=Columns("label", "split", None, None)),
        plan(seed=1),
        plan(split="2", videos_digest="34"),
        plan(OURS, split="2", metric="mean_class", videos_digest="34"),
    ]
    assert plans[0].recipe.mean != plans[1].recipe.mean  # each as its weights want it
    check_comparable([finished(tmp_path / str(k), one) for k, one in enumerate(plans)])


def test_normalisations_that_the_weights_do_not_ask_for_do_not_compare(tmp_path: Path) -> None:
    both = [plan(init, Recipe(normalise="imagenet")) for init in (SCRATCH, OURS)]
    assert both[0].recipe.mean == both[1].recipe.mean == NORMALISATION["imagenet"][0]
    first, second = (finished(tmp_path / str(k), one) for k, one in enumerate(both))
    check_comparable([first, second])
    with pytest.raises(UserError, match="the runs differ in mean and std"):
        check_comparable([first, finished(tmp_path / "asked", plan(OURS))])


def test_modes_have_settings_of_their_own(tmp_path: Path) -> None:
    linear = plan(recipe=Recipe(mode="linear", weight_decay=0.0))
    runs = [finished(tmp_path / "a", plan()), finished(tmp_path / "b", linear, mode="linear", lr=0.01)]
    check_comparable(runs)
    other = changed(linear, init=OURS, dropout=0.5)
    with pytest.raises(UserError, match="differ in dropout"):
        check_comparable([*runs, finished(tmp_path / "c", other, mode="linear", lr=0.01)])


def test_lists_of_one_split_must_be_the_same(tmp_path: Path) -> None:
    runs = [finished(tmp_path / str(k), plan(init, videos_digest="12")) for k, init in enumerate((SCRATCH, OURS))]
    check_comparable(runs)
    other = finished(tmp_path / "c", plan(replace(OURS, label="other"), videos_digest="34"))
    with pytest.raises(UserError, match="the runs of split 1 differ in their lists of videos, labels"):
        check_comparable([*runs, other])


def test_of_a_run_without_its_settings_only_the_metrics_are_compared(tmp_path: Path) -> None:
    finished(tmp_path / "bare", plan(OURS))
    (tmp_path / "bare" / "config.json").unlink()
    bare = read_run(tmp_path / "bare")
    assert bare.settings == {}
    check_comparable([finished(tmp_path / "mixed", plan(mixup=0.2)), bare])  # nothing tells


def test_damaged_settings_are_an_error(tmp_path: Path) -> None:
    finished(tmp_path / "a", plan())
    (tmp_path / "a" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        read_run(tmp_path / "a")


def test_frames_of_a_cache_of_jpeg_do_not_compare_with_files(tmp_path: Path) -> None:
    of = {name: f"{name}, 128 pixels" for name in ("files", "cache")}
    runs = [
        finished(tmp_path / name, plan(replace(OURS, label=name), frames="128 pixels"), frames=of[name]) for name in of
    ]
    check_comparable(runs)  # the same frames, bit for bit
    packed = "128 pixels, JPEG 5"
    jpeg = finished(tmp_path / "jpeg", plan(replace(OURS, label="jpeg"), frames=packed), frames=f"cache, {packed}")
    parts = [("1", 2), ("2", 3)]  # splits of one data set whose cache is not complete
    lacking = [f"128 pixels, JPEG 5, {n} from files" for _, n in parts]
    partial = [
        finished(tmp_path / f"p{split}", plan(split=split, frames=kept), frames=f"cache, {kept}")
        for (split, _), kept in zip(parts, lacking, strict=True)
    ]
    check_comparable(partial)
    with pytest.raises(UserError, match=r'frames.* \("128 pixels, JPEG 5", "128 pixels, JPEG 5, some from files"\)'):
        check_comparable([*partial, jpeg])
    with pytest.raises(UserError, match=r'the runs differ in frames \("128 pixels", "128 pixels, JPEG 5"\)'):
        check_comparable([*runs, jpeg])


def of_weights(folder: Path, label: str, training: Plan, **more: Any) -> RunResult:
    """A test of weights that were trained so."""
    init = replace(OURS, label=label)
    learned = {"target": "ucf101", "split": "1", "mode": "full", "epochs": 30}
    settings = {"mode": "test", "split": "", "seed": 0, "init": vars(init), "training": training.to_dict() | more}
    return finished(folder, settings, mode="test", trained_on=learned)


def test_tests_of_weights_that_were_trained_otherwise_do_not_compare(tmp_path: Path) -> None:
    names = {"classes": ["x", "y"]}  # as on the card of weights
    runs = [
        of_weights(tmp_path / "a", "a", plan(views=3), **names),
        of_weights(tmp_path / "b", "b", plan(OURS), **names),
    ]
    check_comparable(runs)
    other = of_weights(tmp_path / "d", "d", plan(OURS, weight_decay=0.5))
    with pytest.raises(UserError, match="the runs differ in weight_decay, the training of the weights"):
        check_comparable([*runs, other])
    read = {"files": "128 pixels", "cache": "128 pixels, JPEG 5"}
    decoded = [of_weights(tmp_path / label, label, plan(OURS, frames=kept)) for label, kept in read.items()]
    with pytest.raises(UserError, match="the runs differ in frames, the training of the weights"):
        check_comparable(decoded)
