import json
from pathlib import Path

import pytest

from finetune.compare import same_shape
from finetune.initial import Initial
from finetune.recipe import Recipe
from fractalvid.errors import UserError
from tests.finetune.helpers import command, folder_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_set(tmp_path_factory.mktemp("data") / "set", train=2, test=1)


def write_table(data: Path, path: Path, *, swap: bool = False) -> Path:
    """Folds of three in two columns; with `swap` two videos of different classes have each other's label."""
    videos = sorted(data.rglob("*.mp4"))
    labels = [video.parent.name for video in videos]
    if swap:
        labels[0], labels[-1] = labels[-1], labels[0]
    lines = [
        f"{video.relative_to(data).as_posix()},{label},{k % 3},{k // 2}"
        for k, (video, label) in enumerate(zip(videos, labels, strict=True))
    ]
    path.write_text("\n".join(["path,label,fold3,other3", *lines]) + "\n")
    return path


def never(*args: object, **kwargs: object) -> None:
    raise AssertionError("nothing was to run")


def test_a_finished_run_is_not_reused_for_other_videos(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = write_table(data, tmp_path / "t.csv"), tmp_path / "out"
    args = ["compare", "--target", "folder", "--data", data, "--csv", table, "--out", out, "--folds", "0"]
    assert command(*args, "--fold-column", "fold3", cache=tmp_path / "c") == 0
    monkeypatch.setattr("finetune.compare.run", never)
    capsys.readouterr()
    assert command(*args, "--fold-column", "other3", cache=tmp_path / "c") == 2
    assert "run with other settings (columns fold: fold3, not other3)" in capsys.readouterr().err
    write_table(data, table, swap=True)
    assert command(*args, "--fold-column", "fold3", cache=tmp_path / "c") == 2
    error = capsys.readouterr().err
    assert "the list of videos, their labels, sides or groups changed" in error
    assert error.count("\n") == 1
    config = out / "scratch" / "split-0_seed-0" / "config.json"
    older = json.loads(config.read_text())
    del older["columns"], older["videos_digest"]
    config.write_text(json.dumps(older))
    assert command(*args, "--fold-column", "fold3", cache=tmp_path / "c") == 0  # it does not say what it was run on


@pytest.mark.parametrize(
    ("words", "message"),
    [("--folds 0 1 9", "no fold '9' in fold3"), ("--folds 0 1 --shots 3", "--shots is 3: class")],
)
def test_all_folds_are_listed_before_the_first_is_run(
    words: str,
    message: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("finetune.compare.run", never)
    table = write_table(data, tmp_path / "t.csv")
    args = ["compare", "--target", "folder", "--data", data, "--csv", table, "--fold-column", "fold3"]
    assert command(*args, "--out", tmp_path / "out", *words.split(), cache=tmp_path / "c") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_each_split_is_listed_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.transfer.read_videos", never)
    args = ["compare", "--target", "folder", "--data", data, "--out", tmp_path / "out"]
    assert command(*args, cache=tmp_path / "c") == 0
    config = json.loads((tmp_path / "out" / "scratch" / "seed-0" / "config.json").read_text())
    assert len(config["videos_digest"]) == 32
    assert config["columns"] is None


def test_networks_that_weights_fix_are_not_to_be_set() -> None:
    inits = [Initial(name, "weights", model=name, clip_len=8, size=64) for name in ("r3d_10", "r3d_18")]
    with pytest.raises(UserError, match=r"differ in model \(r3d_10, r3d_18\): compare those of one network") as caught:
        same_shape(Recipe(), inits)
    assert "--model" not in str(caught.value)
