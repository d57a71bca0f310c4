"""Every command says at once what it does, before anything is loaded that takes seconds, and errors stay one line."""

import subprocess
import sys

import pytest

from fractalvid.cli.main import COMMANDS
from fractalvid.finetune.cli.commands import COMMANDS as SUBCOMMANDS
from fractalvid.utils.errors import run_cli
from fractalvid.utils.messages.log import announce

SAID = {
    "classes --classes 3": "inventing 3 classes of ifs",
    "classes import files": "reading class files into classes.npz",
    "generate --out set": "rendering clips into set",
    "preview set": "showing clips of set in preview",
    "merge set": "putting the parts of set together",
    "verify set": "checking every file of set",
    "stats a.npz b.npz": "measuring clips of a.npz, b.npz",
    "pretrain --arch r3d_10 --steps 3 --out run": "pre-training r3d_10 by the objective supervised, in run",
    "pretrain export run --out to": "exporting run to to",
    "finetune --target demo": "fine-tuning on demo from scratch",
    "finetune compare --target demo --out to": "comparing on demo: scratch",
    "finetune compare --runs a b --out to": "comparing finished runs of a, b",
    "finetune prepare --target demo": "looking for the videos of demo",
    "finetune test --target demo --weights w": "testing w on demo",
    "finetune predict --weights w a.mp4 --out names.txt": "reading the weights w",
    "finetune probe --target demo --init a b": "probing a, b on demo",
    "finetune bias --target demo": "measuring the bias of demo towards imagenet:tsn_r18",
    "finetune published --out page.md": "writing published rows to page.md",
    "finetune sweep --target demo --out to --lr 1 2": "sweeping on demo from scratch: lr",
    "finetune study kinds mini_kinds --out to": "studying kinds by mini_kinds on demo",
    "finetune generalise --source demo --target folder --method search": "generalising from demo to folder by search",
    "finetune explain --weights w --out to a.mp4": "looking where the weights w look",
    "finetune shortcuts --target demo --weights w --masks m": "looking for shortcuts of w on demo",
    "doctor": "looking at this machine",
}
ENDS = """
import sys
from fractalvid.utils.messages import log
def said(text):
    print(text, not {"torch", "numba", "scipy", "matplotlib"} & set(sys.modules))
    raise SystemExit(0)
log.announce = said
from fractalvid.cli.main import main
main()
"""


def test_all_commands_are_here() -> None:
    named = {tuple(command.split()[:2]) for command in SAID}
    firsts = {words[0] for words in named} | {"demo"}  # which shows the first command that it runs
    assert firsts == set(COMMANDS)
    assert {("finetune", name) for name in SUBCOMMANDS} <= named


@pytest.mark.parametrize("command", SAID)
def test_commands_say_what_begins_before_they_load_what_takes_seconds(command: str) -> None:
    done = subprocess.run([sys.executable, "-c", ENDS, *command.split()], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == (f"{SAID[command]} True\n", "", 0)


def begin(_: list[str]) -> None:
    announce("doing it")


def test_it_is_said_beside_errors(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_cli("p", begin, []) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("doing it\n", "")
    monkeypatch.setenv("RANK", "1")
    run_cli("p", begin, [])
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("RANK", "0")
    run_cli("p", begin, [])
    told = capsys.readouterr()
    assert (told.out, told.err.strip()) == ("", "doing it")
