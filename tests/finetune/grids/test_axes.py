from typing import Any

import pytest

from fractalvid.finetune.grids import changed, check_axes, check_values, combinations, flat, folder_name, parse_value
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.utils.errors import UserError


def test_words_are_read_as_toml_would() -> None:
    assert [parse_value(word) for word in ("3", "1e-4", "true", "adamw")] == [3, 1e-4, True, "adamw"]


def test_cells_come_in_order_and_each_once() -> None:
    axes = {"lr": [1, 2], "batch_size": [3, 4, 5]}
    cells = list(combinations(axes))
    assert len(cells) == 6
    assert cells[:2] == [{"lr": 1, "batch_size": 3}, {"lr": 1, "batch_size": 4}]
    assert len({folder_name(cell) for cell in cells}) == 6


def test_tables_are_flat_and_nested_again() -> None:
    values = flat({"augment": {"blur": 0.5, "crop_scale": [0.2, 1.0]}, "lr": 1e-3})
    assert values == {"augment.blur": 0.5, "augment.crop_scale": [0.2, 1.0], "lr": 1e-3}
    recipe = changed(Recipe(), values, where="here")
    assert (recipe.augment.blur, recipe.augment.crop_scale, recipe.lr) == (0.5, (0.2, 1.0), 1e-3)
    assert recipe.augment.flip == Recipe().augment.flip


def test_names_of_folders_are_plain_and_stay_apart() -> None:
    assert folder_name({"lr": 1e-4, "augment.crop_scale": [0.2, 1.0]}) == "lr-0.0001_augment.crop_scale-0.2-1"
    assert folder_name({"lr": 1.2345671e-4}) != folder_name({"lr": 1.2345672e-4})
    odd, other = folder_name({"model": "a/b"}), folder_name({"model": "a:b"})
    assert "/" not in odd and odd != other
    assert len(folder_name({f"setting{k}": k for k in range(100)})) < 120


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "no setting has several values"),
        ({"lr": []}, "lr has no values"),
        ({"lr": 0.1}, "lr must be a list of values, got 0.1"),
        ({"lr": [0.1, 0.2, 0.1]}, "lr names 0.1 twice"),
        ({"a": range(0), "b": [1]}, "a must be a list"),
        ({name: list(range(30)) for name in "abc"}, "27,000 cells, and a grid has at most 10,000"),
    ],
)
def test_what_makes_no_grid_is_one_line(axes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^the grid: {message}"):
        check_axes(axes, where="the grid")


def test_values_of_one_axis() -> None:
    check_values("values", [1, "a", {"label": "b"}], where="here")
    with pytest.raises(UserError, match="names 1 twice"):
        check_values("values", [1, 1.0], where="here")


def test_unknown_settings_name_the_nearest() -> None:
    with pytest.raises(UserError, match="cell 1: weight_deca is no setting; did you mean weight_decay"):
        changed(Recipe(), {"weight_deca": 1.0}, where="cell 1")
