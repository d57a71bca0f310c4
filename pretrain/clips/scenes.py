"""The stream's clips as scene debiasing takes them: with what is behind each, exactly, and without their figures.

A clip that is blended with a background is of the scene of that background's class, half and half where two stills are
joined. A clip in textured matter is of the scene of its ground: noise, shapes, or the folder of the picture it is.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fractalvid.emulate.renderer import CpuRenderer
from fractalvid.emulate.scene.pictures import list_pictures
from fractalvid.kernels.drawing.matter import SHAPED
from fractalvid.pretrain.objectives.debias import DebiasBatch
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.stream.bare import has_background, render_bare
from fractalvid.stream.samples import Samples

GROUNDS = 2
"""Grounds of scenes that are no pictures: noise, and shapes."""


def count_scenes(config: StreamConfig, classes: int) -> int:
    """How many scenes the stream tells apart: classes of backgrounds, grounds, folders of pictures."""
    return classes + GROUNDS + len(_folders(config)[0])


def scene_labels(samples: Samples, config: StreamConfig, classes: int) -> NDArray[np.float32]:
    """Probabilities (B, S) of the scenes of samples; all 0 where nothing is behind."""
    drawn = samples.emulation
    labels = np.zeros((len(samples.index), count_scenes(config, classes)), np.float32)
    if drawn is None:
        return labels
    blended = drawn.background.present
    if drawn.scene is not None:
        blended = blended & ~drawn.scene.present
    rows = np.flatnonzero(blended)
    for still in range(2):
        labels[rows, drawn.background.clip_id[rows, still, 0]] += 0.5
    if drawn.scene is not None:
        rows = np.flatnonzero(drawn.scene.present)
        labels[rows, classes + _grounds(samples, config)[rows]] = 1
    return labels


def _grounds(samples: Samples, config: StreamConfig) -> NDArray[np.int64]:
    """Which ground (B,) each scene has: 0 noise, 1 shapes, then the folders of pictures."""
    assert samples.emulation is not None and samples.emulation.scene is not None
    scene = samples.emulation.scene
    grounds = np.asarray(scene.surface[:, 0, 0] == SHAPED, np.int64)
    folders, of_picture = _folders(config)
    if folders:
        number = (scene.picture * len(of_picture)).astype(np.int64)
        grounds = np.where(scene.picture >= 0, GROUNDS + np.array(of_picture)[number], grounds)
    return grounds


def _folders(config: StreamConfig) -> tuple[list[str], list[int]]:
    """The folders that hold pictures for grounds, and the number of that of each picture."""
    if config.backgrounds is None:
        return [], []
    homes = [str(Path(file).parent) for file in list_pictures(config.backgrounds)]
    folders = sorted(set(homes))
    return folders, [folders.index(home) for home in homes]


class SceneClips:
    """A stream whose batches are `DebiasBatch`es: each clip's scene, and the clip without its figure."""

    def __init__(self, stream: FractalStream) -> None:
        """Of one view, drawn on the CPU.

        Args:
            stream: emulates its clips.
        """
        self.stream = stream
        emulate = stream.config.emulate
        assert emulate is not None
        self._config = dataclasses.replace(stream.config, masks=False)
        self._renderer = CpuRenderer(stream.bank, emulate.background.pool)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on as the stream does."""
        self.stream.load_state_dict(state)

    def __iter__(self) -> Iterator[DebiasBatch]:
        """The stream's batches."""
        stream = self.stream
        for batch in stream:
            first = batch.next_index - stream.batch_size * (stream.world_size - stream.rank)
            samples = stream.draw(np.arange(first, first + stream.batch_size))
            scene = scene_labels(samples, self._config, len(stream.bank))
            yield DebiasBatch(
                video=batch.video,
                target=batch.target,
                next_index=batch.next_index,
                scene=torch.from_numpy(scene),
                masked=render_bare(self._renderer, samples, self._config, threads=stream.threads),
                is_masked=torch.from_numpy(has_background(samples)),
            )
