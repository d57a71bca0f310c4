"""Weights as people have them: networks of torchvision with other heads, saved in every usual way."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models.video import mc3_18, r2plus1d_18, r3d_18, s3d

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.initial import build_initial, parse_initial
from fractalvid.pretrain.weights.matching import find_network
from fractalvid.utils.errors import UserError

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def theirs() -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return dict(mc3_18(num_classes=11).state_dict())


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def lightning(state: State) -> dict[str, Any]:
    loops = {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}}
    rest = {"epoch": 3, "global_step": 30, "pytorch-lightning_version": "2.5.0", "loops": loops, "callbacks": {}}
    return {
        **rest,
        "state_dict": {**prefixed(state, "model."), "criterion.weight": torch.ones(11)},
        "lr_schedulers": [],
    }


def training(state: State) -> dict[str, Any]:
    moments = {n: {"step": torch.tensor(1.0), "exp_avg": tensor} for n, tensor in enumerate(state.values())}
    return {"model": state, "optimizer": {"state": moments, "param_groups": []}, "epoch": 3, "args": {"lr": 0.1}}


def sequential_head(state: State) -> State:
    return {name.replace("fc.", "fc.1."): tensor for name, tensor in state.items()}


WAYS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "module": lambda state: prefixed(state, "module."),
    "nested": lambda state: prefixed(state, "module._orig_mod."),
    "compiled inside": lambda state: {name.replace("layer2.", "layer2._orig_mod."): t for name, t in state.items()},
    "encoder": lambda state: {**prefixed(state, "encoder."), "projector.0.weight": torch.ones(4, 4)},
    "model_state": lambda state: {"model_state": prefixed(state, "backbone.")},
    "deep": lambda state: {"checkpoint": {"network": {"state_dict": state}}},
    "lightning": lightning,
    "training": training,
    "another head": sequential_head,
    "no head": lambda state: {name: tensor for name, tensor in state.items() if not name.startswith("fc.")},
    "half": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
    "bf16": lambda state: {n: t.bfloat16() if t.is_floating_point() else t for n, t in state.items()},
    "strided": lambda state: {n: t.mT.contiguous().mT if t.ndim > 1 else t for n, t in state.items()},
    "counters": lambda state: {n.replace("num_batches_tracked", "total_ops"): t for n, t in state.items()},
    "queries and keys": lambda s: prefixed(s, "module.encoder_q.") | prefixed(shifted(s), "module.encoder_k."),
    "averages beside": lambda state: {"model": state, "model_ema": prefixed(shifted(state), "module.")},
    "parameters": lambda state: {n: nn.Parameter(t) if t.is_floating_point() else t for n, t in state.items()},
}  # fmt: skip


def shifted(state: State) -> State:
    return {name: tensor + 1 for name, tensor in state.items()}


def check_loaded(init: str, state: State, tolerance: float = 0.0) -> str:
    found = parse_initial(init)
    assert (found.kind, found.model, found.clip_len, found.size) == ("checkpoint", "mc3_18", 16, 112)
    network, told = build_initial("mc3_18", 5, found, seed=1)
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
            assert tensor.dtype == torch.float32
            torch.testing.assert_close(tensor, state[name], rtol=tolerance, atol=tolerance)
    assert "newly initialised: fc.weight, fc.bias" in told and "\n" not in told
    return told


@pytest.mark.parametrize("way", WAYS)
def test_weights_are_found_however_they_were_saved(way: str, theirs: State, tmp_path: Path) -> None:
    torch.save(WAYS[way](theirs), tmp_path / "w.pth")
    told = check_loaded(str(tmp_path / "w.pth"), theirs, {"half": 1e-3, "bf16": 1e-2}.get(way, 0.0))
    assert "mean 0.432 0.395 0.376 and deviation 0.228 0.221 0.217 are assumed, as is usual for mc3_18" in told
    loaded = {"no head": "120 of 122", "counters": "100 of 122"}.get(way, "120 of 122")
    assert told.startswith(f"{loaded} tensors loaded")
    if way == "queries and keys":
        assert "from module.encoder_q., not from its copy module.encoder_k." in told
    if way == "averages beside":
        assert "from model, not from its copy model_ema module." in told
    if way == "encoder":
        assert "projector.0.weight" in told


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "pytorch_model.bin", "w.safetensors", "odd.weights", "a b=c.pth"])
def test_a_file_is_known_by_what_it_holds(name: str, theirs: State, tmp_path: Path) -> None:
    file = tmp_path / name
    if name.endswith(("safetensors", "weights")):
        safetensors.torch.save_file(prefixed(theirs, "model."), file)
    else:
        torch.save(theirs, file)
    check_loaded(str(file), theirs)
    check_loaded(f"{file}:mc3_18", theirs)
    assert parse_initial(f"mine={file}:mc3_18").label == "mine"


def test_an_average_alone_is_taken(theirs: State, tmp_path: Path) -> None:
    network = mc3_18(num_classes=11)
    network.load_state_dict(theirs)
    torch.save(AveragedModel(network).state_dict(), tmp_path / "swa.pth")
    assert "from module.;" in check_loaded(str(tmp_path / "swa.pth"), theirs)


@pytest.mark.parametrize(
    ("network", "arch"), [(r3d_18, "r3d_18"), (mc3_18, "mc3_18"), (r2plus1d_18, "r2plus1d_18"), (s3d, "s3d")]
)
def test_the_network_is_told_by_its_tensors(network: Callable[..., nn.Module], arch: str, tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save(network(num_classes=3).state_dict(), file)
    assert find_network(file).arch == arch
    assert build_initial(arch, 4, parse_initial(str(file)), seed=0)[0].state_dict().keys()
    other = "r3d_18" if arch != "r3d_18" else "s3d"
    with pytest.raises(UserError, match=rf"^--init .*do not fit {other}: \d+ of \d+ .*; they are those of {arch}: say"):
        parse_initial(f"{file}:{other}")
    with pytest.raises(UserError, match=f"do not fit {other}"):
        parse_initial(str(file), other)


def deeper(state: State) -> State:
    return {**state, "layer1.2.conv1.0.weight": state["layer1.1.conv1.0.weight"]}


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: state | {name: change(state[name])}


STEM = "stem.0.weight"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda state: {"weight": torch.ones(3)}, r"\(weight\) are of none of the networks here$"),
        (lambda state: dict(list(state.items())[:60]), r"nearest is mc3_18: \d+ of 100 tensors match, \d+ missing"),
        (deeper, r"1 left over \(first: layer1\.2\.conv1"),
        (changed(STEM, lambda t: t[:, :1]), r"first: stem\.0\.weight is \(64, 1, 3, 7, 7\), not \(64, 3, 3, 7, 7\)"),
        (changed(STEM, lambda t: t.to(torch.int8)), r"stem\.0\.weight is torch\.int8"),
        (changed(STEM, lambda t: t.to("meta")), r"stem\.0\.weight is torch\.float32, without values"),
        (changed(STEM, lambda t: t * float("nan")), r"not finite in 1 tensor \(first: stem\.0\.weight\)"),
        (lambda state: {"a": state, "b": shifted(state)}, "holds several networks, under a, b: save the one"),
        (lambda state: {"x": 3, "y": "text"}, "holds no tensors by name, as a state_dict does; it has x, y"),
        (lambda state: {"state_dict": state, "hyper_parameters": argparse.Namespace(lr=1)},
         r"such as a argparse\.Namespace, and no code in it is run; if you trust it, .*torch\.save\(c"),
    ],
)  # fmt: skip
def test_what_would_be_a_silent_part_is_refused(
    make: Callable[[State], Any], told: str, theirs: State, tmp_path: Path
) -> None:
    torch.save(make(theirs), tmp_path / "w.pth")
    with pytest.raises(UserError, match=told) as error:
        parse_initial(str(tmp_path / "w.pth"))
    assert "\n" not in str(error.value)


def test_programs_are_not_run(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.warns(UserWarning), pytest.raises(UserError, match=r"a program \(TorchScript\), which is not run"):
        parse_initial(str(tmp_path / "w.pt"))


def test_paths_are_told_from_labels_and_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = build_model("r3d_10", 3, seed=0)
    for folder in ("lr=1", r"C:\runs"):
        (tmp_path / folder).mkdir()
        torch.save(network.state_dict(), tmp_path / folder / "w.pth")
    (tmp_path / "lr=1" / "w.pth").rename(tmp_path / "lr=1" / "v.pth")
    for text, label in [
        ("lr=1/v.pth:r3d_10", "v"),
        ("a=lr=1/v.pth:r3d_10", "a"),
        (r"C:\runs/w.pth:r3d_10", "w"),
        (r"b=C:\runs/w.pth", "b"),
    ]:
        found = parse_initial(text)
        assert (found.label, found.model) == (label, "r3d_10")
    for text, file in [
        (r"C:\absent\w.pth", r"C:\\absent\\w\.pth"),
        (r"C:\absent\w.pth:r3d_10", r"C:\\absent\\w\.pth"),
        (r"C:\lr=1\w.pth", r"C:\\lr=1\\w\.pth"),
        ("C:w.pth", r"C:w\.pth"),
        ("./lr=2/w.pth", r"lr=2/w\.pth"),
    ]:
        with pytest.raises(UserError, match=rf"there is no file {file}$"):
            parse_initial(text)


def nested_in_itself(theirs: State) -> dict[str, Any]:
    content: dict[str, Any] = {"model": dict(theirs)}
    for number in range(1000):
        content[f"k{number}"] = content
    return content


ODD_FILES: dict[str, Callable[[State], dict[str, Any]]] = {
    "a dictionary in itself": nested_in_itself,
    "a name of very many parts": lambda theirs: {**theirs, "a." * 400_000 + "w": torch.zeros(2)},
    "many names of many parts": lambda theirs: {
        **theirs,
        **{f"n{number}." + "a." * 150 + "weight": torch.zeros(2) for number in range(5000)},
    },
    "a nested tensor": lambda theirs: {
        **theirs,
        "jagged": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=torch.strided),
    },
    "float8": lambda theirs: {
        name: value.to(torch.float8_e4m3fn) if value.is_floating_point() else value for name, value in theirs.items()
    },
}


@pytest.mark.parametrize("odd", ODD_FILES)
@pytest.mark.timeout(60)
def test_odd_files_are_read_within_moments(odd: str, theirs: State, tmp_path: Path) -> None:
    torch.save(ODD_FILES[odd](theirs), tmp_path / "odd.pth")
    try:
        assert find_network(tmp_path / "odd.pth").arch == "mc3_18"
    except UserError as error:
        assert odd == "a nested tensor"  # which torch has not put together since 2.15
        assert "holds more than tensors" in str(error)


def test_what_float32_can_not_hold_is_not_finite(theirs: State, tmp_path: Path) -> None:
    name = next(name for name, value in theirs.items() if value.is_floating_point())
    torch.save({**theirs, name: torch.full(theirs[name].shape, 1e300, dtype=torch.float64)}, tmp_path / "large.pth")
    with pytest.raises(UserError, match="not finite in 1 tensor"):
        find_network(tmp_path / "large.pth")


def test_long_names_do_not_fill_the_line(tmp_path: Path) -> None:
    torch.save({"x" * 10**6: torch.zeros(2), "y" * 400: torch.zeros(3)}, tmp_path / "long.pth")
    with pytest.raises(UserError, match="are of none of the networks here") as error:
        find_network(tmp_path / "long.pth")
    assert len(str(error.value)) < 2000
