"""Boxes of a file, checked, and tubes as training clips show them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fractalvid.finetune.clips.augment import crop, draw
from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.clips.masks import cut_mask
from fractalvid.finetune.clips.randaugment import draw_policy, move_mask
from fractalvid.finetune.generalise.tubes import Tube, describe_tubes, draw_tube, read_boxes, tubes_of
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.errors import UserError
from fractalvid.video.reader import VideoFacts

HEADER = "video,time,x1,y1,x2,y2,action\n"
FACTS = {"bow/a.mp4": VideoFacts(40, 64, 48, 10.0, 4.0), "bow/b_000010_000014.mp4": VideoFacts(40, 64, 48, 10.0, 4.0)}
VIDEOS = tuple(Video(path, 0, "train") for path in FACTS)


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "boxes.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("a,1,0.2,0.2,1.1,0.9,bow", r"line 2: the box 0.2, 0.2, 1.1, 0.9 is none inside the frame"),
        ("a,1,-0.1,0.2,0.5,0.9,bow", "none inside the frame"),
        ("a,1,0.5,0.2,0.5,0.9,bow", "none inside the frame"),
        ("a,1,nan,0.2,0.5,0.9,bow", "none inside the frame"),
        ("a,-1,0.1,0.2,0.5,0.9,bow", "the time -1 is no second"),
        ("a,1,x,0.2,0.5,0.9,bow", "time or box is no number"),
        ("a,1,0.1,0.2,0.5,0.9,", "the video or the action is empty"),
    ],
)
def test_boxes_outside_the_frame_and_other_mistakes(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        read_boxes(table(tmp_path, line))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no column 'video': its first line has to be video,time"):
        read_boxes(table(tmp_path, "a,1,0.1,0.2,0.5,0.9,bow", header=""))
    with pytest.raises(UserError, match="holds no box"):
        read_boxes(table(tmp_path))


def test_boxes_find_their_clips(tmp_path: Path) -> None:
    lines = ("a,1.0,0.25,0.5,0.5,1,bow", "a,1.0,0,0,0.1,0.1,bow", "b,12,0,0,1,0.5,Bow", "c,1,0,0,1,1,bow")
    tubes = tubes_of(VIDEOS, ("bow",), read_boxes(table(tmp_path, *lines)), FACTS)
    assert sorted(tubes) == [0, 1]
    assert tubes[1].times.tolist() == [2.0]  # second 12 of the film is second 2 of what begins at its second 10
    assert len(tubes[0].at(0.3)) == 2 and len(tubes[0].at(2.5)) == 0
    assert describe_tubes(tubes, 2) == "boxes of 2 of 2 clips"
    assert "1 clip without any is never masked" in describe_tubes({0: tubes[0]}, 2)


def test_boxes_outside_the_clip_and_of_nothing(tmp_path: Path) -> None:
    late = read_boxes(table(tmp_path, "a,7,0,0,1,1,bow"))
    with pytest.raises(UserError, match=r"line 2: second 7 lies outside bow/a.mp4, which lasts from 0 to 4"):
        tubes_of(VIDEOS, ("bow",), late, FACTS)
    early = read_boxes(table(tmp_path, "b,3,0,0,1,1,bow"))
    with pytest.raises(UserError, match="lasts from 10 to 14"):
        tubes_of(VIDEOS, ("bow",), early, FACTS)
    with pytest.raises(UserError, match="none of its videos and actions is among the 2 clips"):
        tubes_of(VIDEOS, ("bow",), read_boxes(table(tmp_path, "a,1,0,0,1,1,run")), FACTS)


def test_a_film_in_several_clips(tmp_path: Path) -> None:
    """Each clip has the boxes of its own time; those of a time that no clip shows are no mistake."""
    paths = ("bow/b_000010_000014.mp4", "bow/b_000020_000024.mp4")
    facts = dict.fromkeys(paths, FACTS["bow/a.mp4"])
    videos = tuple(Video(path, 0, "train") for path in paths)
    lines = ("b,12,0,0,1,0.5,bow", "b,21,0,0,0.5,1,bow", "b,40,0,0,1,1,bow")
    tubes = tubes_of(videos, ("bow",), read_boxes(table(tmp_path, *lines)), facts)
    assert [tubes[k].times.tolist() for k in (0, 1)] == [[2.0], [1.0]]


@pytest.mark.parametrize("operations", [0, 4])
def test_a_tube_moves_with_its_clip(operations: int) -> None:
    """A box drawn into the frames in white is where the mask is, but for the edges that resizing softens."""
    config, size = AugmentConfig(crop_scale=(0.3, 1.0), operations=operations, blur=0.0), 24
    drawn, policy = draw(5, np.arange(8), config), draw_policy(5, np.arange(8), config)
    frames = np.zeros((3, 48, 64, 3), np.uint8)
    frames[:, 12:36, 16:40] = 255
    tube = Tube(np.array([1.0]), np.array([[16 / 64, 12 / 48, 40 / 64, 36 / 48]]))
    white = draw_tube(tube, np.array([0.5, 1.0, 3.0]), (48, 64))
    assert set(drawn.flip.tolist()) == {False, True}
    for i in range(8):
        seen = move_mask(crop(frames, np.arange(3), drawn, i, size), policy, i, 7.0)[..., 0].float() / 255
        mask = cut_mask(white, drawn, policy, i, size=size, magnitude=7.0)
        assert mask.shape == (3, size, size) and mask.dtype == torch.bool
        assert not mask[2].any()  # too long after its time
        assert mask[0].equal(mask[1])
        assert (mask[0].float() - seen[0]).abs().mean() < 0.06
