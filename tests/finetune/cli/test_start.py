"""What a fine-tuning starts from where nobody says it."""

from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.cli.options import starting_point
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.pretrain.weights import SMALL, load_card, shipped_weights
from tests.finetune.helpers import metrics


@pytest.mark.parametrize(
    ("target", "model", "init", "start"),
    [
        ("folder", None, None, SMALL),
        ("folder", "r3d_18", None, "scratch"),
        ("folder", None, "scratch", "scratch"),
        ("hmdb51", None, None, "scratch"),
        ("hmdb51", None, SMALL, SMALL),
    ],
)
def test_own_videos_start_from_the_weights_that_are_here(
    target: str, model: str | None, init: str | None, start: str
) -> None:
    assert starting_point(init, TargetOptions(target), Recipe(model=model))[0] == start


def test_the_run_says_it(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"--target folder --data {data} --out {tmp_path / 'out'} --cache-dir {tmp_path / 'c'} --no-progress"
    assert main([*words.split(), "--size", "16", "--epochs", "1", "--views", "1", "--device", "cpu"]) == 0
    got, file = metrics(tmp_path / "out"), shipped_weights(SMALL)
    assert file is not None
    card = load_card(file)
    wanted = (SMALL, card.architecture, card.clip_len)
    assert (got["init"]["label"], got["model"], got["clip"]["clip_len"]) == wanted
    assert f"folder from {SMALL}" in capsys.readouterr().out
