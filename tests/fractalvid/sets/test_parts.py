"""Sets that several machines make in parts: the merged set is the one that a single machine makes."""

import shutil
from pathlib import Path

import pytest

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
