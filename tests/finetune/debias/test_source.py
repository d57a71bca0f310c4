"""Batches of debiased training: the loader's clips, and beside them scenes and masked clips that fit."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from fractalvid.finetune.clips.config import AugmentConfig, ClipConfig, FrameConfig
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.debias.beside import Beside
from fractalvid.finetune.debias.masks import Masks
from fractalvid.finetune.debias.scenes import Scenes
from fractalvid.finetune.debias.source import DebiasedClips
from fractalvid.finetune.targets.base import Video
from tests.finetune.debias.helpers import HEIGHT, WIDTH, facts, figure, put_mask
from tests.finetune.helpers import ArrayStore, video

LENGTHS = {"a.mp4": 12, "b.mp4": 9, "c.mp4": 7}
VIDEOS = (Video("a.mp4", 0, "train", 4, 12), Video("b.mp4", 1, "train"), Video("c.mp4", 0, "train"))


class Cuts(ArrayStore):
    """Frames that are white where somebody is."""

    def get(self, video: Video) -> object:  # type: ignore[override]
        return self.videos[video.path][video.start : video.end]


def loader(rank: int = 0, world_size: int = 1) -> TrainLoader:
    frames = {}
    for path, length in LENGTHS.items():
        frames[path] = video(length, height=HEIGHT, width=WIDTH)
        frames[path][figure(length)] = 255
    plain = AugmentConfig(operations=0, blur=0.0)
    config = ClipConfig(FrameConfig(4, 2), 16, (0.5,) * 3, (0.5,) * 3, plain)
    args = {"batch_size": 4, "config": config, "seed": 5, "threads": 2, "rank": rank, "world_size": world_size}
    return TrainLoader(VIDEOS, Cuts(frames), **args)  # type: ignore[arg-type]


def beside(folder: Path) -> Beside:
    for path in LENGTHS:
        put_mask(folder, path, figure(LENGTHS[path]) & (path != "c.mp4"))
    known = {path: facts(length) for path, length in LENGTHS.items()}
    return Beside(Scenes(("hall", "zoo"), {"a.mp4": 1, "b.mp4": 0, "c.mp4": 0}), Masks(folder, known), "")


@pytest.mark.parametrize(("rank", "world_size"), [(0, 1), (1, 2)])
def test_clips_are_the_loaders_and_masks_fit_them(rank: int, world_size: int, tmp_path: Path) -> None:
    plain = loader(rank, world_size)
    source = DebiasedClips(loader(rank, world_size), beside(tmp_path))
    for number, (batch, clips) in enumerate(islice(zip(source, plain, strict=False), 3)):
        assert torch.equal(batch.video, clips.video)
        assert (batch.next_index, batch.target.tolist()) == (clips.next_index, clips.target.tolist())
        paths = [plain.video_of(4 * (number * world_size + rank) + i).path for i in range(4)]
        assert batch.scene is not None and batch.masked is not None and batch.is_masked is not None
        assert batch.scene.argmax(1).tolist() == [int(path == "a.mp4") for path in paths]
        assert batch.scene.sum(1).tolist() == [1.0] * 4
        for i, path in enumerate(paths):
            if path == "c.mp4":
                assert not batch.is_masked[i]
                assert torch.equal(batch.masked[i], batch.video[i])
                continue
            kept = batch.masked[i] == batch.video[i]
            white = batch.video[i] > 0.9
            assert not batch.masked[i][white].gt(0.9).any(), "nobody is left"
            assert kept[batch.video[i] < 0].float().mean() > 0.9, "and little else has gone"


def test_it_goes_on_anywhere_and_with_either_alone(tmp_path: Path) -> None:
    both = beside(tmp_path)
    third = next(islice(DebiasedClips(loader(), both), 2, None))
    source = DebiasedClips(loader(), both)
    source.load_state_dict({"next_index": 8})
    again = next(iter(source))
    for name in ("video", "target", "scene", "masked", "is_masked"):
        assert torch.equal(getattr(third, name), getattr(again, name))
    only = next(iter(DebiasedClips(loader(), Beside(both.scenes, None, ""))))
    assert only.scene is not None and only.masked is None
    only = next(iter(DebiasedClips(loader(), Beside(None, both.masks, ""))))
    assert only.scene is None and only.masked is not None
