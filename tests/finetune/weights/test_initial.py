"""What a fine-tuning makes of the weights that it starts from."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fractalvid.finetune.recipes.plan import ResolvedRecipe, resolve
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.run.compare import parse_initials, same_shape
from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.pretrain.weights.initial import Initial, parse_initial
from fractalvid.utils.errors import UserError
from tests.pretrain.weights.test_initial import weights


def resolved(recipe: Recipe, init: str) -> ResolvedRecipe:
    return resolve(recipe, TargetProtocol(), parse_initial(init))


def test_clips_and_networks_that_do_not_go_together_are_refused() -> None:
    made = resolved(Recipe(), "kinetics:s3d")
    assert (made.model, made.clip_len, made.size) == ("s3d", 16, 224)
    with pytest.raises(UserError, match="s3d needs clips of at least 13 x 209 x 209, not 16 x 112 x 112"):
        resolved(Recipe(size=112), "kinetics:s3d")
    with pytest.raises(UserError, match=r"are of a r3d_18; say --init kinetics:s3d$"):
        resolved(Recipe(model="s3d"), "kinetics")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    init = parse_initial(str(weights(tmp_path / "w")))
    with pytest.raises(UserError, match="--model r3d_18: the weights 'w' are of a r3d_10"):
        resolve(Recipe(model="r3d_18"), TargetProtocol(), init)


def test_labels_of_a_comparison_must_differ_and_name_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two initialisations are called 'Scratch'"):
        parse_initials(["scratch", "Scratch=scratch"])
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        parse_initials(["a/b=scratch"])
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        parse_initials(["..=scratch"])


def test_scratch_gets_the_shape_of_the_weights_it_is_compared_with() -> None:
    scratch = Initial("scratch", "scratch")
    small = Initial("a", "weights", model="r3d_10", clip_len=8, size=64)
    recipe = same_shape(Recipe(), [scratch, small])
    assert (recipe.model, recipe.clip_len, recipe.size) == ("r3d_10", 8, 64)
    assert same_shape(Recipe(size=32), [scratch, small]).size == 32
    large = Initial("b", "weights", model="r3d_10", clip_len=16, size=64)
    with pytest.raises(UserError, match=r"differ in clip-len \(16, 8\).*--clip-len"):
        same_shape(Recipe(), [scratch, small, large])
    assert same_shape(Recipe(clip_len=8), [scratch, small, large]).clip_len == 8


@pytest.mark.parametrize(
    ("recipe", "option"),
    [
        (partial(Recipe, epochs=0), "--epochs"),
        (partial(Recipe, batch_size=0), "--batch-size"),
        (partial(Recipe, views=0), "--views"),
        (partial(Recipe, size=7), "--size"),
        (partial(Recipe, lr=0.0), "--lr"),
        (partial(Recipe, lr=float("nan")), "--lr"),
        (partial(Recipe, label_smoothing=1.0), "--label-smoothing"),
        (partial(Recipe, mixup=-0.1), "--mixup"),
        (partial(Recipe, cutmix=float("nan")), "--cutmix"),
        (partial(Recipe, epochs=2, warmup_epochs=2), "--warmup-epochs"),
        (partial(Recipe, weight_decay=-1.0), "--weight-decay"),
        (partial(Recipe, eval_every=-1), "--eval-every"),
        (partial(Recipe, model="r3d_11"), "r3d_10"),
    ],
)
def test_impossible_recipes_are_refused(recipe: Callable[[], Recipe], option: str) -> None:
    with pytest.raises(UserError, match=option):
        recipe()
