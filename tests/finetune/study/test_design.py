from pathlib import Path

import pytest

from fractalvid.finetune.study import AXES, PRESETS, Study, read_study
from fractalvid.finetune.study.axes import Axis
from fractalvid.finetune.study.design import find_study, read_target
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.pretrain.recipes import recipe_names
from fractalvid.utils.errors import UserError

DEMO = TargetOptions("demo")
BASE = "[pretrain]\narch = 'r3d_10'\n[pretrain.stream]\nclip_len = 4\nsize = 32\n[pretrain.engine]\nsteps = 2\n"
BOTH = BASE.replace("arch", "objective.aux_mask = 0.5\narch") + "mixup = 0.2\n"
"""With two settings that exclude each other."""


def study(path: Path, axis: Axis, values: str, base: str = BASE) -> Study:
    file = path / "grid.toml"
    file.write_text(f"values = {values}\n{base}")
    return read_study(axis, file, DEMO)


@pytest.mark.parametrize("name", recipe_names(PRESETS))
def test_studies_of_the_program_are_in_order(name: str) -> None:
    axis: Axis = name.rpartition("_")[2]  # type: ignore[assignment]  # presets are called by their axis
    read = read_study(axis, find_study(name), DEMO)
    assert len(read.columns) > 2
    assert [recipe.mode for recipe in read.recipes] == ["full", "linear"]
    assert {recipe.model for recipe in read.recipes} == {read.config.arch}


def test_every_axis_has_a_miniature_and_scaling_is_that_of_the_paper() -> None:
    assert {f"mini_{axis}" for axis in AXES} <= set(recipe_names(PRESETS))
    classes = read_study("classes", find_study("synapt_classes"), DEMO)
    assert [c.config.classes for c in classes.columns if c.config] == [30, 60, 90, 120, 150]
    clips = read_study("clips", find_study("synapt_clips"), DEMO)
    assert [c.config.instances for c in clips.columns if c.config] == [250, 500, 750, 1000]
    assert read_target(find_study("mini_kinds"), TargetOptions("hmdb51", Path("d"))).target == "demo"


def test_values_become_columns(tmp_path: Path) -> None:
    real = "{ label = 'real', videos = 'V', objective = { name = 'simclr' } }"
    kinds = study(tmp_path, "kinds", f"['ifs', 'shapes', {real}, {{ start = 'scratch' }}]")
    labels = [(column.label, column.start, column.clips()) for column in kinds.columns]
    assert labels == [("ifs", None, 64), ("shapes", None, 64), ("real", None, 64), ("scratch", "scratch", None)]
    assert kinds.columns[1].config is not None and kinds.columns[1].config.kind == "shapes"
    assert kinds.columns[2].config is not None and kinds.columns[2].config.videos == Path("V")
    init = study(tmp_path, "init", "['scratch', 'imagenet=imagenet:tsn_r18', 'pretrained']")
    starts = [(column.label, column.start) for column in init.columns]
    assert starts == [("scratch", "scratch"), ("imagenet", "imagenet:tsn_r18"), ("pretrained", None)]
    told = study(tmp_path, "init", "['pretrained', {start = 'mine=a/b'}, {label = 'c', start = 'mine=a/b'}]").columns
    assert [(column.label, column.start) for column in told[1:]] == [("mine", "a/b"), ("c", "a/b")]
    budget = study(tmp_path, "budget", "[2, 4]")
    assert [column.clips() for column in budget.columns] == [64, 128]


def test_what_a_recipe_has_set_for_other_columns_is_left_out(tmp_path: Path) -> None:
    points = BASE.replace("size = 32", "size = 32\npoints = 1000")
    kinds = study(tmp_path, "kinds", "['ifs', 'perlin']", points)
    assert [c.config.stream.points == 1000 for c in kinds.columns if c.config] == [True, False]


@pytest.mark.parametrize(
    ("axis", "values", "base", "message"),
    [
        ("classes", "[]", BASE, "values has no values"),
        ("classes", "[4, 8, 4]", BASE, "values names 4 twice"),
        ("classes", "4", BASE, "values: expected a list"),
        ("classes", "[4, 'many']", BASE, "the column many: classes can't be 'many'"),
        ("classes", "[1, 4]", BASE, "the column 1: classes is 1; telling classes apart needs"),
        ("kinds", "['ifs', 'fractal']", BASE, "kind can't be 'fractal': it can be"),
        ("classes", "[4, {label = '4', classes = 8}]", BASE, "two columns are called '4'"),
        ("classes", "[4, {size = 3}]", BASE, "has no label to be called by"),
        ("classes", "[4, {label = 'a', classez = 3}]", BASE, "classez is no setting; did you mean classes"),
        ("classes", "[4, {start = 'scratch', classes = 3}]", BASE, "has no pre-training; leave one of them out"),
        ("classes", "[4, {label = 'a', seed = 3}]", BASE, "has a seed"),
        ("classes", "[4, 8]", BASE.replace("arch", "seed = 1\narch"), r"\[pretrain\] has a seed"),
        ("classes", "[{start = 'scratch'}]", BASE, "nothing is pre-trained"),
        ("classes", "[4, 8]", BASE.replace("steps = 2", "hours = 2.0"), "has its budget in steps"),
        ("classes", "[4, {classes = 8, batch_size = 16}]", BASE, r"other numbers of clips \(32, 64\)"),
        ("classes", "[4, {classes = 8, arch = 'r3d_18'}]", BASE, "differ in network, frames or size"),
        ("classes", "[4, 8]\naxis = 'kinds'", BASE, "is one of kinds: say finetune study kinds"),
        ("classes", "[4, 8]\nmodes = ['half']", BASE, "modes"),
        ("classes", "[4, 8]\nmodes = ['full', 'full']", BASE, "modes names full twice"),
        ("classes", "[4, 8]\nseeds = []", BASE, "seeds has no values"),
        ("classes", "[4, 8]\npretrain_seeds = [-1]", BASE, "pretrain_seeds"),
        ("classes", "[4, 8]\nepochs = 3", BASE, "'epochs' is no setting"),
        ("classes", "[4, 8]", BOTH, "mixup"),
        ("classes", "[4, 8]", BASE + "[finetune]\nmode = 'full'", "modes names them"),
        ("classes", "[4, 8]", BASE + "[finetune]\nepoch = 3", "epoch is no setting; did you mean epochs"),
        ("classes", "[4, 8]", BASE + "[finetune]\nrecipe = 'nosuch'", "there is no recipe 'nosuch'"),
    ],
)
def test_files_that_are_no_study_are_one_line(axis: Axis, values: str, base: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        study(tmp_path, axis, values, base)
    assert "\n" not in str(caught.value)


def test_the_warm_up_of_a_recipe_stays_the_same_share_of_other_epochs(tmp_path: Path) -> None:
    base = f"{BASE}[finetune]\nrecipe = 'small_cpu'\nepochs = 2\n[linear]\nwarmup_epochs = 1.0\n"
    read = study(tmp_path, "classes", "[4, 8]", base)
    assert [recipe.warmup_epochs for recipe in read.recipes] == pytest.approx([0.2, 1])


def test_a_file_without_values(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(BASE)
    with pytest.raises(UserError, match="has no values"):
        read_study("classes", file, DEMO)
    with pytest.raises(UserError, match="there is no study file"):
        find_study("nosuch.toml")
