from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.cli.options import starting_recipe
from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.recipes.plan import ResolvedRecipe, resolve
from fractalvid.finetune.recipes.recipe import KINETICS_MEAN, NORMALISATION, RECIPES, Recipe
from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.pretrain.optim.schedule import scaled
from fractalvid.pretrain.recipes.load import headline, load_recipe, recipe_names
from fractalvid.pretrain.weights.initial import Initial
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import SCRATCH

NAMES = recipe_names(RECIPES)


def resolved(recipe: Recipe, init: Initial = SCRATCH) -> ResolvedRecipe:
    return resolve(recipe, TargetProtocol(), init)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_can_be_used_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name, Recipe(), RECIPES)
    resolved(recipe)
    text = (RECIPES / f"{name}.toml").read_text()
    for word in ("source:", "network:", "not said:", "command:", f"--recipe {name}"):
        assert word in text
    assert len(headline(name, RECIPES)) > 30
    assert recipe.model is None  # that of the weights
    command = text[text.index("command:") :].partition("\n\n")[0]
    assert "--init" in command or "--model" in command  # which folder would start from is another network


def test_the_protocols_of_the_papers_are_covered() -> None:
    assert {"fractal", "synapt_tsn_r18", "synapt_tsn_r50", "synapt_i3d_r50", "debias", "debiasing", "anigifs"} <= set(
        NAMES
    )


def test_learning_rates_are_the_papers_at_their_batch() -> None:
    expected = {"fractal": 8e-4, "fractal_diving48": 1.5e-3, "fractal_volleyball": 2.5e-3, "synapt_tsn_r18": 1e-4}
    expected |= {"synapt_tsn_r50": 5e-4, "debias": 1e-3, "debiasing": 1e-3, "anigifs": 1e-4}
    for name, lr in expected.items():
        made = resolved(load_recipe(name, Recipe(), RECIPES))
        assert scaled(made.lr, made.batch_size) == pytest.approx(lr), name


def test_labels_are_smoothed_only_where_a_recipe_says_so() -> None:
    smoothing = {name: load_recipe(name, Recipe(), RECIPES).label_smoothing for name in NAMES}
    assert {name for name, share in smoothing.items() if share} == {"small_cpu", "mild"}  # they were measured so
    for name in NAMES:
        assert "\nlabel_smoothing = " in (RECIPES / f"{name}.toml").read_text()


def test_sgd_of_the_papers_has_plain_momentum() -> None:
    recipes = {name: load_recipe(name, Recipe(), RECIPES) for name in NAMES}
    by_sgd = {name for name, recipe in recipes.items() if recipe.optimizer == "sgd"}
    assert by_sgd == {name for name, recipe in recipes.items() if recipe.classic_momentum}
    assert {"debias", "debiasing", "synapt_tsn_r18"} <= by_sgd


def test_what_a_recipe_says_reaches_the_clips() -> None:
    made = resolved(load_recipe("anigifs", Recipe(), RECIPES))
    assert made.view_config().frames.sampling == "segments"
    assert made.clip_config().frames.clip_len == 40
    assert (made.mean, made.std) == NORMALISATION["symmetric"]
    fractal = resolved(load_recipe("fractal", Recipe(), RECIPES))
    assert (fractal.augment.operations, fractal.augment.magnitude, fractal.augment.crop_scale) == (2, 7, (0.2, 1.0))
    assert (fractal.clip_len, fractal.frame_stride, fractal.views, fractal.epochs) == (8, 6, 10, 100)
    small = resolved(load_recipe("small_cpu", Recipe(), RECIPES))
    assert small.augment == replace(fractal.augment, magnitude=7 / 3)  # as in what was measured


@pytest.mark.parametrize(("clip_len", "stride"), [(None, 2), (16, 2), (8, 4), (32, 1), (64, 1), (5, 6), (20, 2)])
def test_clips_of_any_length_span_as_much_time(clip_len: int | None, stride: int) -> None:
    assert resolved(Recipe(clip_len=clip_len)).frame_stride == stride
    assert resolved(Recipe(clip_len=clip_len, frame_stride=3)).frame_stride == 3


def test_weights_say_how_values_are_normalised_unless_told_otherwise() -> None:
    init = Initial("w", "weights", model="r3d_10", mean=(0.1, 0.1, 0.1), std=(0.2, 0.2, 0.2))
    assert resolved(Recipe(), init).mean == (0.1, 0.1, 0.1)
    assert resolved(Recipe(normalise="unit"), init).std == (1.0, 1.0, 1.0)
    assert resolved(Recipe()).mean == KINETICS_MEAN


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (partial(Recipe, shots=0), "--shots is 0"),
        (partial(Recipe, dropout=1.0), "--dropout is 1"),
        (partial(Recipe, momentum=-0.1), "--momentum is -0.1"),
        (partial(Recipe, classic_momentum=True), "--classic-momentum is about the momentum of --optimizer sgd"),
        (partial(Recipe, classic_momentum=True, optimizer="sgd", momentum=0.0), "--no-classic-momentum takes it back"),
        (partial(Recipe, crops=0), "--crops is 0: it can be 1"),
        (partial(Recipe, crops=4), r"--crops is 4: it can be 1 \(the centre\) or 3"),
        (partial(Recipe, first_frames=0), "--first-frames is 0"),
        (partial(AugmentConfig, operations=-1), "--augment.operations is -1"),
        (partial(AugmentConfig, operations=1, magnitude=11), "--augment.magnitude is 11"),
        (partial(AugmentConfig, blur=2.0), "--augment.blur is 2"),
    ],
)
def test_values_that_no_run_can_use(recipe: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        recipe()


def test_the_command_line_changes_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text("# Mine\nepochs = 3\n[augment]\nflip = 2.0\n")
    args = ["--target", "demo", "--recipe", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]
    assert main(args) == 2
    assert f"recipe {tmp_path / 'mine.toml'}: --augment.flip is 2" in capsys.readouterr().err
    (tmp_path / "mine.toml").write_text("# Mine\nepochs = 3\n[augment]\nflip = 0.2\n")
    assert main([*args, "--augment.flip", "1.5"]) == 2
    assert "error: --augment.flip is 1.5" in capsys.readouterr().err
    assert main([*args, "--augment.flip", "0.5", "--warmup-epochs", "3"]) == 2
    assert "less than --epochs 3" in capsys.readouterr().err
    (tmp_path / "mine.toml").write_text("epoch = 3\n")
    assert main(args) == 2
    assert "epoch is no setting; did you mean epochs?" in capsys.readouterr().err
    assert main(["compare", *args[:2], "--recipe", "fractl", "--out", str(tmp_path / "out")]) == 2
    assert "did you mean fractal?" in capsys.readouterr().err


def test_recipes_targets_and_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    for word in (*NAMES, "hmdb51", "folder", "r3d_10"):
        assert f"  {word} " in shown or f"  {word}\n" in shown


def test_other_epochs_keep_a_recipes_share_of_warm_up() -> None:
    """In three epochs, the three of the recipe would leave none to train in."""
    own = starting_recipe(["--recipe", "small_cpu"])
    assert (own.epochs, own.warmup_epochs) == (30, 3)
    for words in (["--epochs", "3"], ["--epochs=3"]):
        assert starting_recipe(["--recipe", "small_cpu", *words]).warmup_epochs == pytest.approx(0.3)
    assert starting_recipe(["--recipe", "small_cpu", "--epochs", "many"]) == own
    assert starting_recipe(["--epochs", "3"]) == Recipe()
