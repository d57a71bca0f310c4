"""Words of command lines: homes are found wherever a path begins."""

from pathlib import Path

import pytest

from fractalvid.core.bank import bank_kind
from fractalvid.utils.messages.words import with_home
from tests.fractalvid.command import fractalvid


@pytest.mark.parametrize(
    ("word", "there"),
    [
        ("--out=~/x", "--out=/h/x"),
        ("~/x", "/h/x"),
        ("~", "/h"),
        ("--init=mine=~/x y/w", "--init=mine=/h/x y/w"),
        ("mine=~/x", "mine=/h/x"),
        ("--moco.queue=~", "--moco.queue=/h"),
        ("--out=~nobody-of-this-name/x", "--out=~nobody-of-this-name/x"),
        ("--out=a/~/x", "--out=a/~/x"),
        ("./~", "./~"),
        ("a~b", "a~b"),
        ("--out", "--out"),
    ],
)
def test_homes_are_expanded_where_a_path_begins(word: str, there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    assert with_home(word) == there


def test_commands_write_into_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert fractalvid("classes", "--classes=2", "--out=~/made.npz") == 0
    assert bank_kind(tmp_path / "made.npz") == "ifs"
    assert fractalvid("generate", "--bank=~/made.npz", "--out=~/set", "--clips=1", "--size=32", "--points=500") == 0
    assert (tmp_path / "set" / "manifest.csv").is_file()
    assert not (tmp_path / "~").exists()
