"""What several tests of the command `finetune` need: videos that a small network can tell apart, and weights."""

from pathlib import Path

import pytest

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from tests.finetune.helpers import folder_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "fractal"
    folder.mkdir()
    card = Card("r3d_10", 5, 2, 16, 2, None, None, 1, 1)
    save_weights(folder / "weights.safetensors", build_model("r3d_10", 5, seed=1), card)
    return folder
