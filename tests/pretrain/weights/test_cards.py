import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fractalvid.pretrain.models import build_model, head_name
from fractalvid.pretrain.weights.cards import Card, find_weights, in_head, load_card, save_weights
from fractalvid.pretrain.weights.initial import parse_initial
from fractalvid.pretrain.weights.loading import LoadReport, load_backbone, load_backbone_state, load_network
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import equal_state, saved_model

CARD = Card(
    architecture="r3d_10",
    num_classes=4,
    clip_len=8,
    size=64,
    frame_stride=2,
    mean=(0.4, 0.4, 0.4),
    std=None,
    seed=3,
    stream_version=2,
    config={"optim": {"lr": 1e-3}},
    metrics={"top1": 0.25},
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    save_weights(path, build_model("r3d_10", 4, seed=1), CARD)
    return path


def test_weights_and_card_come_back(weights: Path) -> None:
    assert load_card(weights) == CARD
    assert equal_state(saved_model(weights), build_model("r3d_10", 4, seed=1))
    assert load_card(weights.parent) == load_card(weights.with_suffix(".json")) == CARD
    assert find_weights(weights.parent) == weights
    assert sorted(p.name for p in weights.parent.iterdir()) == ["weights.json", "weights.safetensors"]


def test_channels_last_weights_are_saved_as_usual(tmp_path: Path) -> None:
    model = build_model("r3d_10", 4, seed=1).to(memory_format=torch.channels_last_3d)
    save_weights(tmp_path / "w.safetensors", model, CARD)
    assert equal_state(saved_model(tmp_path / "w.safetensors"), build_model("r3d_10", 4, seed=1))


def test_weights_and_cards_that_do_not_belong_together_are_not_written(tmp_path: Path) -> None:
    network, path = build_model("r3d_10", 4, seed=1), tmp_path / "w.safetensors"
    wrong: list[tuple[Path, dict[str, Any], str]] = [
        (path, {"num_classes": 9}, "it says 9 classes, the head of r3d_10 in them has 4"),
        (path, {"architecture": "r3d10"}, "did you mean r3d_10"),
        (path, {"config": {"at": tmp_path}}, "can't be written: Object of type PosixPath"),
        (tmp_path / "w.pt", {}, "has to end in .safetensors"),
    ]
    for place, changes, told in wrong:
        with pytest.raises(UserError, match=told):
            save_weights(place, network, dataclasses.replace(CARD, **changes))
    assert not list(tmp_path.iterdir())


def test_a_card_has_a_value_for_all_channels_or_for_each(weights: Path, tmp_path: Path) -> None:
    told = json.loads(weights.with_suffix(".json").read_text())
    for mean, known in (([0.4], True), ([0.4, 0.4, 0.4], True), ([0.1, 0.2], False)):
        (tmp_path / "w.json").write_text(json.dumps(told | {"mean": mean}))
        if known:
            assert load_card(tmp_path / "w.json").mean == tuple(mean)
        else:
            with pytest.raises(UserError, match="mean has 2 values; expected 1 or 3"):
                load_card(tmp_path / "w.json")


def test_paths_may_be_text(weights: Path) -> None:
    assert load_card(str(weights.parent)) == CARD
    assert equal_state(load_network(str(weights)), build_model("r3d_10", 4, seed=1))
    assert parse_initial(weights).path == str(weights.resolve())


@pytest.mark.parametrize("name", ["r3d_10", "tsm_mobilenet_v2"])
def test_the_head_stays_as_it_is_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", build_model(name, 4, seed=1), dataclasses.replace(CARD, architecture=name))
    network = build_model(name, 4, seed=2)
    head = {k: v.clone() for k, v in network.state_dict().items() if in_head(k, head_name(name))}
    load_backbone(network, tmp_path / "w.safetensors")
    assert head and all(torch.equal(network.state_dict()[k], v) for k, v in head.items())
    with pytest.raises(UserError, match="head is 'haed', and this"):
        load_backbone(network, tmp_path / "w.safetensors", head="haed")


SAVE = """
import sys
from pathlib import Path
import torch
from fractalvid.pretrain.weights.cards import Card, save_weights
module = torch.nn.BatchNorm1d(3)
for k in range(12):
    save_weights(Path(sys.argv[1]) / f"{k}.safetensors", module, Card("r3d_10", 0, 8, 64, 2, None, None, 0, 1))
"""


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    contents = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVE, str(folder)], check=True, env=environment)
        contents |= {(folder / f"{k}.safetensors").read_bytes() for k in range(12)}
    assert len(contents) == 1


def test_weights_that_name_their_architecture_twice_are_read(tmp_path: Path) -> None:
    """As earlier versions wrote them."""
    path, model = tmp_path / "w.safetensors", build_model("r3d_10", 4, seed=1)
    save_weights(path, model, CARD)
    save_file(model.state_dict(), path, metadata={"format": "pt", "architecture": "r3d_10"})
    assert equal_state(saved_model(path), model)
    assert load_backbone(build_model("r3d_10", 9, seed=2), path).missing == ("fc.weight", "fc.bias")


def test_the_backbone_is_loaded_and_the_head_is_not(weights: Path) -> None:
    model, source = build_model("r3d_10", 9, seed=2), build_model("r3d_10", 4, seed=1).state_dict()
    head = model.state_dict()["fc.weight"].clone()
    report = load_backbone(model, weights)
    assert set(report.missing) == set(report.unexpected) == {"fc.weight", "fc.bias"}
    assert len(report.matched) == len(source) - 2
    after = model.state_dict()
    assert all(torch.equal(after[k], source[k]) for k in report.matched)
    assert torch.equal(after["fc.weight"], head)
    assert "fc.weight" in str(report)


def test_a_partial_load_is_refused_and_changes_nothing() -> None:
    source = dict(build_model("r3d_10", 4, seed=1).state_dict())
    cases = {
        "1 missing": {k: v for k, v in source.items() if k != "layer2.0.conv1.0.weight"},
        "1 left over": {**source, "layer5.weight": torch.zeros(1)},
        "1 of another shape": {**source, "stem.0.weight": torch.zeros(16, 3, 3, 7, 7)},
        "missing": {},
    }
    for fault, state in cases.items():
        model = build_model("r3d_10", 4, seed=2)
        with pytest.raises(UserError, match=f"my weights do not fit.*{fault}"):
            load_backbone_state(model, state, head="fc", source="my weights")
        assert equal_state(model, build_model("r3d_10", 4, seed=2))


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    with pytest.raises(UserError, match=r"\(r3d_10\) do not fit"):
        load_backbone(build_model("r3d_18", 4, seed=0), weights)


def test_a_synthetic_torchvision_state_dict_loads() -> None:
    state = {k: v for k, v in build_model("r3d_18", 400, seed=1).state_dict().items() if "tracked" not in k}
    report = load_backbone_state(build_model("r3d_18", 51, seed=2), state, head="fc", source="Kinetics weights")
    assert isinstance(report, LoadReport)
    assert "stem.0.weight" in report.matched
    assert set(report.unexpected) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("content", [b"", b"not weights", None], ids=["empty", "foreign", "truncated"])
def test_broken_weights_are_a_user_error(weights: Path, tmp_path: Path, content: bytes | None) -> None:
    copy = tmp_path / "w.safetensors"
    copy.write_bytes(weights.read_bytes()[:5000] if content is None else content)
    copy.with_suffix(".json").write_bytes(weights.with_suffix(".json").read_bytes())
    with pytest.raises(UserError, match=r"w\.safetensors can't be read"):
        load_backbone(build_model("r3d_10", 4, seed=0), copy)


def test_missing_weights_and_cards_are_a_user_error(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights at"):
        find_weights(tmp_path)
    (tmp_path / "w.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(UserError, match="card"):
        load_card(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "not a card"),
        ('{"format": "other"}', "not a card"),
        ('{"format": "fractalvid.weights", "version": 99}', "version 99"),
        ('{"format": "fractalvid.weights", "version": 1, "architecture": "r3d_10"}', "damaged"),
        ('{"format": "fractalvid.weights", "version": 1, "nonsense": 1}', "damaged"),
    ],
)
def test_broken_cards_are_a_user_error(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(UserError, match=fault):
        load_card(tmp_path / "w.json")


def test_cards_are_json_whatever_the_metrics(tmp_path: Path) -> None:
    card = dataclasses.replace(CARD, metrics={"top1": 1 / 3}, mean=None)
    save_weights(tmp_path / "w.safetensors", build_model("r3d_10", 4, seed=1), card)
    assert load_card(tmp_path / "w.safetensors") == card
