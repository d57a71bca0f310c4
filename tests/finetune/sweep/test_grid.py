from pathlib import Path

import pytest

from fractalvid.finetune.recipes.recipe import Recipe, load_recipe
from fractalvid.finetune.sweep import GRIDS, read_grid
from fractalvid.pretrain.optim import scaled
from fractalvid.pretrain.recipes import recipe_names
from fractalvid.utils.errors import UserError


def test_published_grids_are_those_of_the_paper() -> None:
    cells = list(read_grid("synapt_r50_transfer", {}).cells(Recipe()))
    assert len(cells) == 18
    assert len(list(read_grid("synapt_r50_pretraining", {}).cells(Recipe()))) == 12
    for values, recipe in cells:
        assert recipe.lr is not None
        assert scaled(recipe.lr, recipe.batch_size) == pytest.approx(values["lr"])
    assert set(recipe_names(GRIDS)) == {"synapt_r50_transfer", "synapt_r50_pretraining"}


def test_axes_of_a_file_and_of_the_command_line_make_one_grid(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text("[grid]\nlr = [0.1, 0.2]\n[grid.augment]\ncrop_scale = [[0.2, 1.0], [0.4, 1.0]]\n")
    grid = read_grid(str(file), {"batch_size": [8, 16]})
    assert list(grid.axes) == ["lr", "augment.crop_scale", "batch_size"]
    cells = [recipe for _, recipe in grid.cells(Recipe())]
    assert len(cells) == 8
    assert cells[-1].augment.crop_scale == (0.4, 1.0)
    assert (cells[0].lr, cells[0].batch_size, cells[1].batch_size) == (0.1, 8, 16)


@pytest.mark.parametrize(
    ("axes", "fixed", "warmups"),
    [
        ({"epochs": [2, 60]}, frozenset(), [0.2, 6]),
        ({"epochs": [10, 60]}, frozenset({"warmup_epochs"}), [3, 3]),
        ({"epochs": [10, 60], "warmup_epochs": [1.0]}, frozenset(), [1, 1]),
        ({"lr": [0.1, 0.2]}, frozenset(), [3, 3]),
    ],
)
def test_the_warm_up_stays_the_same_share_of_epochs(
    axes: dict[str, list[float]], fixed: frozenset[str], warmups: list[float]
) -> None:
    cells = list(read_grid(None, axes, fixed=fixed).cells(load_recipe("small_cpu")))
    assert [recipe.warmup_epochs for _, recipe in cells] == pytest.approx(warmups)
    assert [set(values) for values, _ in cells] == [set(axes)] * 2
    open_one = read_grid(None, axes, fixed=fixed).cells(Recipe())
    assert [recipe.warmup_epochs for _, recipe in open_one] == ([1, 1] if "warmup_epochs" in axes else [None, None])


@pytest.mark.parametrize(
    ("text", "axes", "message"),
    [
        ("", {}, "no setting has several values"),
        ("[grid]\nlr = []\n", {}, "lr has no values"),
        ("[grid]\nlr = [1, 1.0]\n", {}, "lr names 1 twice"),
        ("[grid]\nlr = [1]\n", {"lr": [2, 3]}, "has values of lr, and the command line others"),
        ("lr = [1, 2]\n", {}, "'lr' is no setting"),
        ("[grid]\nlr = 1\n", {}, "lr must be a list of values"),
        ("[grid", {}, "is not valid TOML"),
    ],
)
def test_files_that_are_no_grid_are_one_line(
    text: str, axes: dict[str, list[float]], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_grid(str(file), axes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"lr": [0.1, 0.0]}, "the cell lr 0.0: --lr is 0.0"),
        ({"epochs": [2, 10**400]}, "epochs is 1000.*: no number that long has a meaning here"),
        ({"epochs": [2, 0]}, "the cell epochs 0: --epochs is 0"),
        ({"epochz": [1, 2]}, "epochz is no setting; did you mean epochs"),
        ({"batch_size": [4, "x"]}, "batch_size can't be 'x': it must be a whole number"),
        ({"mode": ["full", "half"]}, "mode can't be 'half'"),
    ],
)
def test_cells_that_cannot_be_are_found_before_any_is_run(axes: dict[str, list[object]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(read_grid(None, axes).cells(Recipe(warmup_epochs=1.0)))
