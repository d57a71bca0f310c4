from pathlib import Path

import pytest

from fractalvid.finetune.targets.kinetics import Clip, Kinetics, read_table
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError

# As published: quoted labels, a further column, "validate" or "val".
TRAIN = (
    "label,youtube_id,time_start,time_end,split,is_cc\n"
    '"air drumming",--abcdefgh1,0,10,train,0\n'
    '"massaging person\'s head",--abcdefgh2,84,94,train,0\n'
    "zumba,_-abcdefgh3,4,14,train,0\n"
)
VAL = (
    "label,youtube_id,time_start,time_end,split\n"
    "air drumming,--abcdefgh4,0,10,{word}\n"
    "massaging person's head,--abcdefgh5,1234,1244,{word}\n"
    "zumba,_-abcdefgh6,4,14,{word}\n"
)
STEMS = {
    "train": ["--abcdefgh1_000000_000010", "--abcdefgh2_000084_000094", "_-abcdefgh3_000004_000014"],
    "val": ["--abcdefgh4_000000_000010", "--abcdefgh5_001234_001244", "_-abcdefgh6_000004_000014"],
}
CLASSES = ("air drumming", "massaging person's head", "zumba")


def kinetics_set(root: Path, *, tables: str | None = "annotations", folders: str = "", word: str = "val") -> Path:
    """Kinetics' layout; `folders` stands between the words of class folders, or is empty for files without them."""
    for part, stems in STEMS.items():
        base = root / (word if part == "val" else part)
        for name, stem in zip(CLASSES, stems, strict=True):
            path = base / (name.replace(" ", folders) if folders else "") / f"{stem}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
    if tables is not None:
        (root / tables).mkdir(exist_ok=True)
        (root / tables / "train.csv").write_text(TRAIN)
        (root / tables / f"{word}.csv").write_text(VAL.format(word=word))
    return root


def found(root: Path, target: Kinetics | None = None) -> list[tuple[str, int, str]]:
    listing = list_videos(target or Kinetics(400), root, "val", allow_missing=False)
    assert listing.classes == CLASSES or [name.replace("_", " ") for name in listing.classes] == list(CLASSES)
    return [(Path(row.path).stem, row.label, row.side) for row in listing.videos]


EXPECTED = [
    (stem, k, side) for side, part in (("train", "train"), ("test", "val")) for k, stem in enumerate(STEMS[part])
]


@pytest.mark.parametrize("ending", ["mkv", "webm"])
def test_clips_in_other_containers_are_found_and_twins_are_said(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = kinetics_set(tmp_path, folders="_")
    for path in sorted((root / "train").rglob("*.mp4")):
        path.rename(path.with_suffix(f".{ending}"))
    twin = next((root / "val").rglob("*.mp4"))
    twin.with_suffix(f".{ending}").write_text("x")
    assert found(root) == EXPECTED
    assert f"taken is {twin.relative_to(root)}, not {twin.stem}.{ending}" in capsys.readouterr().err


@pytest.mark.parametrize("folders", ["", " ", "_"])
@pytest.mark.parametrize("word", ["val", "validate"])
def test_tables_list_files_with_or_without_class_folders(tmp_path: Path, folders: str, word: str) -> None:
    assert found(kinetics_set(tmp_path, folders=folders, word=word)) == EXPECTED


@pytest.mark.parametrize("folders", [" ", "_"])
def test_folders_need_no_tables(tmp_path: Path, folders: str) -> None:
    assert found(kinetics_set(tmp_path, tables=None, folders=folders)) == EXPECTED


def test_train_and_val_may_write_class_folders_differently(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path, tables=None, folders="_")
    (root / "val" / "air_drumming").rename(root / "val" / "Air drumming")
    assert found(root) == EXPECTED


def test_files_may_be_called_by_their_ids_alone(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path)
    for part, stems in STEMS.items():
        for stem in stems:
            (root / part / f"{stem}.mp4").rename(root / part / f"{stem[:11]}.mkv")
    assert found(root) == [(stem[:11], label, side) for stem, label, side in EXPECTED]


@pytest.mark.parametrize("place", [".", "kinetics400", "given"])
def test_the_tables_are_found_where_they_usually_are(tmp_path: Path, place: str) -> None:
    root = kinetics_set(tmp_path / "data", tables="annotations")
    if place == "given":
        (root / "annotations").rename(tmp_path / "lists")
    else:
        (root / place).mkdir(exist_ok=True)
        for part in ("train", "val"):
            (root / "annotations" / f"{part}.csv").rename(root / place / f"kinetics_400_{part}.csv")
    assert found(root, Kinetics(400, tmp_path / "lists" if place == "given" else None)) == EXPECTED


def test_missing_clips_are_named_as_the_crawler_would(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path, folders=" ")
    (root / "val" / "zumba" / f"{STEMS['val'][2]}.mp4").unlink()
    with pytest.raises(UserError, match=r"1 of 6 .*val/zumba/_-abcdefgh6_000004_000014\.mp4; --allow-missing"):
        list_videos(Kinetics(400), root, "val", allow_missing=False)


def test_lines_that_tables_repeat_count_once(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path)
    (root / "annotations" / "train.csv").write_text(TRAIN + TRAIN.splitlines()[-1])
    assert found(root) == EXPECTED


def test_test_can_be_tested_on_where_it_has_labels(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path)
    (root / "val").rename(root / "test")
    (root / "annotations" / "test.csv").write_text(VAL.format(word="test"))
    assert len(list_videos(Kinetics(400), root, "test", allow_missing=False).side("test")) == 3
    (root / "annotations" / "test.csv").write_text("youtube_id,time_start,time_end,split\na,0,10,test\n")
    with pytest.raises(UserError, match=r"test\.csv has no column 'label'.*withheld, so test on the split val"):
        Kinetics(400).index(root, "test")


def test_a_clip_in_both_tables_is_an_error(tmp_path: Path) -> None:
    root = kinetics_set(tmp_path, tables=".")
    for stem in STEMS["val"]:
        (root / "val" / f"{stem}.mp4").rename(root / f"{stem}.mp4")
    for stem in STEMS["train"]:
        (root / "train" / f"{stem}.mp4").rename(root / f"{stem}.mp4")
    for part in STEMS:
        (root / part).rmdir()
    assert found(root) == EXPECTED
    (root / "val.csv").write_text(VAL.format(word="val") + "zumba,_-abcdefgh3,4,14,val\n")
    with pytest.raises(UserError, match=r"1 video is in training and in test \(_-abcdefgh3_000004_000014\.mp4\)"):
        list_videos(Kinetics(400), root, "val", allow_missing=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zumba,_-abcdefgh9,4,14,train", "line 5: its split is 'train', but this is the table of val"),
        ("zumba,_-abcdefgh9,four,14,val", "line 5: time_start and time_end are no numbers"),
        ("zumba,_-abcdefgh9,inf,14,val", "line 5: time_start and time_end are no numbers"),
        ("zumba", "line 5: time_start and time_end are no numbers"),
        (",_-abcdefgh9,4,14,val", "line 5: the label or the youtube_id is empty"),
        ("zumbba,_-abcdefgh9,4,14,val", r"label 'zumbba' has no training videos \(nearest: 'zumba'\)"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: str, message: str) -> None:
    root = kinetics_set(tmp_path)
    (root / "annotations" / "val.csv").write_text(f"{VAL.format(word='val')}{line}\n")
    with pytest.raises(UserError, match=message):
        Kinetics(400).index(root, "val")


def test_tables_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode())
    clips = read_table(tmp_path / "train.csv", "train")
    assert clips[1] == Clip("massaging person's head", "--abcdefgh2", 84, 94)
    for data, message in ((b"", "has no column 'label'"), (b"\xff\xfe", "is not UTF-8"), (None, "cannot read")):
        (tmp_path / "bad.csv").unlink(missing_ok=True)
        if data is not None:
            (tmp_path / "bad.csv").write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_table(tmp_path / "bad.csv", "train")
    (tmp_path / "bad.csv").write_text(TRAIN.splitlines()[0])
    with pytest.raises(UserError, match="lists no clip"):
        read_table(tmp_path / "bad.csv", "train")


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a" / "stuff").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is not Kinetics: expected train/ and val/ .*found stuff"):
        Kinetics(400).index(tmp_path / "a", "val")
    with pytest.raises(UserError, match="does not exist"):
        Kinetics(400).index(tmp_path / "absent", "val")
    root = kinetics_set(tmp_path / "b", tables=None, folders=" ")
    with pytest.raises(UserError, match="has no folder test"):
        Kinetics(400).index(root, "test")
    with pytest.raises(UserError, match=r"has 3 classes; kinetics2 has 2"):
        Kinetics(2).index(root, "val")
    (root / "val" / "zumba").rename(root / "val" / "zumbing")
    with pytest.raises(UserError, match=r"class folder 'zumbing' .* has no training videos \(nearest: 'zumba'\)"):
        Kinetics(400).index(root, "val")
    with pytest.raises(UserError, match=r"no train\.csv .*--annotations"):
        Kinetics(400, tmp_path / "a").index(root, "val")
    root = kinetics_set(tmp_path / "c", folders="_")
    (root / "train" / "air_drumming").rename(root / "train" / "air_drummming")
    with pytest.raises(UserError, match=r"'air_drummming' .* is no label of .*train\.csv \(nearest: 'air drumming'\)"):
        Kinetics(400).index(root, "val")
    (root / "annotations" / "val.csv").unlink()
    with pytest.raises(UserError, match=r"no val\.csv"):
        Kinetics(400).index(root, "val")


def test_the_targets_are_chosen_by_name(tmp_path: Path) -> None:
    for number in (400, 600):
        target = make_target(TargetOptions(f"kinetics{number}", tmp_path))
        assert target.name == f"kinetics{number}" and target.protocol.num_classes == number
        assert target.protocol.splits == ("val", "test") and f"k{number}_downloader.sh" in target.obtain


def test_a_clip_belongs_to_its_video() -> None:
    assert Kinetics(400).group("val/zumba/_-abcdefgh6_000004_000014.mp4") == "_-abcdefgh6"
    assert Kinetics(400).group("val/_-abcdefgh6.mp4") == "_-abcdefgh6"
    assert Kinetics(400).group("val/clip.mp4") is None
