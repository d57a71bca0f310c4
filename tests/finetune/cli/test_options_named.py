"""Options are called in messages as they are typed: each that an error names is one of a command that raises it."""

import ast
import re
from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.cli.commands import COMMANDS
from fractalvid.pretrain.cli import main as pretrain
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights

ROOT = Path(__file__).parents[3]
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?:\.[a-z-]+)*")
ELSEWHERE = {"--nproc-per-node", "--format", "--split"}
"""Of torchrun and of `fractalvid generate`, which messages of pretrain name."""


def named_in_errors(path: Path) -> set[str]:
    """Options in the texts of a file's `raise` statements."""
    raised = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Raise)]
    texts = (part.value for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {flag for text in texts if isinstance(text, str) for flag in FLAG.findall(text)}


def options_of(run: object, words: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert callable(run)
    assert run([*words, "--help-all"]) == 0
    found = set(FLAG.findall(capsys.readouterr().out))
    return found | {flag.partition(".")[0] for flag in found}  # texts put names together, as --augment.{name}


def test_every_option_named_in_an_error_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {name: options_of(main, [name], capsys) for name in COMMANDS}
    commands["finetune"] = options_of(main, [], capsys)
    everywhere = set.union(*commands.values())
    for path in sorted((ROOT / "finetune").rglob("*.py")):
        known = commands.get(path.stem, everywhere) if path.parent.name == "cli" else everywhere
        assert named_in_errors(path) <= known, path
    known = options_of(pretrain, [], capsys) | ELSEWHERE
    for path in sorted((ROOT / "pretrain").rglob("*.py")):
        if path.name != "export.py":
            assert named_in_errors(path) <= known, path


@pytest.mark.parametrize("command", ["finetune", "compare", "test", "prepare"])
@pytest.mark.parametrize(
    "words",
    [
        "--csv {csv} --fold-column fold",
        "--csv {csv} {fold} a",
        "--csv {csv} --fold-column fold {fold} a {split} 1",
        "{seed} -1",
        "--val-share 2",
        "--val-by file",
        "--csv {csv} --val-share 1.5",
    ],
)
def test_shared_messages_name_the_options_of_their_command(
    command: str, words: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = "s" if command == "compare" else ""
    if "{seed}" in words and command in ("test", "prepare"):
        pytest.skip("it has no seed")
    csv = tmp_path / "t.csv"
    csv.write_text("path,label,split,fold\na.mp4,a,train,a\nb.mp4,b,test,b\n")
    plural = {name: f"--{name}{several}" for name in ("fold", "split", "seed")}
    needed = {"compare": ["--out", str(tmp_path / "out")], "test": ["--weights", str(weights_of(tmp_path))]}
    begin = [] if command == "finetune" else [command]
    args = [*begin, "--target", "folder", "--data", str(data), *needed.get(command, [])]
    assert main([*args, *words.format(csv=csv, **plural).split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    named = set(FLAG.findall(said))
    assert named, said
    assert named <= options_of(main, begin, capsys), said


def weights_of(folder: Path) -> Path:
    (folder / "w").mkdir()
    card = Card("r3d_10", 2, 2, 16, 1, (0.5,) * 3, (0.5,) * 3, 3, 1, config={"classes": ["dark", "light"]})
    save_weights(folder / "w" / "weights.safetensors", build_model("r3d_10", 2, seed=1), card)
    return folder / "w" / "weights.safetensors"
