import json
from dataclasses import replace
from pathlib import Path

import pytest

from fractalvid.finetune.recipes.plan import Columns, Plan, make_plan
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.results.folder import check_folder, claim_folder, differences, videos_digest
from fractalvid.finetune.targets.base import Row, TargetProtocol
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.weights.initial import Initial
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command, folder_set

ROWS = (Row("a.mp4", 0, "train"), Row("b.mp4", 1, "train"), Row("c.mp4", 0, "test", 0, 9), Row("d.mp4", 1, "test"))
LISTING = Listing(("x", "y"), ROWS)


def plan(fold: str = "f3", digest: str | None = None) -> Plan:
    made = make_plan(
        Recipe(),
        TargetProtocol(),
        Initial("scratch", "scratch"),
        target="folder",
        data=Path("."),
        annotations=None,
        table=Path("t.csv"),
        split="0",
        seed=0,
        allow_missing=False,
        columns=Columns("label", "split", fold, None),
    )
    return replace(made, videos_digest=digest)


@pytest.mark.parametrize(
    "changed",
    [
        Listing(("x", "z"), ROWS),
        Listing(("x", "y"), ROWS[:3]),
        Listing(("x", "y"), (*ROWS[1::-1], *ROWS[2:])),
        *(
            Listing(("x", "y"), (*ROWS[:2], replace(ROWS[2], **change), ROWS[3]))
            for change in ({"path": "e.mp4"}, {"label": 1}, {"side": "train"}, {"start": 1}, {"end": 8}, {"end": None})
        ),
    ],
)
def test_the_digest_tells_lists_of_videos_apart(changed: Listing) -> None:
    assert videos_digest(LISTING, Folder()) == videos_digest(replace(LISTING, missing=("z.mp4",)), Folder())
    assert videos_digest(LISTING, Folder()) != videos_digest(changed, Folder())


def test_the_digest_knows_the_sources_of_videos(tmp_path: Path) -> None:
    digests = []
    for film in "AAB":
        table = tmp_path / "t.csv"
        table.write_text(f"path,label,split,film\na.mp4,x,train,{film}\n")
        digests.append(videos_digest(LISTING, Folder(table, group_column="film")))
    assert digests[0] == digests[1] != digests[2]


def test_names_that_are_not_utf_8_have_a_digest() -> None:
    odd = Listing(("x", "y"), (replace(ROWS[0], path="\udcff.mp4"), *ROWS[1:]))
    assert len(videos_digest(odd, Folder())) == 32


def test_columns_and_videos_are_part_of_what_a_run_is(tmp_path: Path) -> None:
    claim_folder(tmp_path, plan(digest="12"))
    assert differences(tmp_path, plan(digest="12")) == []
    assert differences(tmp_path, plan()) == []  # not listed yet
    assert differences(tmp_path, plan("f5")) == ["columns fold: f3, not f5"]
    with pytest.raises(UserError, match=r"begun with other settings \(the list of videos, .* changed\); choose"):
        check_folder(tmp_path, plan(digest="34"), resume=True)


def test_runs_that_did_not_keep_them_go_on(tmp_path: Path) -> None:
    old = plan().to_dict()
    del old["columns"], old["videos_digest"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    check_folder(tmp_path, plan(digest="12"), resume=True)
    assert differences(tmp_path, replace(plan(digest="12"), epochs=3)) == ["epochs: 30, not 3"]


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
        patch.setattr("fractalvid.finetune.run.transfer._train", stop)
        with pytest.raises(RuntimeError, match="plug"):
            command(*args, cache=tmp_path / "c")
    table.write_text("\n".join(["path,label,split", lines[0].replace(",dark,", ",light,"), *lines[1:]]))
    assert command(*args, cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "the list of videos, their labels, sides or groups changed" in error
    assert error.count("\n") == 1
    table.write_text("\n".join(["path,label,split", *lines]))
    assert command(*args, cache=tmp_path / "c") == 0
