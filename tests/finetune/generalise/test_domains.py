"""Two domains in the classes that both have."""

from pathlib import Path

import pytest

from fractalvid.finetune.generalise.domains import (
    Domains,
    Unlabelled,
    match_classes,
    read_class_list,
    read_domains,
    read_mapping,
)
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import open_data
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import folder_set, put


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("domains")
    source = folder_set(folder / "source", classes=("bow", "high jump", "run"), train=3, test=1)
    target = folder / "target"
    for number, name in enumerate(("High_Jump", "cartwheel", "run")):
        for k in range(2):
            put(target / "test" / name / f"{k}.mp4", 5 + k, level=90 * number)
    return source, target


def domains(roots: tuple[Path, Path], cache: Path, **more: object) -> Domains:
    machine = Machine(threads=1, cache_dir=cache, progress=False)
    source, target = (open_data(TargetOptions("folder", root), machine, test_only=root == roots[1]) for root in roots)
    return read_domains(source, target, machine, **more)  # type: ignore[arg-type]


def test_classes_that_only_one_domain_has_are_left_out(roots: tuple[Path, Path], tmp_path: Path) -> None:
    both = domains(roots, tmp_path)
    assert both.classes == ("high jump", "run")
    assert len(both.train) == 6 and len(both.held) == 2
    assert [(video.path, video.label) for video in both.tested] == [
        *((f"test/High_Jump/{k}.mp4", 0) for k in range(2)),
        *((f"test/run/{k}.mp4", 1) for k in range(2)),
    ]
    assert both.left_out == (
        "left out of the source: 1 class (bow)",
        "left out of the target: 1 class (cartwheel)",
    )


def test_a_class_is_found_by_its_own_name_first() -> None:
    source = ("push up", "push_up", "run")
    assert match_classes(source, ("push up", "push_up", "Run", "Push Up"), {}) == [0, 1, 2, None]
    assert match_classes(source, ("pushing",), {"pushing": "push up"}) == [0]
    with pytest.raises(UserError, match="'PUSH UP' is no class of the source"):
        match_classes(source, ("pushing",), {"pushing": "PUSH UP"})  # either of two


def test_what_training_sees_of_the_target_has_no_labels(roots: tuple[Path, Path], tmp_path: Path) -> None:
    seen = domains(roots, tmp_path).unlabelled()
    assert isinstance(seen, Unlabelled)
    assert [set(vars(clip)) for clip in seen.clips] == [{"path", "start", "end"}] * 4
    assert [video.label for video in seen.numbered()] == [0, 1, 2, 3]  # their places


def test_a_study_names_its_classes_and_what_they_are_called(roots: tuple[Path, Path], tmp_path: Path) -> None:
    listed, mapped = tmp_path / "classes.txt", tmp_path / "map.csv"
    listed.write_text("run\r\nBow\r\n")
    mapped.write_text("target,source\ncartwheel,bow\nHigh Jump,\n")
    both = domains(roots, tmp_path, classes=read_class_list(listed), mapping=read_mapping(mapped))
    assert both.classes == ("bow", "run") and len(both.tested) == 4
    with pytest.raises(UserError, match="the target has no class 'Bow'; --class-map may say"):
        domains(roots, tmp_path, classes=read_class_list(listed))
    with pytest.raises(UserError, match=r"'rum' is no class of the source \(nearest: 'run'\)"):
        domains(roots, tmp_path, classes=("rum", "bow"))
    assert match_classes(["a", "b"], ["x", "y"], {"x": "a", "y": "a"}) == [0, 0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("target,source\nrum,run\n", "'rum' is no class of the target .nearest: 'run'."),
        ("target,source\nrun,bw\n", "'bw' is no class of the source .nearest: 'bow'."),
        ("target,source\nrun,bow\nRun,bow\n", "'Run' is there twice"),
        ("target,source\n,bow\n", "the class of the target is empty"),
        ("class,weights\nrun,bow\n", "expected the columns target and source"),
    ],
)
def test_mappings_with_mistakes(roots: tuple[Path, Path], tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=error):
        domains(roots, tmp_path, mapping=read_mapping(path))


def test_lists_with_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    for text, error in (("a\nA\n", "names 'a' twice"), ("a\n", "telling classes apart takes two"), ("\n", "is empty")):
        path.write_text(text)
        with pytest.raises(UserError, match=error):
            read_class_list(path)


def test_balanced_sources(roots: tuple[Path, Path], tmp_path: Path) -> None:
    both = domains(roots, tmp_path, clips_per_class=2, seed=1)
    assert [video.label for video in both.train] == [0, 0, 1, 1] and len(both.tested) == 4
    with pytest.raises(UserError, match=r"--clips-per-class is 4: high jump \(3\)"):
        domains(roots, tmp_path, clips_per_class=4)


def test_domains_with_nothing_in_common_and_empty_ones(roots: tuple[Path, Path], tmp_path: Path) -> None:
    put(tmp_path / "other" / "test" / "swim" / "0.mp4")
    with pytest.raises(UserError, match="the domains have 0 classes in common"):
        domains((roots[0], tmp_path / "other"), tmp_path)
    (tmp_path / "empty" / "test" / "run").mkdir(parents=True)
    with pytest.raises(UserError, match="empty"):
        domains((roots[0], tmp_path / "empty"), tmp_path)


def test_gifs_without_a_table_are_all_learned_from(roots: tuple[Path, Path], tmp_path: Path) -> None:
    machine = Machine(threads=1, cache_dir=tmp_path, progress=False)
    gifs = open_data(TargetOptions("kinetics-gifs", roots[1] / "test"), machine)
    target = open_data(TargetOptions("folder", roots[1]), machine, test_only=True)
    both = read_domains(gifs, target, machine)
    assert len(both.classes) == 3 and len(both.train) == 6 and not both.held and not both.left_out
