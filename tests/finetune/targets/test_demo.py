"""The embedded target: distinct and repeatable clips, a balanced set, complete or absent."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from fractalvid.finetune.targets.demo import files
from fractalvid.finetune.targets.demo.cartoon import COLOURS, draw_cartoon
from fractalvid.finetune.targets.demo.clips import draw_clip, figure_boxes
from fractalvid.finetune.targets.demo.files import render_actions
from fractalvid.finetune.targets.demo.stick_figures import ACTIONS, skeleton, standing
from fractalvid.finetune.targets.demo.target import DemoSet, demo_protocol
from fractalvid.finetune.targets.folder import Folder
from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.locks import exclusive_lock
from fractalvid.video.reader import read_video

TINY = DemoSet(seed=3, clips_per_class_train=2, clips_per_class_test=1, size=32, frames=6)


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(5, spawn_key=key))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_actions(tmp_path_factory.mktemp("demo") / "set", TINY)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_clip_is_a_function_of_its_generator(action: str) -> None:
    first, again, other = (draw_clip(action, rng(k), size=48, frames=8) for k in (1, 1, 2))
    assert first.shape == (8, 48, 48, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(float) - other).mean() > 10


@pytest.mark.parametrize("action", ACTIONS)
def test_the_figure_moves_stays_on_its_ground_and_in_one_piece(action: str) -> None:
    pose = standing(40)
    ACTIONS[action](pose, np.linspace(0, 1, 40), 0, 1.0)
    joints = skeleton(pose, np.ones(6))
    if action == "spin":
        assert np.ptp(pose.turn) > 6  # radians
    else:
        assert np.ptp(joints, axis=0).max() > 0.15  # body heights
    assert joints[..., 1].min() > 0
    assert joints[..., 1].max() < 1.6
    thigh, shank = joints[:, 8] - joints[:, 7], joints[:, 9] - joints[:, 8]
    assert np.allclose(np.linalg.norm(thigh, axis=-1), 0.23)
    assert np.allclose(np.linalg.norm(shank, axis=-1), 0.23)


def test_only_a_jump_and_a_jumping_jack_and_a_run_leave_the_ground() -> None:
    flying = set()
    for action, bend in ACTIONS.items():
        pose = standing(40)
        bend(pose, np.linspace(0, 1, 40), 0, 1.0)
        if skeleton(pose, np.ones(6))[..., 1].min(axis=1).max() > 0.035:
            flying.add(action)
    assert flying == {"jump", "jumping_jack", "run"}


def test_squat_and_jump_share_a_pose_but_not_a_movement() -> None:
    tops = {}
    for action in ("squat", "jump"):
        pose = standing(41)
        ACTIONS[action](pose, np.linspace(0, 1, 41), 0, 1.0)
        tops[action] = skeleton(pose, np.ones(6))[:, 0, 1]  # the head
    assert abs(tops["squat"].min() - tops["jump"].min()) < 0.12
    assert tops["jump"].max() > tops["squat"].max() + 0.15


def test_the_set_is_balanced_and_read_by_the_folder_target(drawn: Path) -> None:
    target = Folder(name="demo", protocol=demo_protocol())
    assert target.classes(drawn, "") == tuple(ACTIONS)
    rows = target.index(drawn, "")
    for side, count in (("train", 2), ("test", 1)):
        labels = [row.label for row in rows if row.side == side]
        assert np.bincount(labels).tolist() == [count] * len(ACTIONS)


def test_every_clip_decodes_and_no_two_are_alike(drawn: Path) -> None:
    clips = [read_video(path) for path in sorted(drawn.glob("*/*/*.mp4"))]
    assert len(clips) == 3 * len(ACTIONS)
    assert {clip.shape for clip in clips} == {(6, 32, 32, 3)}
    flat = np.stack(clips).reshape(len(clips), -1).astype(float)
    apart = np.abs(flat[:, None] - flat[None]).mean(axis=-1) + 1000 * np.eye(len(clips))
    assert apart.min() > 5


def test_a_clip_does_not_depend_on_how_many_there_are_or_on_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pixels_of(config: DemoSet, threads: int) -> dict[tuple[str, ...], bytes]:
        written: dict[tuple[str, ...], bytes] = {}

        def keep(path: Path, clip: np.ndarray, *, fps: int) -> None:
            written[path.parts[-3:]] = clip.tobytes()
            path.touch()

        monkeypatch.setattr(files, "write_video", keep)
        render_actions(tmp_path / str(threads), config, threads=threads)
        return written

    many, few = pixels_of(TINY, 3), pixels_of(replace(TINY, clips_per_class_train=1), 1)
    assert len(many) == 36
    assert few == {key: many[key] for key in few}
    assert len(few) == 24


def test_the_same_set_is_not_drawn_twice(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_write", lambda *_: pytest.fail("drew again"))
    assert render_actions(drawn, TINY) == drawn


def test_a_missing_clip_is_drawn_again(tmp_path: Path) -> None:
    out = render_actions(tmp_path / "set", TINY)
    lost = out / "train" / "bow" / "0001.mp4"
    lost.unlink()
    render_actions(out, TINY)
    assert read_video(lost).shape == (6, 32, 32, 3)
    assert len(list(out.glob("*/*/*.mp4"))) == 36


def test_an_interrupted_set_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_write", fail)
    with pytest.raises(KeyboardInterrupt):
        render_actions(tmp_path / "set", TINY)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    render_actions(tmp_path / "set", TINY, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (36, 36)


@pytest.mark.parametrize("holding", ["a file", "another set", "something else"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, holding: str) -> None:
    out = tmp_path / "set"
    if holding == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        if holding == "another set":
            (out / "demo.json").write_text(json.dumps({"seed": 9}))
        (out / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="already holds"):
        render_actions(out, TINY)
    assert (out if holding == "a file" else out / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "config", [DemoSet(clips_per_class_train=0), DemoSet(size=31), DemoSet(frames=0), DemoSet(seed=-1)]
)
def test_impossible_numbers_are_refused(tmp_path: Path, config: DemoSet) -> None:
    with pytest.raises(UserError, match="demo target"):
        render_actions(tmp_path / "set", config)


def test_one_frame_is_a_clip() -> None:
    assert draw_clip("run", rng(0), size=24, frames=1).shape == (1, 24, 24, 3)


def test_what_a_killed_process_left_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    dead, living, others = (tmp_path / name for name in (".set-dead1234", ".set-live1234", ".set-mine"))
    for folder in (dead, living, others):
        folder.mkdir()
    (dead / ".lock").touch()
    with exclusive_lock(living / ".lock", "held"):
        out = render_actions(tmp_path / "set", TINY)
        assert sorted(path.name for path in tmp_path.iterdir()) == [".set-live1234", ".set-mine", "set"]
    assert not (out / ".lock").exists()


def test_boxes_are_where_figures_are() -> None:
    """Without a figure, the same scene: what differs lies in the boxes."""
    for action in ("kick", "cartwheel"):
        boxes = figure_boxes(action, rng(1), size=64, frames=6)
        clip = draw_clip(action, rng(1), size=64, frames=6).astype(int)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("fractalvid.finetune.targets.demo.clips.paint", lambda *_: None)
            empty = draw_clip(action, rng(1), size=64, frames=6).astype(int)
        assert boxes.shape == (6, 4) and (boxes >= 0).all() and (boxes <= 1).all()
        for (left, top, right, bottom), drawn in zip(boxes * 64, np.abs(clip - empty).max(axis=3) > 12, strict=True):
            rows, columns = np.nonzero(drawn)
            assert len(rows) > 20
            assert left - 3 < columns.min() < columns.max() < right + 3
            assert top - 3 < rows.min() < rows.max() < bottom + 3


def test_cartoons_are_gifs_of_few_colours_with_uneven_timing(tmp_path: Path) -> None:
    config = replace(TINY, style="cartoon", size=48, frames=12)
    out = render_actions(tmp_path / "cartoons", config)
    assert render_actions(out, config) == out
    files = sorted(out.glob("train/*/*.gif"))
    assert len(files) == 2 * len(ACTIONS)
    lengths, delays = set(), set()
    for path in files:
        with Image.open(path) as gif:
            pictures = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(gif)]
        colours = {colour for picture, _ in pictures for _, colour in picture.getcolors(1 << 16) or []}
        assert len(colours) <= COLOURS
        lengths.add(len(pictures))
        delays |= {delay for _, delay in pictures}
        assert len(read_video(path)) >= 9  # the benchmark's rule for short GIFs
    assert len(lengths) > 3 and len(delays) > 3
    with pytest.raises(UserError, match="another demo set"):
        render_actions(out, TINY)


def test_a_cartoon_follows_from_its_seed() -> None:
    first, again, other = (draw_cartoon("wave", rng(k), size=32, frames=8) for k in (1, 1, 2))
    assert np.array_equal(first.frames, again.frames) and first.delays == again.delays
    assert not np.array_equal(first.frames[:2], other.frames[:2])
    assert len(draw_cartoon("run", rng(0), size=24, frames=1).frames) == 1
