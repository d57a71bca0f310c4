"""Sets that several machines make in parts: the merged set is the one that a single machine makes."""

import errno
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fractalvid.core.bank import array_names
from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import FractalSet, Part, SetConfig, generate, merge, merging, repair, verify
from fractalvid.sets.manifest import read_manifest
from fractalvid.sets.part import WHOLE
from fractalvid.sets.workers import store_of
from fractalvid.utils.errors import UserError
from tests.fractalvid.sets.test_generation import digest

FILES = SetConfig(clips=3, size=32, points=2000, masks=True)
SHARDS = SetConfig(clips=3, size=32, points=2000, format="webdataset", shard_size=5)


@pytest.fixture(scope="module")
def four() -> ClassBank:
    return ClassBank.sample(4, seed=3)


def make(bank: ClassBank, out: Path, config: SetConfig, part: Part = WHOLE, hours: float | None = None) -> int:
    return generate(bank, out, config, workers=2, progress=False, part=part, hours=hours)


@pytest.mark.parametrize("config", [FILES, SHARDS])
@pytest.mark.parametrize("count", [2, 7])
def test_merged_parts_are_the_set_of_one_machine(
    four: ClassBank, config: SetConfig, count: int, tmp_path: Path
) -> None:
    make(four, tmp_path / "one", config)
    for number in range(count, 0, -1):
        assert make(four, tmp_path / "many", config, Part(number, count)) == 0
    assert merge(tmp_path / "many") == 12
    assert digest(tmp_path / "many") == digest(tmp_path / "one")
    assert verify(tmp_path / "many", workers=1, progress=False).clean


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_a_merged_set_grows_in_parts(four: ClassBank, config: SetConfig, tmp_path: Path) -> None:
    more = SetConfig(**(vars(config) | {"clips": 5}))
    make(four, tmp_path / "one", more)
    for wanted in (config, more):
        for number in (1, 2):
            make(four, tmp_path / "many", wanted, Part(number, 2))
        merge(tmp_path / "many")
    assert digest(tmp_path / "many") == digest(tmp_path / "one")


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_every_clip_is_in_one_part(config: SetConfig, tmp_path: Path) -> None:
    store = store_of(tmp_path, config, 11)
    parts = [list(store.plan(Part(number, 4))) for number in range(1, 5)]
    assert sorted(clip for part in parts for clip in part) == sorted(store.plan())
    assert [store.count(Part(number, 4)) for number in range(1, 5)] == [len(part) for part in parts]
    paths = [{store.path(clip) for clip in part} for part in parts]
    assert sum(map(len, paths)) == len(set.union(*paths))


def test_a_merge_that_was_killed_goes_on(four: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(four, tmp_path / "one", FILES)
    for number in (1, 2):
        make(four, tmp_path / "many", FILES, Part(number, 2))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for place, name in ((merging, "write_manifest"), (merging, "DurableFolder"), (Path, "rename")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, killed)
            with pytest.raises(KeyboardInterrupt):
                merge(tmp_path / "many")
    assert merge(tmp_path / "many") == 12
    assert digest(tmp_path / "many") == digest(tmp_path / "one")


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_parts_of_a_set_that_grows_are_verified_as_what_they_are(
    four: ClassBank, config: SetConfig, tmp_path: Path
) -> None:
    out, more = tmp_path / "many", SetConfig(**(vars(config) | {"clips": 5}))
    for wanted in (config, more):
        for number in (1, 2):
            make(four, out, wanted, Part(number, 2))
        if wanted is config:
            merge(out)
    part = out / Part(1, 2).folder
    before, findings = read_manifest(part / "manifest.csv"), verify(part, workers=1, progress=False)
    assert findings.clean
    repair(part, findings, workers=1, progress=False)
    assert read_manifest(part / "manifest.csv") == before
    assert verify(out, workers=1, progress=False).clean  # the parts that wait are no strays
    merge(out)
    make(four, tmp_path / "one", more)
    assert digest(out) == digest(tmp_path / "one")


def test_parts_are_refused_where_they_do_not_fit(four: ClassBank, tmp_path: Path) -> None:
    out = tmp_path / "many"
    with pytest.raises(UserError, match="holds no parts to merge"):
        merge(out)
    make(four, out, FILES, Part(1, 3))
    with pytest.raises(UserError, match="lacks parts: 2/3, 3/3; run generate with --shard 2/3"):
        merge(out)
    with pytest.raises(UserError, match="is being made in 3 parts"):
        make(four, out, FILES)
    with pytest.raises(UserError, match="is being made in 3 parts"):
        make(four, out, FILES, Part(1, 2))
    make(four, out, FILES, Part(2, 3))
    make(four, out, FILES, Part(3, 3), hours=0)
    with pytest.raises(UserError, match=r"4 clips of part 3/3 are missing: run generate with --shard 3/3"):
        merge(out)
    shutil.rmtree(out / Part(3, 3).folder)
    make(ClassBank.sample(4, seed=4), out, FILES, Part(3, 3))
    with pytest.raises(UserError, match="seed"):
        merge(out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(UserError, match="holds something else"):
        make(four, tmp_path / "other", FILES, Part(1, 3))


def other(bank: ClassBank, first: int = 0) -> ClassBank:
    """Classes of the same seed and settings, as imported ones are, from that one on in another order."""
    order = [*range(first), *range(len(bank) - 1, first - 1, -1)]
    return replace(bank, **{name: getattr(bank, name)[order] for name in array_names(bank)})


def test_parts_of_other_classes_are_not_put_together(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path, FILES, Part(1, 2))
    make(other(four), tmp_path, FILES, Part(2, 2))
    with pytest.raises(UserError, match=r"000001-of-000002 was made from another bank"):
        merge(tmp_path)


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_a_merged_set_does_not_grow_by_other_classes(four: ClassBank, config: SetConfig, tmp_path: Path) -> None:
    for number in (1, 2):
        make(four, tmp_path, config, Part(number, 2))
    merge(tmp_path)
    more, six = replace(config, clips=4), ClassBank.sample(6, seed=3)
    with pytest.raises(UserError, match="was made from another bank"):
        make(other(four), tmp_path, more, Part(1, 2))
    if config is SHARDS:
        return
    with pytest.raises(UserError, match="was made from another bank"):
        make(other(six), tmp_path, more, Part(1, 2))
    for number in (1, 2):  # as if from a machine that does not have the set
        make(other(six, first=3), tmp_path / "elsewhere", more, Part(number, 2))
    shutil.copytree(tmp_path / "elsewhere" / "parts", tmp_path / "parts")
    with pytest.raises(UserError, match="was made from another bank"):
        merge(tmp_path)


def test_parts_of_two_ways_to_take_a_set_apart_are_not_put_together(four: ClassBank, tmp_path: Path) -> None:
    for number in (1, 3):
        make(four, tmp_path / "a", FILES, Part(number, 3))
    make(four, tmp_path / "b", FILES, Part(2, 4))
    shutil.copytree(tmp_path / "b" / "parts", tmp_path / "a" / "parts", dirs_exist_ok=True)
    with pytest.raises(UserError, match=r"holds parts 1/3 and 2/4, of two ways to take it apart"):
        merge(tmp_path / "a")


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_parts_on_another_file_system_are_copied(
    four: ClassBank, config: SetConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(four, tmp_path / "one", config)
    for number in (1, 2):
        make(four, tmp_path / "many", config, Part(number, 2))
    real = Path.replace

    def within_one(path: Path, target: Path) -> Path:
        if ("-of-" in str(path)) != ("-of-" in str(target)):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", within_one)
    merge(tmp_path / "many")
    assert digest(tmp_path / "many") == digest(tmp_path / "one")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_parts_behind_a_link_are_merged_and_removed(four: ClassBank, tmp_path: Path) -> None:
    out, kept = tmp_path / "set", tmp_path / "kept"
    kept.mkdir()
    out.mkdir()
    for config in (FILES, replace(FILES, clips=4)):
        (out / "parts").symlink_to(kept)
        for number in (1, 2):
            make(four, out, config, Part(number, 2))
        merge(out)
        assert not list(kept.iterdir())
        assert not {"parts", ".merged"} & {path.name for path in out.iterdir()}
    assert verify(out, workers=1, progress=False).clean


def test_parts_that_are_not_merged_are_no_set_yet(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path, FILES, Part(1, 2))
    with pytest.raises(UserError, match=r"fractalvid merge .* puts its parts together"):
        FractalSet(tmp_path)


def test_a_part_is_verified_as_one(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path, FILES, Part(2, 3))
    folder = tmp_path / Part(2, 3).folder
    assert verify(folder, workers=1, progress=False).clean
    assert len(read_manifest(folder / "manifest.csv")) == 4


def test_a_part_with_nothing_to_make_is_complete(tmp_path: Path) -> None:
    bank, one = ClassBank.sample(1, seed=3), SetConfig(clips=1, size=32, points=2000)
    assert make(bank, tmp_path, one, Part(2, 2)) == 0
    assert read_manifest(tmp_path / Part(2, 2).folder / "manifest.csv") == []
    assert make(bank, tmp_path, one, Part(1, 2)) == 0
    assert merge(tmp_path) == 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2", ""])
def test_parts_that_there_are_not(text: str) -> None:
    with pytest.raises(UserError):
        Part.parse(text)


def test_a_merge_that_was_killed_in_its_last_moment_is_one_that_is_done(four: ClassBank, tmp_path: Path) -> None:
    for number in (1, 2):
        make(four, tmp_path, SHARDS, Part(number, 2))
    merge(tmp_path)
    before = digest(tmp_path)
    assert merge(tmp_path) == 12
    (tmp_path / ".merged" / "000001-of-000002").mkdir(parents=True)
    assert merge(tmp_path) == 12
    assert digest(tmp_path) == before
    (tmp_path / "manifest.csv").write_text("")
    with pytest.raises(UserError, match="holds no parts to merge"):
        merge(tmp_path)


def test_a_merge_that_was_killed_before_it_wrote_the_card_goes_on(four: ClassBank, tmp_path: Path) -> None:
    for number in (1, 2):
        make(four, tmp_path, SHARDS, Part(number, 2))
    (tmp_path / ".dataset.json.tmp").write_text("{")
    assert merge(tmp_path) == 12
    assert not (tmp_path / ".dataset.json.tmp").exists()
