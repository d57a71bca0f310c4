"""Folders of weights as libraries and hubs lay them: whole files, parts, and what is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.initial import build_initial, parse_initial
from fractalvid.utils.errors import UserError
from tests.pretrain.weights.test_initial import weights

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return build_model("r3d_10", 5, seed=3).state_dict()


def whole(folder: Path, state: State) -> None:
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def pickled(folder: Path, state: State) -> None:
    torch.save(state, folder / "pytorch_model.bin")


def in_parts(folder: Path, state: State, *, pickle: bool = False) -> dict[str, str]:
    names = sorted(state)
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{'pytorch_model' if pickle else 'model'}-0000{number}-of-00002.{'bin' if pickle else 'safetensors'}"
        tensors = {name: state[name] for name in part}
        torch.save(tensors, folder / file) if pickle else save_file(tensors, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / f"{'pytorch_model.bin' if pickle else 'model.safetensors'}.index.json").write_text(json.dumps(index))
    return weight_map


def pickled_parts(folder: Path, state: State) -> None:
    in_parts(folder, state, pickle=True)


@pytest.mark.parametrize("write", [whole, pickled, in_parts, pickled_parts])
@pytest.mark.parametrize("arch", ["", ":r3d_10"])
def test_folders_begin_a_network(tmp_path: Path, state: State, write: Callable[..., Any], arch: str) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", state)
    (tmp_path / "mine" / "config.json").write_text('{"architectures": ["Other"]}')
    init = parse_initial(f"{tmp_path / 'mine'}{arch}")
    assert (init.label, init.kind, init.model) == ("mine", "checkpoint", "r3d_10")
    network, told = build_initial("r3d_10", 2, init, seed=0)
    made = network.state_dict()
    assert all(torch.equal(made[name], tensor) for name, tensor in state.items() if not name.startswith("fc."))
    assert "without a card" in told


def test_an_index_is_given_itself_and_any_change_of_a_part_is_another_file(tmp_path: Path, state: State) -> None:
    in_parts(tmp_path, state)
    index = tmp_path / "model.safetensors.index.json"
    first = parse_initial(str(index))
    assert (first.path, first.label) == (str(index), tmp_path.name)
    in_parts(tmp_path, {**state, "stem.0.weight": state["stem.0.weight"] + 1})
    assert parse_initial(str(index)).sha256 != first.sha256


def test_safetensors_come_before_pickles_and_runs_before_both(tmp_path: Path, state: State) -> None:
    run = weights(tmp_path / "run").parent
    pickled(run, state)
    assert parse_initial(str(run)).kind == "weights"
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "pytorch_model.bin").write_bytes(b"no weights")
    whole(tmp_path / "both", state)
    assert str(parse_initial(str(tmp_path / "both")).path).endswith("model.safetensors")
    (run / "weights.json").unlink()
    assert parse_initial(str(run)).kind == "checkpoint"


def test_a_hubs_cache_is_called_as_its_model(tmp_path: Path, state: State) -> None:
    cache = tmp_path / "models--somebody--small-net"
    first, second = (cache / "snapshots" / name for name in ("0a1b", "2c3d"))
    (cache / "blobs").mkdir(parents=True)
    first.mkdir(parents=True)
    whole(cache / "blobs", state)
    (cache / "blobs" / "model.safetensors").rename(cache / "blobs" / "f00d")
    (first / "model.safetensors").symlink_to(cache / "blobs" / "f00d")
    init = parse_initial(str(cache))
    assert (init.label, init.path) == ("small-net", str(first / "model.safetensors"))
    assert build_initial("r3d_10", 2, init, seed=0)
    second.mkdir()
    whole(second, state)
    with pytest.raises(UserError, match=r"holds several snapshots: give one, as .*0a1b"):
        parse_initial(str(cache))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("2c3d")
    assert parse_initial(str(cache)).path == str(second / "model.safetensors")


def test_a_folder_without_weights_says_what_there_could_be(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"no weights at .*FOLDER:ARCH with model\.safetensors or .*index\.json"):
        parse_initial(str(tmp_path))


def test_parts_that_are_damaged_are_refused(tmp_path: Path, state: State) -> None:
    weight_map = in_parts(tmp_path, state)
    index, one = tmp_path / "model.safetensors.index.json", "model-00001-of-00002.safetensors"

    def refused(told: str, **changed: str) -> None:
        index.write_text(json.dumps({"weight_map": {**weight_map, **changed}}))
        with pytest.raises(UserError, match=told):
            parse_initial(str(tmp_path))

    refused("names '../x.safetensors', which is no file beside it", a="../x.safetensors")
    refused("names '/etc/passwd', which is no file beside it", a="/etc/passwd")
    refused("which is no file beside it", a=index.name)
    refused("which is no file beside it", a="")
    refused(r"1 of 3 parts are missing \(model-3.safetensors\): get the whole folder again", a="model-3.safetensors")
    refused(r"lacks a, which model.safetensors.index.json says it holds", a=one)
    for text in ("", "[]", '{"weight_map": {}}', '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{}", "\0"):
        index.write_text(text)
        with pytest.raises(UserError, match=r"index\.json"):
            parse_initial(str(tmp_path))
    in_parts(tmp_path, state)
    (tmp_path / one).write_bytes((tmp_path / one).read_bytes()[:100])
    with pytest.raises(UserError, match=f"{one} can't be read"):
        parse_initial(str(tmp_path))
    (tmp_path / one).unlink()
    with pytest.raises(UserError, match=r"1 of 2 parts are missing"):
        parse_initial(str(tmp_path))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def test_no_code_in_parts_is_run(tmp_path: Path, state: State, capsys: pytest.CaptureFixture[str]) -> None:
    in_parts(tmp_path, state, pickle=True)
    torch.save({**state, "x": Evil()}, tmp_path / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(UserError, match="no code in it is run"):
        parse_initial(str(tmp_path))
    assert capsys.readouterr().out == ""
