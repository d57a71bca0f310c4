"""verify finds whatever is wrong with a set, and repair makes it what it was."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import KINDS
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.formats import FORMATS, digest
from fractalvid.sets.manifest import read_manifest, write_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.sets.verification import Findings, Problem, repair, verify
from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.writer import encode_video
from tests.fractalvid.command import fractalvid


def check(path: Path) -> Findings:
    return verify(path, workers=2, progress=False)


def contents(root: Path) -> dict[str, str]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A sound set of each format, with masks, made when first asked for; not to be changed."""
    root, bank = tmp_path_factory.mktemp("sets"), ClassBank.sample(3, seed=3)

    def of(kept: str) -> Path:
        out = root / kept
        if not out.exists():
            options: dict[str, Any] = {"shard_size": 4} if FORMATS[kept].sharded else {}
            config = SetConfig(clips=3, size=32, points=2000, masks=True, format=kept, **options)  # type: ignore[arg-type]
            generate(bank, out, config, workers=2, progress=False)
        return out

    return of


@pytest.fixture
def copy(sound: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one, to be broken."""

    def of(kept: str) -> Path:
        return Path(shutil.copytree(sound(kept), tmp_path / "set"))

    return of


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lose(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("kept", FORMATS)
def test_a_sound_set_is_clean(sound: Callable[[str], Path], kept: str) -> None:
    found = check(sound(kept))
    assert found.clean
    assert (found.clips, found.lines()) == (9, [])
    assert "9 clips" in found.summary()


@pytest.mark.parametrize("kept", FORMATS)
@pytest.mark.parametrize("harm", [cut, flip, grow, empty, lose])
def test_any_harm_to_a_file_is_found_named_and_made_good(
    copy: Callable[[str], Path], kept: str, harm: Callable[[Path], None]
) -> None:
    out = copy(kept)
    before = contents(out)
    rows = SetReader(out).rows
    victims = {rows[1].path, rows[-1].files()[-1]}
    for path in victims:
        harm(out / path)
    found = check(out)
    assert not found.clean
    assert {problem.path for problem in found.problems} == victims
    assert not found.strays
    assert repair(out, found, workers=2, progress=False) == []
    assert contents(out) == before
    assert check(out).clean


def test_every_byte_of_a_shard_counts(copy: Callable[[str], Path]) -> None:
    out = copy("webdataset")
    path = out / "shards" / "000001.tar"
    data = path.read_bytes()
    for at in (0, 511, 700, len(data) - 700, len(data) - 1):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert [problem.path for problem in check(out).problems] == ["shards/000001.tar"], at
    path.write_bytes(data)
    assert check(out).clean


def test_a_clip_of_the_wrong_length_or_size_is_found_whatever_the_manifest_says(copy: Callable[[str], Path]) -> None:
    out = copy("mp4")
    rows = read_manifest(out / "manifest.csv")
    for place, frames in ((0, np.zeros((7, 32, 32), np.uint8)), (1, np.zeros((rows[1].frames, 48, 48), np.uint8))):
        data = encode_video(frames)
        (out / rows[place].path).write_bytes(data)
        rows[place] = replace(rows[place], frames=len(frames), bytes=len(data), digest=digest(data))
    write_manifest(out / "manifest.csv", rows)
    found = check(out)
    said = [line for line in found.lines() if "has frames of shape" in line]
    assert ["(7, 32, 32)" in line for line in said] == [True, False]
    assert len(found.problems) == 3  # the mask of 19 frames does not belong to a clip of 7 either
    said = repair(out, found, workers=1, progress=False)
    assert [line.split(":")[0] for line in said] == [rows[0].path, rows[1].path]
    assert check(out).clean


def test_rows_that_are_wrong(copy: Callable[[str], Path], sound: Callable[[str], Path]) -> None:
    out = copy("mp4")
    rows = read_manifest(out / "manifest.csv")
    odd = [replace(rows[0], class_id=77), replace(rows[1], path="clips/elsewhere.mp4"), rows[2], *rows[2:]]
    write_manifest(out / "manifest.csv", odd)
    found = check(out)
    assert [problem.path for problem in found.problems] == ["manifest.csv"] * 3
    assert found.missing == 2
    said = repair(out, found, workers=1, progress=False)
    assert ["clip 0/1 is not what its manifest said" in line for line in said] == [True]
    assert contents(out) == contents(sound("mp4"))


def test_rows_that_ask_for_too_many_bytes(copy: Callable[[str], Path], sound: Callable[[str], Path]) -> None:
    out = copy("webdataset")
    rows = read_manifest(out / "manifest.csv")
    odd = [replace(rows[0], bytes=10**18), replace(rows[1], mask_bytes=10**18), replace(rows[2], offset=2**62)]
    write_manifest(out / "manifest.csv", [*odd, *rows[3:]])
    found = check(out)
    # Where a clip's mask lies follows from its offset and size, so two masks are missed too.
    assert sum("is cut short" in line for line in found.lines()) == 5
    repair(out, found, workers=1, progress=False)
    assert contents(out) == contents(sound("webdataset"))


def without(*names: str) -> Callable[[dict[str, Any]], object]:
    return lambda card: (card if len(names) == 1 else card[names[0]]).pop(names[-1])


def setting(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda card: (card["set_config"] if "clips" in values or "colour" in values else card).update(values)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without("bank_digest"), "bank_digest"),
        (without("kind"), "kind"),
        (without("set_config"), "set_config"),
        (without("set_config", "clips"), "no clips"),
        (without("set_config", "masks"), "no masks"),
        (setting(classes="3"), "classes"),
        (setting(classes=0), "number of classes"),
        (setting(seed=-1), "seed"),
        (setting(clips=2.5), "whole"),
        (setting(clips="many"), "whole"),
        (setting(clips=0), "clips must be"),
        (setting(colour={"no": 1}), "no"),
    ],
)
def test_a_card_that_lacks_something_is_one_line(
    copy: Callable[[str], Path], harm: Callable[[dict[str, Any]], object], said: str
) -> None:
    out = copy("npz")
    config, before = SetReader(out).config, contents(out)
    card = json.loads((out / "dataset.json").read_text())
    harm(card)
    (out / "dataset.json").write_text(json.dumps(card))
    for use in (lambda: check(out), lambda: generate(ClassBank.sample(3, seed=3), out, config, workers=1)):
        with pytest.raises(UserError, match=said) as error:
            use()
        assert str(out / "dataset.json") in str(error.value)
    assert {k: v for k, v in contents(out).items() if k != "dataset.json"} == {
        k: v for k, v in before.items() if k != "dataset.json"
    }


def test_strays_are_named_and_stay(copy: Callable[[str], Path]) -> None:
    out = copy("npz")
    (out / "arrays" / "000001" / "notes.txt").write_text("mine")
    found = check(out)
    assert found.strays == ["arrays/000001/notes.txt"]
    assert not found.clean
    repair(out, found, workers=1, progress=False)
    assert check(out).strays == ["arrays/000001/notes.txt"]


def test_finished_clips_whose_rows_are_not_there_yet_are_no_strays(copy: Callable[[str], Path]) -> None:
    out = copy("npz")
    rows = read_manifest(out / "manifest.csv")
    write_manifest(out / "manifest.csv", rows[:-2])
    found = check(out)
    assert (found.missing, found.strays, found.problems) == (2, [], [])


@pytest.mark.parametrize("harm", [cut, lose])
def test_a_lost_bank_is_drawn_again(
    copy: Callable[[str], Path], sound: Callable[[str], Path], harm: Callable[[Path], None]
) -> None:
    out = copy("png")
    harm(out / "classes.npz")
    found = check(out)
    assert [problem.path for problem in found.problems] == ["classes.npz"]
    repair(out, found, workers=1, progress=False)
    assert contents(out) == contents(sound("png"))


def test_a_bank_that_no_seed_gives_is_not_replaced(tmp_path: Path) -> None:
    bank = ClassBank.sample(2, seed=3)
    bank = replace(bank, theta=bank.theta + 1)
    generate(bank, tmp_path / "set", SetConfig(clips=1, size=32, points=2000), workers=1, progress=False)
    ClassBank.sample(2, seed=3).save(tmp_path / "set" / "classes.npz")
    found = check(tmp_path / "set")
    assert "other classes" in found.lines()[0]
    with pytest.raises(UserError, match="put that file back"):
        repair(tmp_path / "set", found, workers=1, progress=False)


def test_an_unfinished_set_is_finished(sound: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    config = SetReader(sound("webdataset")).config
    assert generate(ClassBank.sample(3, seed=3), out, config, workers=1, hours=1e-9, progress=False) == 9
    found = check(out)
    assert (found.missing, found.problems) == (9, [])
    assert "9 clips not made yet" in found.summary()
    repair(out, found, workers=1, progress=False)
    assert contents(out) == contents(sound("webdataset"))


def test_repair_elsewhere_is_refused_and_changes_nothing(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copy("mp4")
    lose(out / SetReader(out).rows[0].path)
    found, before = check(out), contents(out)
    monkeypatch.setattr("fractalvid.sets.card.fingerprint", lambda: {"numba": "0.1"})
    with pytest.raises(UserError, match="numba"):
        repair(out, found, workers=1, progress=False)
    assert contents(out) == before


@pytest.mark.parametrize("kept", FORMATS)
def test_a_folder_in_the_place_of_a_file_is_named_before_anything_is_rewritten(
    copy: Callable[[str], Path], kept: str
) -> None:
    out = copy(kept)
    rows = SetReader(out).rows
    lose(out / rows[0].path)
    for name in {rows[-1].path, rows[-1].files()[-1]}:
        data = (out / name).read_bytes()
        lose(out / name)
        (out / name).mkdir()
        found, before = check(out), contents(out)
        with pytest.raises(UserError) as error:
            repair(out, found, workers=1, progress=False)
        assert str(error.value) == f"{out / name} is a folder, where a file belongs: move it away first"
        assert contents(out) == before
        (out / name).rmdir()
        (out / name).write_bytes(data)
    repair(out, check(out), workers=1, progress=False)
    assert check(out).clean


def test_a_file_in_the_place_of_a_folder_is_named(copy: Callable[[str], Path]) -> None:
    out = copy("png")
    folder = (out / SetReader(out).rows[-1].path).parent
    shutil.rmtree(folder)
    folder.touch()
    found = check(out)
    with pytest.raises(UserError, match=f"{folder} is a file, where a folder belongs: move it away first"):
        repair(out, found, workers=1, progress=False)


def test_a_kind_that_is_not_known_here_is_no_problem_of_the_set(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, refuses: Callable[..., None]
) -> None:
    out = copy("mp4")
    others = {name: kind for name, kind in KINDS.items() if name != "ifs"}
    for module in ("kinds", "sets.verification"):
        monkeypatch.setattr(f"fractalvid.{module}.KINDS", others)
    found = check(out)
    assert found.clean
    (line,) = found.lines()
    assert "can't be checked; kind 'ifs' is not known here: from Python, import the module" in line
    refuses("its kind 'ifs' is not known here", "verify", out, "--repair")
    lose(out / SetReader(out).rows[0].path)
    assert not check(out).clean
    lose(out / "classes.npz")
    assert "classes.npz" in {problem.path for problem in check(out).problems}


def test_what_was_found_is_counted_in_words() -> None:
    assert Findings(1, 0, [], []).summary().startswith("1 clip: every file")
    problem = Problem("a", "b")
    assert Findings(2, 1, [problem], ["c"]).summary() == "2 clips: 1 problem, 1 stray, 1 clip not made yet"
    assert Findings(2, 2, [problem] * 2, []).summary() == "2 clips: 2 problems, 2 clips not made yet"


def test_repair_elsewhere_is_refused_before_the_check(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, refuses: Callable[..., None]
) -> None:
    out = copy("mp4")
    monkeypatch.setattr("fractalvid.sets.card.fingerprint", lambda: {"numba": "0.1"})
    monkeypatch.setattr("fractalvid.sets.verification.verify", None)
    refuses("was made with numba", "verify", out, "--repair")


def test_the_command(
    copy: Callable[[str], Path], refuses: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = copy("mp4")
    assert fractalvid("verify", out) == 0
    assert "9 clips: every file" in capsys.readouterr().out
    lose(out / "clips" / "000001" / "0000000002.mp4")
    assert fractalvid("verify", out) == 1
    said = capsys.readouterr().out
    assert "clips/000001/0000000002.mp4: clip 1/2: " in said
    assert said.endswith("9 clips: 1 problem\n")
    assert fractalvid("verify", out, "--repair") == 0
    assert "after the repair: 9 clips: every file" in capsys.readouterr().out
    refuses("nosuch", "verify", "nosuch")
    refuses("workers", "verify", out, "--workers", "0")
    refuses("--x", "verify", "--x")
