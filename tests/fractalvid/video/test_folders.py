"""Which videos a folder holds; whatever else lies there has a reason and a name."""

import os
import stat
from pathlib import Path

import pytest

from fractalvid.video import folders, names
from fractalvid.video.folders import absent, find_videos, subfolders
from fractalvid.video.names import is_video_name


def touch(root: Path, *paths: str, content: bytes = b"x") -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


CAMERA_FILES = "a.MTS a.m2ts a.TS a.3gp a.mpg a.MPEG a.wmv a.flv a.ogv a.VOB a.mxf a.m2t a.mod a.rmvb a.y4m a.hevc"


@pytest.mark.parametrize("name", CAMERA_FILES.split())
def test_what_cameras_write_is_named_like_a_video(name: str) -> None:
    assert is_video_name(name)


@pytest.mark.parametrize("name", ["a.txt", "a.mp3", "a.jpg", "a", "mp4", "a.mp4.json", "a.srt", "GX010001.LRV"])
def test_what_lies_beside_videos_is_not(name: str) -> None:
    assert not is_video_name(name)


def test_everything_is_taken_or_has_a_reason(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.mp4", "a/2.MTS", "a/deep/er/3.mkv", "b/4.mp4 ", "a/notes.txt", "a/README")
    touch(root, ".git/x.mp4", ".cache/y.mp4", "a/._1.mp4", ".Trash-1000/files/z.mp4")
    touch(
        root, "$RECYCLE.BIN/q.mp4", "@eaDir/r.mp4", "__MACOSX/s.mp4", "lost+found/t.mp4", "#recycle/u.mp4", "Thumbs.db"
    )
    touch(root, "a/5.mp4.part", "a/6.mp4.crdownload")
    touch(root, "a/7.mp4", content=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    touch(root, "a/8.mp4", content=b"/annex/objects/SHA256E-s9--0.mp4\n")
    (root / "a/9.mp4").symlink_to("../.git/annex/objects/9")
    (root / "a/self.mp4").symlink_to("self.mp4")
    (root / "a/round").symlink_to("..")
    os.mkfifo(root / "a/pipe.mp4")
    found = find_videos(root)
    assert found.videos == ["a/1.mp4", "a/2.MTS", "a/deep/er/3.mkv", "b/4.mp4 "]
    assert found.folders == ["a", "a/deep", "a/deep/er", "b"]
    assert found.left.paths == {
        names.HIDDEN: [".Trash-1000", ".cache", ".git", "a/._1.mp4"],
        names.LEFTOVER: ["#recycle", "$RECYCLE.BIN", "@eaDir", "Thumbs.db", "__MACOSX", "lost+found"],
        names.UNFINISHED: ["a/5.mp4.part", "a/6.mp4.crdownload"],
        folders.NOT_A_VIDEO: ["a/README", "a/notes.txt", "a/pipe.mp4"],
        folders.LFS_POINTER: ["a/7.mp4"],
        folders.ANNEX_POINTER: ["a/8.mp4"],
        folders.DANGLING: ["a/9.mp4"],
        folders.CIRCLE: ["a/round", "a/self.mp4"],
    }
    assert "dangling links: 1 such as a/9.mp4" in str(found.left)


def test_linked_folders_and_files_are_followed_and_real_names_come_first(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "x.mp4")
    root = touch(tmp_path / "root", "real/1.mp4")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "another").symlink_to("real")
    (root / "file.mp4").symlink_to("real/1.mp4")
    found = find_videos(root)
    assert found.videos == ["file.mp4", "linked/x.mp4", "real/1.mp4"]
    assert found.left.paths == {folders.CIRCLE: ["another"]}
    assert subfolders(root) == ["another", "linked", "real"]


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    for a in range(12):
        touch(tmp_path, f"{a}/v.mp4")
        for b in range(12):
            (tmp_path / f"{a}/to{b}").symlink_to(f"../{b}")
    assert len(find_videos(tmp_path).videos) == 12


def test_only_so_many_levels_are_read(tmp_path: Path) -> None:
    root = touch(tmp_path, "1.mp4", "a/2.mp4", "a/b/3.mp4")
    assert find_videos(root, depth=1).videos == ["1.mp4"]
    assert find_videos(root, depth=2).videos == ["1.mp4", "a/2.mp4"]
    assert find_videos(root, depth=2).folders == ["a", "a/b"]


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = touch(tmp_path, "a/1.mp4", "locked/2.mp4")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    touch(root, "a/mine.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        patch.setattr(os, "access", lambda path, mode: Path(path).name != "mine.mp4")
        found = find_videos(root)
    assert found.videos == ["a/1.mp4"]
    assert found.left.paths == {folders.UNREADABLE: ["a/mine.mp4", "locked"]}


def test_why_a_named_video_is_absent(tmp_path: Path) -> None:
    root = touch(tmp_path, "there.mp4")
    touch(root, "lfs.mp4", content=b"version https://git-lfs.github.com/spec/v1\n")
    (root / "gone.mp4").symlink_to("nowhere")
    (root / "self.mp4").symlink_to("self.mp4")
    assert stat.S_ISLNK((root / "gone.mp4").lstat().st_mode)
    names = ("there.mp4", "lfs.mp4", "gone.mp4", "self.mp4", "none.mp4", "x" * 999)
    reasons = [None, folders.LFS_POINTER, folders.DANGLING, folders.DANGLING, folders.NOT_THERE, folders.NOT_THERE]
    assert [absent(root / name) for name in names] == reasons
