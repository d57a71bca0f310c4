from dataclasses import replace
from pathlib import Path

import pytest

from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.folder import (
    check_folder,
    claim_folder,
    differences,
    files_digest,
    read_settings,
    videos_digest,
)
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.videos.listing import Listing
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import changed, command, folder_set, plan_of, put

VIDEOS = (
    Video("a.mp4", 0, "train"),
    Video("b.mp4", 1, "train"),
    Video("c.mp4", 0, "test", 0, 9),
    Video("d.mp4", 1, "test"),
)
LISTING = Listing(("x", "y"), VIDEOS)


def plan(fold: str = "f3", digest: str | None = None) -> Plan:
    return changed(plan_of(csv=Path("t.csv"), fold_column=fold), videos_digest=digest)


@pytest.mark.parametrize(
    "other",
    [
        Listing(("x", "z"), VIDEOS),
        Listing(("x", "y"), VIDEOS[:3]),
        Listing(("x", "y"), (*VIDEOS[1::-1], *VIDEOS[2:])),
        *(
            Listing(("x", "y"), (*VIDEOS[:2], replace(VIDEOS[2], **change), VIDEOS[3]))
            for change in ({"path": "e.mp4"}, {"label": 1}, {"side": "train"}, {"start": 1}, {"end": 8}, {"end": None})
        ),
    ],
)
def test_the_digest_tells_lists_of_videos_apart(other: Listing) -> None:
    assert videos_digest(LISTING, Folder()) == videos_digest(replace(LISTING, missing=("z.mp4",)), Folder())
    assert videos_digest(LISTING, Folder()) != videos_digest(other, Folder())


def test_the_digest_knows_the_sources_of_videos(tmp_path: Path) -> None:
    digests = []
    for film in "AAB":
        table = tmp_path / "t.csv"
        table.write_text(f"path,label,split,film\na.mp4,x,train,{film}\n")
        digests.append(videos_digest(LISTING, Folder(table, group_column="film")))
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_files_tells_replaced_ones_apart() -> None:
    digests = [
        files_digest(replace(LISTING, files=(("a.mp4", *shape), ("b.mp4", 9, 64, 48))))
        for shape in ((9, 64, 48), (9, 64, 48), (8, 64, 48), (9, 64, 50))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert files_digest(LISTING) is None  # nobody has looked


def test_names_that_are_not_utf_8_have_a_digest() -> None:
    odd = Listing(("x", "y"), (replace(VIDEOS[0], path="\udcff.mp4"), *VIDEOS[1:]))
    assert len(videos_digest(odd, Folder())) == 32


def test_columns_and_videos_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    claim_folder(tmp_path, plan(digest="12"))
    assert differences(tmp_path, plan(digest="12")) == []
    assert differences(tmp_path, plan()) == []  # not listed yet
    assert differences(tmp_path, plan("f5")) == ["columns fold: f3, not f5"]
    with pytest.raises(UserError, match=r"begun with other settings \(the list of videos, .* changed\); choose"):
        check_folder(tmp_path, plan(digest="34"), resume=True)


def test_a_run_goes_on_with_its_files_and_where_they_are_unknown(tmp_path: Path) -> None:
    claim_folder(tmp_path / "new", changed(plan(digest="12"), files_digest="34"))
    claim_folder(tmp_path / "old", plan(digest="12"))
    listed = changed(plan(digest="12"), files_digest="56")
    assert differences(tmp_path / "new", listed) == ["the files of the videos changed, in their frames or their size"]
    assert differences(tmp_path / "new", plan(digest="12")) == []  # not listed yet
    assert differences(tmp_path / "old", listed) == []  # of a version that did not keep it
    # Finished runs compare as before.
    assert read_settings(tmp_path / "new") == read_settings(tmp_path / "old")


def test_a_run_does_not_go_on_with_other_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, table, out = folder_set(tmp_path / "set", train=2, test=1), tmp_path / "t.csv", tmp_path / "out"
    videos = sorted(file.relative_to(data).as_posix() for file in data.rglob("*.mp4"))
    lines = [f"{video},{video.split('/')[1]},{video.split('/')[0]}" for video in videos]
    table.write_text("\n".join(["path,label,split", *lines]))
    args = ["--target", "folder", "--data", data, "--csv", table, "--out", out, "--resume"]

    def stop(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the plug was pulled")

    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.run.pipeline.train_network", stop)
        with pytest.raises(RuntimeError, match="plug"):
            command(*args, cache=tmp_path / "c")
    table.write_text("\n".join(["path,label,split", lines[0].replace(",dark,", ",light,"), *lines[1:]]))
    assert command(*args, cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "the list of videos, their labels, sides or groups changed" in error
    assert error.count("\n") == 1
    table.write_text("\n".join(["path,label,split", *lines]))
    before = (data / videos[0]).read_bytes()
    put(data / videos[0], 31)
    assert command(*args, cache=tmp_path / "c") == 2
    assert "the files of the videos changed, in their frames or their size" in capsys.readouterr().err
    (data / videos[0]).write_bytes(before)
    assert command(*args, cache=tmp_path / "c") == 0


def test_the_same_command_removes_what_a_kill_between_result_and_removal_left(tmp_path: Path) -> None:
    claim_folder(tmp_path, plan())
    for name in ("metrics.json", "checkpoint.pt", ".checkpoint.pt.tmp", "weights.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="holds a finished run"):
        check_folder(tmp_path, plan("f5"), resume=False)
    assert (tmp_path / "checkpoint.pt").exists()  # of another command's run nothing is touched
    with pytest.raises(UserError, match="holds a finished run"):
        check_folder(tmp_path, plan(), resume=False)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "metrics.json", "weights.safetensors"}
