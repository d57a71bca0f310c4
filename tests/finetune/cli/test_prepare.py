"""`finetune prepare`: complete, half complete and wrong folders, from the command line."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.cli import main
from fractalvid.finetune.clips.config import FrameConfig, ViewConfig
from fractalvid.finetune.run.outcome import describe_videos
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.hmdb51 import Hmdb51
from fractalvid.finetune.targets.registry import TARGETS, TargetOptions
from fractalvid.finetune.videos.data import Data, open_data, read_videos
from fractalvid.finetune.videos.index import build_index
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.videos.survey import Survey, report
from tests.finetune.helpers import command, folder_set, hmdb_set, put
from tests.fractalvid.video.made import packets, quarters, write

LISTS = {"eat": "a_0.avi 1 \nb_0.avi 2 \nc_0.avi 0 \n", "run": "d_0.avi 1 \ne_0.avi 2 \n"}


def prepare(*args: object, cache: Path) -> int:
    return main(["prepare", *map(str, args), "--cache-dir", str(cache), "--no-progress"])


def folder(root: Path, *args: object) -> int:
    return prepare("--target", "folder", "--data", root, *args, cache=root.parent / "cache")


def hmdb(root: Path, *args: object) -> int:
    return prepare("--target", "hmdb51", "--data", root, "--split", 1, *args, cache=root.parent / "cache")


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What was printed below the line that tells what begins, and the error."""
    captured = capsys.readouterr()
    return re.sub(r"^looking for the videos of \w+\n", "", captured.out), captured.err


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """The error, one line."""
    out, error = said(capsys)
    assert out == ""
    assert error.count("\n") == 1
    assert error.startswith("finetune: error: ")
    return error


def test_a_complete_folder_is_described_and_indexed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    assert folder(root) == 0
    out, error = said(capsys)
    assert error == ""
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    assert out.startswith(f"folder in {root}: 12 videos, 2 classes\n")
    assert lines["frames"] == "6 to 9, median 7, 86 in all"
    assert lines["size"] == "48 x 36 (12)"
    assert lines["rate"] == "12 a second (12)"
    assert lines["duration"] == "0.1 minutes"
    assert lines["short"].startswith("12 have fewer than the 31 frames of a training window")
    index = json.loads(Path(lines["index"]).read_text())["videos"]
    size = (root / "test/dark/1.mp4").stat().st_size
    path = "test/dark/1.mp4"
    assert [index[path][k] for k in (0, 2, 3, 4)] == [size, 7, 48, 36]
    assert index[path][5:7] == [pytest.approx(12), pytest.approx(7 / 12)]


def test_validation_videos_are_looked_for_and_kept_like_all_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder_set(tmp_path / "data")
    put(root / "val" / "dark" / "0.mp4", 8, level=13)
    put(root / "val" / "light" / "0.mp4", 8, level=170)
    assert folder(root, "--cache", 18) == 0
    out, _ = said(capsys)
    assert ": 14 videos, 2 classes\n" in out and " 14 videos now, 0 were there" in out
    assert folder(root, "--test-only") == 0
    assert ": 4 videos, 2 classes\n" in said(capsys)[0]
    (root / "test/dark/0.mp4").unlink()
    (root / "test/dark/0.mp4").symlink_to(root / "train/dark/0.mp4")
    assert folder(root) == 2
    assert "in training and in test" in said(capsys)[1]


def test_a_run_reads_the_cache_and_gives_the_same_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_set(tmp_path / "data")
    run = ("--target", "folder", "--data", root, "--out")
    assert command(*run, tmp_path / "plain", cache=tmp_path / "cache") == 0
    assert folder(root, "--cache", 18) == 0
    assert re.search(r"\ndecoded +18 pixels, bit for bit: 12 videos now, 0 were there; 0\.\d+ MB in ", said(capsys)[0])

    def never(*args: object, **options: object) -> None:
        raise AssertionError("a video was decoded")

    for name in ("read_video", "read_frames"):
        monkeypatch.setattr(f"fractalvid.finetune.cache.store.{name}", never)
    assert command(*run, tmp_path / "cached", cache=tmp_path / "cache") == 0
    predictions = [(tmp_path / name / "predictions.csv").read_bytes() for name in ("plain", "cached")]
    assert predictions[0] == predictions[1]


def test_the_same_again_decodes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    for made, kept in ((12, 0), (0, 12)):
        assert folder(root, "--cache", 24, "--cache-quality", 80) == 0
        assert f"24 pixels, JPEG 80: {made} videos now, {kept} were there;" in said(capsys)[0]
    put(root / "train/dark/0.mp4", 11)
    assert folder(root, "--cache", 24, "--cache-quality", 80) == 0
    assert re.search(r"1 video now, 11 were there; .* MB, of which .* MB are outdated", said(capsys)[0])


def test_what_is_missing_is_named_with_where_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = hmdb_set(tmp_path / "data", LISTS, {"eat": ["a_0.avi"], "run": ["d_0.avi", "e_0.avi"]})
    assert hmdb(root) == 2
    error = refusal(capsys)
    assert f"1 of 4 listed videos are not in {root}: eat/b_0.avi; --allow-missing goes on without them" in error
    assert Hmdb51().layout in error
    assert Hmdb51().obtain in error
    assert not (tmp_path / "cache").exists()
    assert hmdb(root, "--allow-missing") == 0
    out, _ = said(capsys)
    assert out.startswith(f"hmdb51 in {root}: 3 videos, 2 of 51 classes, split 1\n")
    assert "\nmissing   1 listed video is not there: eat/b_0.avi\n" in out


def test_a_half_downloaded_set_names_the_classes_that_are_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = LISTS | {"swim": "x_0.avi 1 \ny_0.avi 2 \n"}
    root = hmdb_set(tmp_path / "data", lists, {"eat": ["a_0.avi", "b_0.avi"], "run": ["d_0.avi", "e_0.avi"]})
    assert hmdb(root) == 2
    assert "2 of 6 listed videos are not" in (error := refusal(capsys))
    assert "nothing of 1 of 3 classes (swim)" in error
    assert hmdb(root, "--allow-missing") == 0
    assert "swim/x_0.avi, swim/y_0.avi; nothing of swim\n" in said(capsys)[0]


def test_a_folder_of_something_else_is_told_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "data" / "holiday.mp4", 3)
    assert hmdb(tmp_path / "data") == 2
    assert Hmdb51().obtain in refusal(capsys)
    assert folder(tmp_path / "nowhere") == 2
    assert "nowhere does not exist" in refusal(capsys)


def broken_set(root: Path, broken: int) -> Path:
    folder_set(root, train=8, test=2)
    for number in range(broken):
        (root / "train" / "dark" / f"{number}.mp4").write_bytes(b"\0" * 100)
    return root


def test_broken_videos_up_to_the_share_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = broken_set(tmp_path / "data", 1)  # of 20: not more than 5 %
    assert folder(root, "--cache", 18) == 0
    out, _ = said(capsys)
    assert "\nbroken    1 do not decode and are left out: train/dark/0.mp4\n" in out
    assert "19 videos now" in out


def test_more_broken_videos_than_that_stop_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = broken_set(tmp_path / "data", 2)
    assert folder(root, "--cache", 18) == 2
    assert re.search(r"2 of the first \d+ of 20 videos .* more than --max-broken 0\.05 of all; ", refusal(capsys))
    assert not (tmp_path / "cache" / "decoded").exists()
    assert folder(root, "--max-broken", 0.1) == 0


def test_a_test_video_that_is_trained_on_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    (root / "test/dark/0.mp4").unlink()
    (root / "test/dark/0.mp4").symlink_to(root / "train/dark/0.mp4")
    assert folder(root) == 2
    assert "in training and in test" in refusal(capsys)


def test_single_frames_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    put(root / "test" / "light" / "still.mp4", 1, level=17)
    assert folder(root) == 0
    assert "window; 1 of them have a single one: frames" in said(capsys)[0]


def test_cuts_behind_the_end_of_their_video_are_counted(tmp_path: Path) -> None:
    root = folder_set(tmp_path / "data")
    cuts = ((5, 7), (6, 9), (2, 8))
    rows = tuple(Video("train/dark/0.mp4", 0, "train", *cut) for cut in cuts)
    index = build_index(root, [rows[0].path], cache_dir=None, threads=1, max_broken=0, progress=False)
    lines = list(report(Data(Folder(), root, TargetOptions("folder")), Survey(rows, (), ("dark",), (), ("",)), index))
    assert "cut       1 clip from frames on that their video does not have: train/dark/0.mp4" in lines
    assert "cut       1 clip beyond the last frame of their video, cut there: train/dark/0.mp4" in lines


def test_whoever_trains_is_told_of_cuts_beyond_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    table = tmp_path / "cuts.csv"
    cuts = "".join(
        f"{side}/{label}/0.mp4,{label},{side},0,900\n" for side in ("train", "test") for label in ("dark", "light")
    )
    table.write_text(f"path,label,split,start,end\n{cuts}")
    options = TargetOptions("folder", root, csv=table, start_column="start", end_column="end")
    listing = read_videos(open_data(options), "", Machine(cache_dir=tmp_path, progress=False), allow_missing=False)
    assert len(listing.videos) == 4
    told = "note: 4 clips beyond the last frame of their video, cut there: train/dark/0.mp4, train/light/0.mp4, "
    assert capsys.readouterr().err.startswith(told)


def test_a_cache_folder_that_cannot_be_written_is_said_before_anything_is_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_set(tmp_path / "data")
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr("fractalvid.finetune.run.prepare.build_index", lambda *args, **options: pytest.fail("decoded"))
    assert folder(root) == 2
    assert re.search("cannot write to .*/cache/index: .*; choose another --cache-dir", refusal(capsys))


def test_any_fold_of_a_table_lists_all_its_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    with (tmp_path / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "fold"])
        for number, path in enumerate(sorted(root.rglob("*.mp4"))):
            table.writerow([path.relative_to(root).as_posix(), path.parent.name, number % 3])
    words = ("--csv", tmp_path / "table.csv", "--fold-column", "fold")
    assert folder(root, *words) == 2
    assert "--fold-column fold needs --fold" in refusal(capsys)
    assert folder(root, *words, "--fold", 2, "--split", 1) == 2
    assert "--split and --fold exclude each other" in refusal(capsys)
    assert folder(root, *words, "--fold", 2) == 0
    assert "12 videos, 2 classes" in said(capsys)[0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--cache", 0), "--cache is 0: a short side in pixels, 16 to 4096"),
        (("--cache", 64, "--cache-quality", 101), "--cache-quality is 101: it must be 1 to 100"),
        (("--cache-quality", 90), "--cache-quality needs --cache"),
        (("--download",), "--download: folder has no stable public address with a checksum, only ucf101"),
        (("--split", "7"), "folder has no split '7': it has no official splits"),
        (("--fold", "1"), "--fold needs --fold-column"),
        (("--threads", 0), "--threads is 0"),
        (("--max-broken", 2), "--max-broken is 2"),
        (("--chache", 64), "did you mean --cache"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], reason: str
) -> None:
    root = folder_set(tmp_path / "data", train=1, test=1)
    assert folder(root, *words) == 2
    assert reason in refusal(capsys)


def test_an_unknown_split_names_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = hmdb_set(tmp_path / "data", LISTS, {})
    assert hmdb(root, "--split", 4) == 2
    assert "hmdb51 has no split '4': its splits are 1, 2, 3" in refusal(capsys)


def test_download_fetches_before_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []

    def fetch(wanted: Any, root: Path, *, progress: bool) -> None:
        fetched.append((wanted, root))

    monkeypatch.setattr("fractalvid.finetune.targets.files.download.download_all", fetch)
    words = ("--target", "ucf101", "--data", tmp_path / "ucf", "--download")
    assert prepare(*words, cache=tmp_path / "cache") == 2  # nothing came
    assert fetched == [(TARGETS["ucf101"].downloads, tmp_path / "ucf")]


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--help-all"]) == 0
    out, _ = said(capsys)
    for option in ("--cache", "--cache-quality", "--download", "--allow-missing", "--max-broken", "--cache-dir"):
        assert option in out


def test_videos_with_damaged_packets_are_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    path = write(tmp_path / "whole.avi", quarters(), codec="mjpeg", pixels="yuvj420p")
    (position, size), data = packets(path)[2], bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    where = sorted(path for path in (root / "test").rglob("*") if path.is_file())[0]
    where.unlink()
    where.with_suffix(".avi").write_bytes(data)
    assert folder(root) == 0
    name = where.with_suffix(".avi").relative_to(root).as_posix()
    line = f"damaged   1 hold packets that do not decode and are passed over: {name} (1 packet)\n"
    assert line in said(capsys)[0]
    assert folder(root) == 0
    assert line in said(capsys)[0]  # from the index
    options = TargetOptions("folder", data=root)
    machine = Machine(threads=1, cache_dir=tmp_path / "cache", progress=False)
    listing = read_videos(open_data(options, machine), "", machine, allow_missing=False)
    views = ViewConfig(FrameConfig(4, 2), 12, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), views=3, crops=1)
    assert describe_videos(listing, views)["damaged"] == [{"path": name, "packets": 1}]
    assert describe_videos(listing, views)["videos"]["damaged"] == 1


def test_how_a_path_is_spelt_makes_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    for number, name in enumerate(("kick: ball", "pipe:0", "http:", "%d")):
        (root / "test" / name).mkdir(parents=True)
        write(root / "test" / name / "concat:a%d.mp4", quarters(12 + number))
    (root / "test" / "walk").mkdir()
    write(root / "test" / "walk" / "file:b.mp4", quarters(16))
    (root / "test" / "walk" / "broken.mp4").write_text("no video")
    monkeypatch.chdir(root)
    for data in (".", root, "../data"):
        assert folder(tmp_path / "data", "--data", data, "--test-only", "--max-broken", 0.5) == 0
        out, _ = said(capsys)
        assert "6 videos" in out
        assert "frames    12 to 16" in out
        assert "broken    1 do not decode and are left out: test/walk/broken.mp4" in out
    for data in (".", root):
        assert folder(tmp_path / "data", "--data", data, "--test-only", "--max-broken", 0) == 2
        assert f"{Path(data) / 'test/walk/broken.mp4'}: no frame decodes" in said(capsys)[1]


def test_large_frames_are_named_with_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_set(tmp_path / "data")
    assert folder(root, "--max-pixels", 48 * 36) == 0
    said(capsys)
    for _ in range(2):  # the second time from the index
        assert folder(root, "--max-pixels", 1000) == 2
        assert "frames of 48 x 36 pixels, more than --max-pixels 1000" in refusal(capsys)
    assert folder(root) == 0
    assert folder(root, "--max-pixels", 0) == 2
    assert folder(root, "--cache", 100, "--max-pixels", 48 * 36) == 0
    assert "0 videos now, 0 were there, 12 need more than --max-pixels (" in said(capsys)[0]
