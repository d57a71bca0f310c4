"""Options that do nothing where they are given: each is refused there, and accepted where it does something."""

from pathlib import Path
from typing import Any

import pytest

from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.recipes.fields import field_names, override
from fractalvid.pretrain.recipes.load import load_recipe, recipe_names
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.run.unused import ALSO_UNSET, RULES, without_unused
from fractalvid.sets import SetConfig, generate
from fractalvid.utils.errors import UserError
from fractalvid.utils.unused import check_unused, unused

BASE = ["--arch", "r3d_10", "--steps", "2", "--size", "32", "--clip-len", "4", "--device", "cpu"]
MOCO = ["--objective", "moco"]
OWN = [*MOCO, "--videos", "nowhere", "--val-clips", "0"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([*MOCO, "--label-smoothing", "0.2"], "label-smoothing is set, but only --objective supervised"),
        (["--optimizer", "sgd", "--beta2", "0.9"], "beta2 is set, but it is adamw's"),
        (["--classic-momentum"], "classic-momentum is set, but it is about the momentum of --optimizer sgd"),
        (["--optimizer", "sgd", "--momentum", "0", "--classic-momentum"], "classic-momentum is set"),
        (["--val-clips", "0", "--val-every", "7"], "val-every is set, but nothing is validated"),
        (["--monitor-classes", "7"], "monitor-classes is set, but such classes belong to --monitors"),
        (["--monitors", "motion", "--monitor-classes", "7"], "crops, knn, linear, and none of these"),
        (["--monitor-clips", "7"], "monitor-clips is set, but such clips belong to --monitors"),
        (["--epoch-clips", "7"], "the budget is not in --epochs: leave it out\n"),
        (["--curriculum", "0.5"], "curriculum is set, but emulation is off: leave it out\n"),
        (["--emulate", "paper,samples=9", "--curriculum", "0.5"], "emulation has its own number of samples"),
        ([*OWN, "--classes", "7"], "classes is set, but no clips of such classes are shown"),
        ([*OWN, "--kind", "shapes"], "kind is set, but no clips"),
        ([*OWN, "--bank", "x.npz"], "bank is set, but no clips"),
        ([*OWN, "--render-on", "cuda"], "render-on belongs to fractals"),
        ([*MOCO, "--recolour", "0.3"], "recolour is set, but the clips are grey, without --colour: leave it out"),
        (["--recolour", "0.3"], "recolour is set, but --objective is supervised"),
        ([*OWN, "--points", "7000"], "points is set, but no clips are drawn"),
        ([*OWN, "--points", "7000"], "leave it out, or set it to 60000"),
        (["--kind", "perlin", "--points", "7000"], "points is set, but points belong to the chaos game"),
        (["--classic-momentum"], "leave it out, or set it to false"),
        (["--moco.bn-groups", "2"], "moco is set, but --objective is supervised"),
        ([*MOCO, "--moco.bn-groups", "0"], "moco.bn-groups is 0"),
        ([*MOCO, "--moco.bn-groups", "3"], "moco.bn-groups is 3; each process takes 32 clips"),
        ([*MOCO, "--moco.bn-groups", "32"], "of at least 2"),
        ([*MOCO, "--accumulate", "16", "--moco.bn-groups", "2"], "each process takes 2 clips"),
    ],
)
def test_it_is_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BASE, *options, "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def config(**values: object) -> PretrainConfig:
    return override(PretrainConfig(), values, where="test")


def test_it_is_accepted_where_it_does_something() -> None:
    for values in (
        {"engine": {"label_smoothing": 0.2}},
        {"optim": {"beta2": 0.9}},
        {"optim": {"optimizer": "sgd", "classic_momentum": True}},
        {"engine": {"val_every": 7}},
        {"val_clips": 0, "engine": {"val_every": 7}, "monitor": {"monitors": ["motion"], "monitor_clips": 4}},
        {"monitor": {"monitors": ["crops"], "monitor_classes": 4}},
        {"epoch_clips": 9, "engine": {"epochs": 2}},
        {"curriculum": 0.5, "stream": {"emulate": "paper"}},
        {"objective": {"aux_mask": 1.0}, "stream": {"masks": True}},
        {"objective": {"aux_flow": 1.0, "aux_camera": 1.0}, "stream": {"truth": ["flow"], "emulate": "scene"}},
        {"videos": "own", "classes": 9},  # validation shows them
        {"videos": "own", "mix": 0.5, "val_clips": 0, "classes": 9},
        {"classes": 9, "kind": "shapes"},
        {"objective": {"name": "simclr", "recolour": 0.3}, "stream": {"colour": "structural"}},
        {"objective": {"name": "simclr", "recolour": 0.3}, "videos": "own"},
        {"objective": {"name": "simclr", "recolour": 0.0}},  # off is always accepted
        {"videos": "own", "stream": {"points": 7000}},  # validation draws
        {"videos": "own", "mix": 0.5, "val_clips": 0, "stream": {"points": 7000}},
        {"videos": "own", "val_clips": 0, "classes": 1000, "kind": "ifs"},  # as a run keeps them that was not told
    ):
        check_unused(config(**values), RULES, ALSO_UNSET)


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_clips_of_a_set_are_coloured_or_not(tmp_path: Path, colour: ColourConfig | None) -> None:
    made = SetConfig(clips=1, size=32, points=2000, colour=colour)
    generate(ClassBank.sample(2, seed=1), tmp_path / "set", made, workers=1, progress=False)
    moco = {"name": "moco", "recolour": 0.3}
    found = [name for name, _ in unused(config(data=str(tmp_path / "set"), objective=moco), RULES, ALSO_UNSET)]
    assert found == ([] if colour else ["objective.recolour"])
    undrawn = config(data=str(tmp_path / "set"), val_clips=0, stream={"points": 7000})
    assert [name for name, _ in unused(undrawn, RULES, ALSO_UNSET)] == ["stream.points"]


def test_points_belong_to_the_kind_that_a_bank_or_a_set_has(tmp_path: Path) -> None:
    for kind in ("ifs", "shapes"):
        bank, folder = sample_bank(2, kind=kind, seed=1), tmp_path / kind
        bank.save(tmp_path / f"{kind}.npz")
        generate(bank, folder, SetConfig(clips=1, size=32), workers=1, progress=False)
        for where in ({"bank": str(tmp_path / f"{kind}.npz")}, {"data": str(folder)}):
            found = [name for name, _ in unused(config(**where, stream={"points": 7000}), RULES, ALSO_UNSET)]
            assert found == ([] if kind == "ifs" else ["stream.points"])
            config(**where, stream={"points": 7000}, engine={"steps": 1, "device": "cpu"}).check()


def test_masks_of_a_recipe_have_to_be_for_something() -> None:
    with pytest.raises(UserError, match="masks is set, but masks are for --aux-mask alone"):
        check_unused(config(stream={"masks": True}), RULES, ALSO_UNSET)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"objective": {"aux_camera": 1.0}}, "aux-camera is set, but without --emulate no camera moves"),
        ({"objective": {"aux_flow": 1.0}, "kind": "shapes"}, "aux-flow is set, but it is known of fractals alone"),
        ({"objective": {"aux_order": 1.0}, "data": "set"}, "aux-order is set, but it is known of clips that are drawn"),
        ({"stream": {"truth": ["flow"]}}, "truth is set, but --aux-motion and the like"),
    ],
)
def test_heads_of_motion_need_clips_of_which_it_is_known(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check_unused(config(**values), RULES, ALSO_UNSET)


def test_rules_are_about_settings_that_there_are() -> None:
    known = set(field_names(PretrainConfig()))
    assert {name for rule in RULES for name in rule.names} <= known
    assert not list(unused(PretrainConfig(), RULES, ALSO_UNSET))
    for name in recipe_names():
        assert not list(unused(load_recipe(name, PretrainConfig()), RULES, ALSO_UNSET))


def test_statistics_of_all_processes_are_not_for_moco() -> None:
    values = {"objective": {"name": "moco"}, "engine": {"steps": 1, "device": "cpu", "sync_bn": True}}
    with pytest.raises(UserError, match=r"sync-bn needs CUDA|tells --objective moco"):
        config(**values).check()
    with pytest.raises(UserError, match="tells --objective moco which belong together"):
        config(**values)._check_norms()


def test_what_a_recipe_sets_gives_way_where_it_has_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "small_cpu", "--kind", "perlin", "--arch", "r3d_10", "--dry-run"]) == 0
    assert "perlin" in capsys.readouterr().out
    recipe = load_recipe("small_cpu", PretrainConfig())
    given = override(recipe, {"kind": "perlin"}, where="test")
    made = without_unused(given, recipe)
    assert made.stream.points == PretrainConfig().stream.points != recipe.stream.points
    assert made.stream.size == recipe.stream.size
    own = override(given, {"stream": {"points": 7000}}, where="test")
    assert without_unused(own, recipe).stream.points == 7000


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({"engine": {"mixup": 0.2}}, set()),
        ({"objective": {"debias": 0.5}}, set()),
        ({"videos": "clips", "mix": 0.5}, set()),
        ({"kind": "perlin"}, {"camera"}),
        ({"stream": {"emulate": "none"}}, {"motion", "flow"}),
        ({"objective": {"name": "moco"}}, {"motion", "flow", "camera"}),
    ],
)
def test_heads_of_a_recipe_give_way(changed: dict[str, Any], left: set[str]) -> None:
    heads = {"objective": {"aux_motion": 0.5, "aux_flow": 0.5, "aux_camera": 0.5}}
    recipe = override(load_recipe("small_cpu", PretrainConfig()), heads, where="test")
    assert set(without_unused(override(recipe, changed, where="test"), recipe).objective.auxiliary) == left


@pytest.mark.parametrize("changed", [{"emulate": "none"}, {"emulate": "paper,samples=60000"}])
def test_the_curriculum_of_a_recipe_gives_way_to_another(changed: dict[str, str]) -> None:
    recipe = load_recipe("paper_supervised", PretrainConfig())
    given = override(recipe, {"stream": changed, "engine": {"epochs": None, "hours": "2h"}}, where="test")
    assert recipe.curriculum is not None
    made = without_unused(given, recipe)
    assert made.curriculum is None
    made.check()
