"""Weights to give to others: loaded without this project, whole or not at all."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.cli import main
from fractalvid.pretrain.export import TORCHVISION, export_weights, readme
from fractalvid.pretrain.models import backbone, build_model
from fractalvid.pretrain.weights.cards import Card, load_card, load_tensors, save_weights
from fractalvid.pretrain.weights.loading import load_network
from fractalvid.utils.errors import UserError

_OPTIONS = "--arch r3d_10 --classes 3 --batch-size 4 --clip-len 2 --size 32 --points 1000 --val-clips 0 --no-progress"
OPTIONS = _OPTIONS.split()
ALONE = """
import sys
for name in ("fractalvid",):
    sys.modules[name] = None
{code}
print(model.eval()(torch.ones(1, 3, {frames}, {size}, {size})).sum().item())
"""


def card(name: str, classes: int, clip_len: int = 8, size: int = 64) -> Card:
    mean, std = (0.4, 0.4, 0.4), (0.2, 0.2, 0.3)
    return Card(name, classes, clip_len, size, 2.0, mean, std, 0, 1, {"arch": name}, {"top1": 0.5})


def snippet(text: str) -> str:
    found = re.search(r"```python\n(.*?)\n```", text, re.S)
    assert found
    return found[1]


def test_torchvisions_networks_load_without_this_project(tmp_path: Path) -> None:
    network = build_model("r3d_18", 5, seed=3).eval()
    save_weights(tmp_path / "w.safetensors", network, card("r3d_18", 5, 4, 32))
    export_weights(tmp_path / "w.safetensors", tmp_path / "out")
    code = snippet((tmp_path / "out" / "README.md").read_text())
    assert len(code.splitlines()) == 4  # two imports, the network, its weights
    script = ALONE.format(code="import torch\n" + code, frames=4, size=32)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "out", capture_output=True, text=True, check=True
    )
    with torch.no_grad():
        assert float(done.stdout) == pytest.approx(network(torch.ones(1, 3, 4, 32, 32)).sum().item(), rel=1e-4)


@pytest.mark.parametrize("name", [*TORCHVISION, "r3d_10", "x3d_s"])
@pytest.mark.parametrize("classes", [0, 7])
def test_every_snippet_runs(name: str, classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_model(name, classes, seed=1) if classes else backbone(name, seed=1)
    save_weights(tmp_path / "w.safetensors", network, card(name, classes))
    export_weights(tmp_path / "w.safetensors", tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    scope: dict[str, torch.nn.Module] = {}
    exec(snippet(readme(load_card(tmp_path / "out"))), scope)
    loaded = scope["model"].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


def test_runs_finished_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*OPTIONS, "--steps", "4", "--ema", "0.9", "--out", "run"]) == 0
    assert main(["export", "run", "--out", "whole"]) == 0
    (tmp_path / "run" / "weights.safetensors").rename(tmp_path / "last.safetensors")
    assert main(["export", "run", "--out", "part"]) == 0
    assert main(["export", "run/checkpoint.pt", "--out", "file"]) == 0
    whole = load_tensors(tmp_path / "whole")
    for name in ("part", "file"):
        tensors = load_tensors(tmp_path / name)
        assert tensors.keys() == whole.keys()
        assert all(torch.equal(tensors[key], whole[key]) for key in whole)
        assert load_card(tmp_path / name).num_classes == 3
        assert load_card(tmp_path / name).metrics == {"steps": 4}
    text = (tmp_path / "whole" / "README.md").read_text()
    assert "no real video was used" in text
    assert json.loads(text.partition("```json\n")[2].partition("\n```")[0])["classes"] == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--objective", "simclr"],
        ["--objective", "simclr", "--aux-curve", "1"],
        ["--objective", "simclr", "--ema", "0.9", "--aux-curve", "1"],
        ["--projector", "2"],
        ["--projector", "2", "--ema", "0.9"],
    ],
)
def test_a_network_without_a_head(options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*OPTIONS, "--steps", "2", *options, "--out", "run"]) == 0
    assert load_card(tmp_path / "run").num_classes == 0
    assert not any(key.startswith("fc.") for key in load_tensors(tmp_path / "run"))
    (tmp_path / "run" / "weights.safetensors").unlink()
    assert main(["export", "run", "--out", "out"]) == 0
    assert load_card(tmp_path / "out").num_classes == 0
    assert not any(key.startswith("fc.") for key in load_tensors(tmp_path / "out"))


@pytest.mark.parametrize("what", ["nothing", "taken", "truncated", "another"])
def test_mistakes_are_one_line_and_leave_nothing(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = tmp_path / "w.safetensors", tmp_path / "out"
    if what != "nothing":
        save_weights(weights, build_model("r3d_10", 3, seed=0), card("r3d_18" if what == "another" else "r3d_10", 3))
    if what == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    if what == "taken":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    assert main(["export", str(weights), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert {"nothing": "no weights", "taken": "exists already", "truncated": "truncated", "another": "do not fit"}[
        what
    ] in said
    assert out.exists() == (what == "taken")


def test_a_checkpoint_that_lacks_its_bank_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*OPTIONS, "--steps", "1", "--out", "run"]) == 0
    (tmp_path / "run" / "classes.npz").unlink()
    with pytest.raises(UserError, match=r"classes\.npz"):
        export_weights(Path("run/checkpoint.pt"), tmp_path / "out")
    ClassBank.sample(3, seed=0).save(tmp_path / "run" / "classes.npz")
    assert export_weights(Path("run/checkpoint.pt"), tmp_path / "out").exists()


def test_half_the_bytes_hold_no_large_numbers(tmp_path: Path) -> None:
    network = build_model("r3d_10", 4, seed=2)
    network.state_dict()["stem.1.running_var"][0] = 1e5
    save_weights(tmp_path / "w.safetensors", network, card("r3d_10", 4))
    with pytest.raises(UserError, match="float16 cannot hold"):
        export_weights(tmp_path / "w.safetensors", tmp_path / "half", half=True)
    assert not (tmp_path / "half" / "weights.safetensors").exists()


def test_half_the_bytes_hold_the_same_network_rounded(tmp_path: Path) -> None:
    network = build_model("r3d_10", 4, seed=2).eval()
    save_weights(tmp_path / "w.safetensors", network, card("r3d_10", 4))
    whole = export_weights(tmp_path / "w.safetensors", tmp_path / "whole")
    assert main(["export", str(tmp_path / "w.safetensors"), "--half", "--out", str(tmp_path / "half")]) == 0
    half = tmp_path / "half" / "weights.safetensors"
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    loaded = load_network(half).eval()
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    clip = torch.rand(1, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded(clip), network(clip), rtol=0.02, atol=0.02)
