"""What lies in a data folder and is left aside is counted and named, by every command that lists one."""

from pathlib import Path

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.clips.files import clips_at
from fractalvid.finetune.targets.demo.target import demo_target
from fractalvid.pretrain.clips.listing import list_videos
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import forget_notes
from tests.finetune.helpers import folder_set, put


@pytest.fixture
def cluttered(tmp_path: Path) -> Path:
    root = folder_set(tmp_path / "data", train=3, test=2)
    put(root / "train/dark/clip.mp4").rename(root / "train/dark/00.MTS")
    put(root / "train/.hidden/x.mp4")
    put(root / "train/__MACOSX/x.mp4")
    (root / "train/dark/notes.txt").write_text("x")
    for k in range(3):
        (root / "train/light" / f"annex{k}.mp4").symlink_to(f"../../.git/annex/{k}")
    return root


SAID = (
    "hidden: 1 such as",
    "leftovers of other programs: 1 such as",
    "not a video: 1 such as",
    "dangling links: 3 such as",
)


def prepare(root: Path, *more: str) -> int:
    words = ["prepare", "--target", "folder", "--data", str(root), "--cache-dir", str(root.parent / "cache")]
    return main([*words, "--no-progress", *more])


def test_prepare_counts_and_names_it_once(cluttered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(cluttered) == 0
    out, err = capsys.readouterr()
    assert "11 videos, 2 classes" in out
    assert err.count("left aside in") == 1
    for said in SAID:
        assert said in err
    assert "train/light/annex0.mp4" in err
    assert prepare(cluttered) == 0
    assert "left aside in" in capsys.readouterr().err  # another command says it again


def test_nothing_is_said_of_what_the_program_has_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data", train=2, test=1)
    (root / "demo.json").write_text("{}")
    assert demo_target().index(root, "test")
    assert "left aside" not in capsys.readouterr().err


def test_predict_and_pretraining_say_the_same(cluttered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = cluttered / "train"
    listed, classes = list_videos(folder)
    assert (len(listed), classes) == (7, ("dark", "light"))
    said = capsys.readouterr().err
    assert all(words in said for words in SAID)
    forget_notes()
    assert sorted(clips_at(folder)) == sorted(path for path, _ in listed)
    assert capsys.readouterr().err == said


def test_a_folder_of_nothing_else_is_an_error_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data", train=1, test=1)
    (root / "train/lost").mkdir()
    for k in range(2):
        (root / "train/lost" / f"{k}.mp4").symlink_to("nowhere")
    assert prepare(root) == 2
    assert "holds no video (dangling links: 2 such as 0.mp4)" in capsys.readouterr().err
    for listing in (list_videos, clips_at):
        with pytest.raises(UserError, match="left aside: dangling links: 2 such as 0"):
            listing(root / "train/lost")


def test_listed_videos_without_content_are_named_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data", train=2, test=1)
    (root / "lost.mp4").symlink_to("nowhere")
    (root / "pointer.mp4").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    rows = "".join(f"{s}/{c}/{k}.mp4,{c},{s}\n" for c in ("dark", "light") for s, k in (("train", 0), ("test", 0)))
    table = tmp_path / "t.csv"
    table.write_text(f"path,label,split\n{rows}lost.mp4,dark,train\npointer.mp4,dark,train\n")
    assert prepare(root, "--csv", str(table)) == 2
    said = capsys.readouterr().err
    assert "dangling links: 1 such as lost.mp4; Git LFS pointers: 1 such as pointer.mp4" in said
