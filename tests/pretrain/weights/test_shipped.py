"""Weights that come with the program."""

from pathlib import Path

import pytest
import torch

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights import (
    SMALL,
    load_backbone,
    load_card,
    load_network,
    load_tensors,
    parse_initial,
    shipped_weights,
)
from fractalvid.pretrain.weights.initial import build_initial
from fractalvid.utils.errors import UserError

MOST = 8 * 2**20
"""Bytes."""


def small() -> Path:
    file = shipped_weights(SMALL)
    assert file is not None
    return file


def test_they_are_small_and_of_no_real_video() -> None:
    assert small().stat().st_size <= MOST
    card = load_card(small())
    assert card.stream_version is not None
    assert card.config["videos"] is None and card.config["init"] is None


def test_a_network_begins_with_them_in_single_precision() -> None:
    init, arch = parse_initial(SMALL), load_card(small()).architecture
    assert (init.label, init.kind, init.model) == (SMALL, "weights", arch)
    network, told = build_initial(arch, 3, init, seed=0)
    stored, fresh = load_tensors(small()), build_model(arch, 3, seed=0).state_dict()
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc."):
            assert tensor.dtype == fresh[name].dtype
            torch.testing.assert_close(tensor, stored[name].to(tensor.dtype), rtol=0, atol=0)
    assert "newly initialised: fc.weight, fc.bias" in told


def test_their_network_loads_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network, stored = load_network(SMALL).state_dict(), load_tensors(small())
    assert all(torch.equal(tensor, stored[name].to(tensor.dtype)) for name, tensor in network.items())


def test_their_card_and_backbone_load_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    card = load_card(SMALL)
    assert card == load_card(small())
    network = build_model(card.architecture, 3, seed=0)
    report = load_backbone(network, SMALL)
    assert len(report.matched) > len(report.missing) == 2
    assert torch.equal(network.state_dict()["stem.0.weight"], load_network(SMALL).state_dict()["stem.0.weight"])


def test_they_can_be_named_and_their_network_said() -> None:
    assert parse_initial(f"mine={SMALL}").label == "mine"
    assert parse_initial(f"{SMALL}:{load_card(small()).architecture}").label == SMALL


def test_they_fit_no_other_network() -> None:
    with pytest.raises(UserError, match="are not for r3d_18"):
        parse_initial(SMALL, "r3d_18")


def test_a_file_of_that_name_does_not_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / SMALL).mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_initial(SMALL).path == str(small().resolve())
    assert f"./{SMALL} is what lies here" in capsys.readouterr().err
