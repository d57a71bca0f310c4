"""The examples of the README and of docs/ run, and what they promise is there."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from fractalvid.finetune.cli.commands import COMMANDS as SUBCOMMANDS
from fractalvid.pretrain.export import export_weights
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from fractalvid.video.encoding.writer import write_video

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


BLOCKS = [
    block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
]
SAID = {
    "DataLoader(fv.FractalSet(": "torch.Size([32, 3, 8, 256, 256]) torch.Size([32])",
    "lightning.Trainer(": "2",
    "DataLoader(stream, batch_size=None, num_workers=2):": "torch.Size([32, 3, 8, 112, 112]) torch.Size([32])",
    'seed=0, emulate="paper"': "torch.Size([32, 3, 8, 112, 112]) torch.Size([32, 8, 112, 112])",
    "emulate_clips(": "torch.Size([32, 3, 8, 112, 112])",
    "load_file(": "",
    'load_network("fractal-small")': "(2, 21)",
    "webdataset.WebDataset(": "(3, 256)",
    "Predictor(": "clip.mp4 ['clap', 'wave', 'run']",
    'fv.FractalSet("small_set", frames=8)\n': "torch.float32 torch.Size([3, 8]) 000000",
}
"""What tells a block from the others, and what its last line prints."""


GENERATE = [sys.executable, "-m", "fractalvid", "generate", "--classes", "8"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set, as the examples read one."""
    out = tmp_path_factory.mktemp("examples") / "dataset"
    subprocess.run(
        [*GENERATE, "--clips", "5", "--points", "5000", "--out", out], env=environment(), check=True, timeout=120
    )
    shutil.copytree(out, out.with_name("small_set"))
    return out


@pytest.mark.parametrize("mark", SAID)
def test_the_python_examples_run(mark: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert len(BLOCKS) == len(SAID)
    (block,) = (block for block in BLOCKS if mark in block)
    where = tmp_path
    if "import lightning" in block:
        pytest.importorskip("lightning", reason="this example needs the package lightning, which dev brings")
    if 'fv.FractalSet("dataset"' in block or 'fv.FractalSet("small_set"' in block:
        where = request.getfixturevalue("dataset").parent
    if "import webdataset" in block:
        pytest.importorskip("webdataset", reason="this example needs the package webdataset, which dev brings")
        shards = [
            *GENERATE,
            "--clips",
            "1",
            "--points",
            "2000",
            "--format",
            "webdataset",
            "--out",
            str(tmp_path / "shards_set"),
        ]
        subprocess.run(shards, env=environment(), check=True, timeout=120)
    if 'load_file("weights.safetensors")' in block:
        card = Card("r3d_18", 1000, 8, 112, 2.0, None, None, 0, 1, {"arch": "r3d_18"}, {})
        save_weights(tmp_path / "run.safetensors", build_model("r3d_18", 1000, seed=0), card)
        export_weights(tmp_path / "run.safetensors", tmp_path / "exported")
        where = tmp_path / "exported"
    if "Predictor(" in block:
        fine_tuned(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, timeout=250, cwd=where, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert "".join(done.stdout.splitlines()[-1:]) == SAID[mark]


def fine_tuned(folder: Path) -> None:
    """What the example of a fine-tuned network asks for: weights that say the same of any clip, and a clip."""
    network = build_model("r3d_10", 3, seed=0)
    with torch.no_grad():
        network.get_parameter("fc.weight").zero_()
        network.get_parameter("fc.bias").copy_(torch.tensor([3.0, 2.0, 1.0]))
    classes = {"classes": ["clap", "wave", "run"], "views": 1, "crops": 1}
    card = Card("r3d_10", 3, 4, 32, 1.0, (0.4,) * 3, (0.2,) * 3, 0, None, classes, {})
    (folder / "runs" / "mine").mkdir(parents=True)
    save_weights(folder / "runs" / "mine" / "weights.safetensors", network, card)
    write_video(folder / "clip.mp4", np.zeros((8, 36, 48, 3), np.uint8), fps=4)


def environment() -> dict[str, str]:
    """Examples run in a folder of their own, with this copy of the project."""
    return os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def test_linked_files_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


FRACTALVID = ("classes import", "classes", "generate", "preview", "merge", "verify", "stats", "demo")
COMMANDS = (
    *(f"fractalvid {name}" for name in FRACTALVID),
    *(f"finetune bias {name}" for name in ("gap", "overlap")),
    *(f"finetune {name}" for name in SUBCOMMANDS),
    *("finetune", "pretrain export", "pretrain"),
)
"""Longer names before those they begin with."""
EVERYWHERE = frozenset({"--help-all", "--version", "--tyro-print-completion"})
"""Options that every command has, and no help lists."""
OPTION = re.compile(r"(?<!\S)--[a-z][\w.-]*")


def snippets(text: str) -> list[str]:
    """What a page shows as code: lines of blocks, without comments, and code in its prose."""
    text = re.sub(r"```python\n.*?```", "", text, flags=re.S).replace("\\\n", " ")
    blocks = [*re.findall(r"```\w*\n(.*?)```", text, re.S), *re.findall(r"^ {4}(.*)$", text, re.M)]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    return [" ".join(call.split()) for code in lines + spans for call in code.split("&&")]


def command_of(snippet: str) -> str | None:
    """Which command a snippet calls, in prose also without its program's name: `verify --repair`."""
    ours = (name for name in COMMANDS if re.match(rf"(?:{name}|{name.removeprefix('fractalvid ')})(?!\S)", snippet))
    return next(ours, None)


@cache
def options(command: str) -> frozenset[str]:
    """The options of a command: what begins the entries of its help."""
    program, *rest = command.split()
    call = [sys.executable, "-m", program, *rest, "--help-all"]
    env = os.environ | {"COLUMNS": "80"}
    text = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT, env=env).stdout
    # An option of two names stands with each as `--model STR, --arch STR`.
    entries = re.findall(r"^│ ((?:-\w, )?--[a-z].*?)(?:  |$)", text, re.M)
    return frozenset(name for entry in entries for name in OPTION.findall(entry.replace(",", " "))) | EVERYWHERE


def unknown(text: str) -> set[str]:
    """Options a page names that its commands do not have; one without a command has to be some command's."""
    wrong = set()
    for snippet in snippets(text):
        command = command_of(snippet)
        if command is None and not snippet.startswith("--"):
            continue
        for option in OPTION.findall(snippet):
            if not any(option in options(name) for name in ([command] if command else COMMANDS)):
                wrong.add(f"{command}: {option}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_options_it_names_exist(page: Path) -> None:
    assert unknown(page.read_text(encoding="utf-8")) == set()


def test_every_command_that_has_options_is_shown() -> None:
    shown = {command_of(snippet) for page in PAGES for snippet in snippets(page.read_text(encoding="utf-8"))}
    assert shown >= set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```bash\nfractalvid classes --kind shapes \\\n    --shapes.nosuch 0 0  # a\n```", "--shapes.nosuch"),
        ("    fractalvid generate --clip 3", "--clip"),
        ("In prose `pretrain --recip small_cpu` trains.", "--recip"),
        ("`verify --repairs` makes it again", "--repairs"),
        ("`fractalvid classes import --classes 3`", "--classes"),
        ("`--nosuch 3` does", "--nosuch"),
    ],
)
def test_options_that_do_not_exist_are_found(text: str, wrong: str) -> None:
    assert [one.split(": ")[1] for one in unknown(text)] == [wrong]


def test_what_is_no_command_of_ours_is_left_alone() -> None:
    assert unknown("`pip install --upgrade x`, `python -m benchmarks.y --nosuch`\n\n    pytest --nosuch\n") == set()
