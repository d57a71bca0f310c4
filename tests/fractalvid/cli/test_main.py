"""The command as a stranger would use it, and misuse it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from fractalvid import __version__
from fractalvid.cli.classes import ClassesArguments
from fractalvid.cli.main import COMMANDS
from fractalvid.core.bank import KindName
from fractalvid.core.colour import ColourConfig
from fractalvid.finetune.cli.commands import COMMANDS as SUBCOMMANDS
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import KINDS
from fractalvid.sets.manifest import read_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.utils.duration import parse_hours
from tests.fractalvid.command import fractalvid

EVERY = (*COMMANDS, "classes import", "pretrain export", *(f"finetune {name}" for name in SUBCOMMANDS))
"""All commands and subcommands."""
TINY = ["--size", "32", "--points", "2000", "--clips", "1"]


def test_classes_generate_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out = tmp_path / "classes.npz", tmp_path / "set"
    assert fractalvid("classes", "--classes", 3, "--seed", 5, "--motion", "linear", "--out", bank) == 0
    assert ClassBank.load(bank).config.motion == "linear"
    assert fractalvid("generate", "--bank", bank, "--out", out, *TINY) == 0
    assert len(list(out.glob("clips/*/*.mp4"))) == 3
    assert fractalvid("generate", "--bank", bank, "--out", out, *TINY) == 0
    assert fractalvid("preview", out, "--out", tmp_path / "a", "--clips", 3, "--size", 32) == 0
    assert (tmp_path / "a" / "sheet.png").stat().st_size > 500
    told = capsys.readouterr().out
    assert f"complete: {out}; look at it with: fractalvid preview {out}" in told
    assert f"contact sheet: {tmp_path / 'a' / 'sheet.png'}\nmoving clips, for a browser: {tmp_path / 'a'}" in told


def test_colour_and_masks_from_the_command_line(tmp_path: Path) -> None:
    options = ["--colour", "structural", "--gamma", "2", "--vibrancy", "0.5", "--drift", "1", "--masks"]
    assert fractalvid("generate", "--classes", 2, "--out", tmp_path / "set", *TINY, *options) == 0
    reader = SetReader(tmp_path / "set")
    assert reader.config.colour == ColourConfig(gamma=2, vibrancy=0.5, drift=1)
    assert reader.config.masks
    assert reader.mask(reader.rows[0]).any()
    bank = tmp_path / "set" / "classes.npz"
    shown = [*("--clips", 2, "--size", 32, "--points", 2000), *options[:-1]]
    assert fractalvid("preview", bank, "--out", tmp_path / "a", *shown) == 0
    sheet = np.asarray(Image.open(tmp_path / "a" / "sheet.png")).astype(int)
    assert (np.abs(sheet[..., 0] - sheet[..., 1]) > 60).any()


@pytest.mark.parametrize("kept", ["webdataset", "npz", "png"])
def test_every_format_from_start_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str) -> None:
    out = tmp_path / "set"
    options = ["--classes", "3", "--format", kept, "--out", out, *TINY]
    options += ["--shard-size", "2"] if kept == "webdataset" else []
    assert fractalvid("generate", *options) == 0
    assert fractalvid("verify", out) == 0
    assert fractalvid("preview", out, "--out", tmp_path / "p", "--clips", 2, "--size", 32, "--animate", "gif") == 0
    assert len(list((tmp_path / "p").glob("clip-*.gif"))) == 2
    assert f"2 moving pictures, from clip-0-0.gif on: {tmp_path / 'p'}\n" in capsys.readouterr().out
    (out / SetReader(out).rows[1].path).unlink()
    assert fractalvid("verify", out) == 1
    assert fractalvid("verify", out, "--repair") == 0


@pytest.mark.parametrize(
    ("options", "kept"), [([], "mp4"), (["--images"], "png"), (["--images", "--format", "png"], "png")]
)
def test_what_a_set_holds_where_its_format_is_not_said(options: list[str], kept: str, tmp_path: Path) -> None:
    assert fractalvid("generate", "--classes", 1, "--out", tmp_path / "set", *TINY, *options) == 0
    assert SetReader(tmp_path / "set").config.format == kept


def test_unlabelled_clips_are_unmutated(tmp_path: Path) -> None:
    assert fractalvid("generate", "--unlabelled", 3, "--out", tmp_path / "u", *TINY[:4]) == 0
    config = ClassBank.load(tmp_path / "u" / "classes.npz").config
    assert (config.instance_scale, config.instance_offset) == (0, 0)
    assert len(read_manifest(tmp_path / "u" / "manifest.csv")) == 3


def test_one_class_is_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for classes, said in ((1, "1 class in"), (2, "2 classes in")):
        assert fractalvid("classes", "--classes", classes, "--out", tmp_path / f"{classes}.npz") == 0
        assert capsys.readouterr().out.splitlines()[1].startswith(said)


def test_time_runs_out_cleanly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # One worker has but the first few classes at hand before it looks at the time.
    options = ["--classes", 50, "--workers", 1, "--time", "0.001s"]
    assert fractalvid("generate", *options, "--out", tmp_path / "s", *TINY) == 0
    assert "missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--clasess", "3"], "--clas"),
        (["generate", "--classes", "none at all"], "classes"),
        (["generate", "--classes", "0"], "must be 1 to"),
        (["generate", "--classes", "-5"], "must be 1 to"),
        (["generate", "--clips", "0"], "clips"),
        (["generate", "--size", "1"], "size"),
        (["generate", "--size", "33"], "even"),
        (["generate", "--points", "0"], "points"),
        (["generate", "--crf", "77"], "crf"),
        (["generate", "--workers", "0"], "workers"),
        (["generate", "--workers", "5000"], "workers"),
        (["generate", "--unlabelled", "3", "--split", "val"], "--unlabelled"),
        (["generate", "--classes", "1000000000"], "classes"),
        (["generate", "--time", "soon"], "time"),
        (["generate", "--time", "0s"], "--time is 0s: give it more"),
        (["generate", "--time", "0"], "--time is 0: give it more"),
        (["generate", "--preset", "lazy"], "preset"),
        (["generate", "--format", "avi"], "avi"),
        (["generate", "--codec", "libfoo"], "there are: libx264"),
        (["generate", "--codec", "libvpx-vp9", "--crf", "70"], "0..63"),
        (["generate", "--codec", "mpeg4", "--preset", "slow"], "no presets"),
        (["generate", "--codec", "libx265", "--size", "32"], "at least 34 pixels"),
        (["generate", "--fps", "0"], "fps"),
        (["generate", "--format", "npz", "--crf", "20"], "crf belongs to videos"),
        (["generate", "--images", "--codec", "mpeg4"], "codec belongs to videos"),
        (["generate", "--images", "--format", "npz"], "exclude"),
        (["generate", "--images", "--format", "mp4"], "--images and --format mp4 exclude each other: leave one out"),
        (["generate", "--shard-size", "10"], "--shard-size belongs to shards"),
        (["generate", "--format", "webdataset", "--shard-size", "0"], "--shard-size"),
        (["verify", "nosuch"], "nosuch is no generated set: it has no dataset.json (fractalvid generate makes one)"),
        (["classes", "import"], "name class files"),
        (["classes", "import", "nosuch.npz"], "nosuch.npz"),
        (["preview", "--animate", "mp4"], "animate"),
        (["generate", "--bank", "nosuch.npz"], "nosuch.npz"),
        (["generate", "--bank", "a.npz", "--classes", "3"], "exclude"),
        (["generate", "--bank", "a.npz", "--seed", "3"], "--seed belongs to the bank"),
        (["generate", "--bank", "a.npz", "--per-map"], "--per-map belongs to the bank"),
        (["classes", "--variations", "jullia,linear"], "did you mean julia?"),
        (["classes", "--variations", "al"], "did you mean all?"),
        (["classes", "--variations", "all,julia"], "all is a mix of its own"),
        (["generate", "--variations", ","], "names none"),
        (["classes", "--max-summed", "4"], "--max-summed must be a whole number, 1 to 3"),
        (["classes", "--kind", "perlin", "--variations", "all"], "--variations belongs to fractals"),
        (["generate", "--unlabelled", "3", "--clips", "2"], "--unlabelled"),
        (["generate", "--seed", "-1", "--classes", "2"], "seed"),
        (["classes", "--classes", "0"], "must be 1 to"),
        (["classes", "--classes", "0", "--out", "new/dir/x.npz"], "must be 1 to"),
        (["classes", "--seed", "-1", "--out", "new/dir/x.npz"], "seed must be in 0..2**64 - 1"),
        (["classes", "--out", "."], ". is a folder: --out names the file to write, such as classes.npz"),
        (["classes", "import", "a.npz", "--out", "."], ". is a folder: --out names the file to write"),
        (["classes", "--out", "new/"], "new is a folder: --out names the file to write, such as new/classes.npz"),
        (["classes", "--out=new/"], "new is a folder: --out names the file to write"),
        (["classes", "import", "a.npz", "--out", "new/"], "new is a folder: --out names the file to write"),
        (["classes", "--interpolation", "cubic"], "interpolation"),
        (["preview", "nosuch"], "nosuch"),
        (["preview", "nosuch", "--colour", "structural", "--drift", "-1"], "drift"),
        (["generate", "--colour", "pink"], "colour"),
        (["generate", "--gamma", "2"], "--colour structural"),
        (["generate", "--colour", "structural", "--gamma", "0"], "gamma"),
        (["generate", "--colour", "structural", "--vibrancy", "1.5"], "vibrancy"),
        (["generate", "--colour", "structural", "--points", "20000000"], "points"),
        (["generate", "--masks", "--size", "4000"], "masks"),
        (["generate", "--size", "8192", "--frames", "10000"], "625.0 GiB"),
        (["classes", "--out", "n" * 300], "File name too long"),
        (["classes", "--out", "n" * 252], "File name too long"),
        (["preview", "n" * 300], "File name too long"),
        (["preview", "nosuch", "--points", "3000000000"], "--points"),
        (["preview", "nosuch", "--clips", "1000", "--size", "1024"], "too much"),
        (["dance"], "unknown command"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    refuses(said, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_bank_is_not_verified_as_a_set(bank: ClassBank, tmp_path: Path, refuses: Callable[..., None]) -> None:
    bank.save(tmp_path / "bank.npz")
    refuses("bank.npz is no folder: name the folder of a generated set", "verify", "bank.npz")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    path.write_text("mine")
    assert fractalvid("classes", "--classes", 2, "--out", path) == 2
    assert path.read_text() == "mine"
    assert fractalvid("generate", "--bank", path, "--out", tmp_path / "x", *TINY) == 2
    assert not (tmp_path / "x").exists()


def test_unwritable_places_are_one_line(tmp_path: Path, refuses: Callable[..., None]) -> None:
    (tmp_path / "file").write_text("")
    refuses("can't write", "classes", "--classes", 2, "--out", tmp_path / "file" / "classes.npz")
    refuses("cannot write", "generate", "--classes", 2, "--out", tmp_path / "file" / "set", *TINY)


def test_names_that_are_not_utf_8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / os.fsdecode(b"q\xff.npz")
    assert fractalvid("classes", "--classes", 2, "--out", bank) == 0
    assert fractalvid("preview", bank, "--out", tmp_path / "p", "--clips", 2, "--size", 32, "--points", 2000) == 0
    assert "q\\udcff.npz" in capsys.readouterr().out
    assert "q?.npz" in (tmp_path / "p" / "gallery.html").read_text()
    measured = ["--classes", 2, "--clips", 2, "--size", 32, "--points", 2000, "--no-motion-probe"]
    assert fractalvid("stats", bank, "--out", tmp_path / "s", *measured) == 0
    assert "q\\udcff.npz" in (tmp_path / "s" / "stats.html").read_text()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        command = [sys.executable, "-m", "fractalvid", "generate", "--help"]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_every_kind_but_fractals_has_its_options() -> None:
    assert get_args(KindName) == tuple(KINDS)
    options = ClassesArguments().others
    for name in KINDS:
        assert name == "ifs" or getattr(options, name) == KINDS[name].config()


def test_every_command_is_listed_and_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid("--help") == 0
    listed = capsys.readouterr().out
    for name, place in COMMANDS.items():
        assert f"\n  {name} " in listed
        assert callable(resolve_name(place))


def test_the_drivers_are_commands_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid("pretrain", "--arch", "r3d18", "--steps", 2) == 2
    assert "did you mean r3d_18" in capsys.readouterr().err
    assert fractalvid("finetune", "--help") == 0
    assert "finetune" in capsys.readouterr().out


_OPTION = re.compile(r"^(?:│ |  )(?:-h, )?(--[a-z][\w.-]*)", re.M)


@pytest.mark.parametrize("command", ["", *EVERY, "finetune compare --runs x"])
def test_help_is_one_screen_and_all_of_it_is_there(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert fractalvid("help", *command.split()) == 0
    short = capsys.readouterr().out
    assert fractalvid(*command.split(), "--help-all") == 0
    full = capsys.readouterr().out
    lines = short.splitlines()
    assert sum(max(1, -(-len(line) // 80)) for line in lines) <= 24
    if command:
        assert max(map(len, lines)) <= 80
        assert set(_OPTION.findall(short)) <= set(_OPTION.findall(full))
        assert lines == full.splitlines() or lines[-1].endswith(f"{command} --help-all")


def test_help_shows_options_in_groups_with_what_they_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid("pretrain", "--help") == 0
    shown = capsys.readouterr().out
    assert "--moco" not in shown
    assert re.findall(r"^(.{,20}):$", shown, re.M) == ["the run", "what is trained", "how long"]
    assert "\n  --model STR               The network: see --list [r3d_18]\n" in shown
    assert "\n  --resume                  Go on with the run in --out\n" in shown
    assert re.search(r"\nAll \d\d options, and more about these: pretrain --help-all\n$", shown)


@pytest.mark.parametrize("command", ["", *EVERY])
def test_versions(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid(*command.split(), "--version") == 0
    assert capsys.readouterr().out.endswith(f" {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("generat", "generate"),
        ("finetune prepar", "prepare"),
        ("pretrain exprot", "export"),
        ("classes imprt", "import"),
    ],
)
def test_unknown_commands_give_the_nearest(arguments: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid(*arguments.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"did you mean {meant}?" in line


def test_a_source_that_is_missing_is_named_before_what_is_there(tmp_path: Path, refuses: Callable[..., None]) -> None:
    (tmp_path / "preview").mkdir()
    (tmp_path / "preview" / "sheet.png").touch()
    refuses("nowhere does not exist", "preview", "nowhere", "--out", tmp_path / "preview")


@pytest.mark.parametrize("command", ["", "generate", "pretrain", "finetune", "finetune test"])
def test_shells_complete_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid(*command.split(), "--tyro-print-completion", "bash") == 0
    script = capsys.readouterr().out
    assert "complete -F" in script
    assert "--out" in script
    assert command or all(name in script for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["dance"], *([*name.split(), word] for name in EVERY for word in ("--help", "--clasess=3"))],
)
def test_help_and_mistakes_wait_for_no_compiler_and_no_network(arguments: list[str]) -> None:
    code = """
import sys
from fractalvid.cli.main import main
try:
    main()
finally:
    assert not {"torch", "torchvision", "numba", "scipy", "matplotlib"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == (0 if arguments[-1] == "--help" else 2), done.stderr
    assert "AssertionError" not in done.stderr


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert fractalvid() == 0
    assert "generate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "hours"), [("2h", 2), ("90m", 1.5), ("1h30m", 1.5), ("36s", 0.01), ("3", 3), ("1d", 24)]
)
def test_durations(text: str, hours: float) -> None:
    assert parse_hours(text) == pytest.approx(hours)


@pytest.mark.parametrize("text", ["", "h", "2 fortnights", "-1h"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_hours(text)


def test_commands_that_are_advised_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out = tmp_path / "my bank.npz", tmp_path / "one clip #&e"
    assert fractalvid("classes", "--classes", 2, "--out", bank) == 0
    assert fractalvid("generate", "--bank", bank, "--out", out, *TINY) == 0
    told = capsys.readouterr().out
    assert f"fractalvid preview '{bank}'" in told
    assert f"fractalvid preview '{out}'" in told
    assert fractalvid("generate", "--bank", tmp_path / "no bank.npz", "--out", tmp_path / "p") == 2
    assert f"--out '{tmp_path}/no bank.npz' makes one" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fractalvid.sets.generation.generate", stopped)
    assert fractalvid("generate", "--classes", 2, "--out", tmp_path / "set") == 130
    assert "the same command goes on with what is missing" in capsys.readouterr().err


def test_files_and_folders_that_were_mixed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    assert fractalvid("generate", "--classes", 2, "--out", file) == 2
    assert f"{file} is a file: name a folder" in capsys.readouterr().err
    assert fractalvid("generate", "--bank", tmp_path, "--out", tmp_path / "set") == 2
    assert f"{tmp_path} is a folder: name a class bank in it" in capsys.readouterr().err
