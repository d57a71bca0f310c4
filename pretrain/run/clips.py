"""The clips of a run: the stream, a set on disk, one's own videos, or a mixture, as its configuration says."""

import dataclasses
from dataclasses import dataclass

import torch

from fractalvid.core.bank import Bank
from fractalvid.pretrain.clips import (
    Growing,
    MixedClips,
    OwnVideos,
    Recoloured,
    SceneClips,
    Share,
    StoredClips,
    list_videos,
)
from fractalvid.pretrain.engine import Source
from fractalvid.pretrain.machine import rank, resolve_device, world_size
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.stream import FractalStream
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Clips:
    """What a run trains on.

    Attributes:
        source: of batches.
        digest: of what lies on disk, None where nothing does.
    """

    source: Source
    digest: str | None = None


def count_classes(config: PretrainConfig, bank: Bank) -> int:
    """How many classes labels tell apart: those of the bank, then those of one's own videos, none of which is decoded.

    Raises:
        UserError: no folder of videos, or videos without labels where labels are asked for.
    """
    if config.videos is None:
        return len(bank)
    classes = list_videos(config.videos).classes
    if config.objective.name == "supervised" and not classes:
        raise UserError(
            f"{config.videos} has no labels (a folder a class), which --objective supervised needs: "
            "train without labels, as by --objective moco"
        )
    return len(bank) + len(classes)


def open_clips(config: PretrainConfig, bank: Bank, *, threads: int | None, progress: bool) -> Clips:
    """The clips of a run on this process.

    Args:
        config: resolved; was checked.
        bank: its classes.
        threads: at most this many, for drawing and decoding.
        progress: show a progress bar while one's own videos are read for the first time.

    Raises:
        UserError: a set or videos that can't be used.
    """
    share = Share(config.part(), rank(), world_size())
    drawn = _stored(config, share, threads) if config.data is not None else _stream(config, bank, threads)
    if config.objective.debias:
        assert isinstance(drawn, FractalStream)
        return Clips(SceneClips(drawn))
    if config.grow:
        return Clips(_recoloured(_growing(config, bank, drawn, threads), config, share))
    stored = drawn.digest() if isinstance(drawn, StoredClips) else None
    if config.videos is None:
        return Clips(_recoloured(drawn, config, share), stored)
    videos = OwnVideos(
        config.videos,
        config=config.streamed(),
        seed=config.seed,
        share=share,
        first_label=len(bank),
        threads=threads,
        second=config.objective.second,
        progress=progress,
        max_pixels=config.max_pixels,
        isolate=config.isolate,
    )
    source: Source = videos if config.mix is None else MixedClips(drawn.at, videos.at, part=config.mix, share=share)
    digest = videos.digest() if stored is None else f"{stored} {videos.digest()}"
    return Clips(_recoloured(source, config, share), digest)


def _recoloured(source: Source, config: PretrainConfig, share: Share) -> Source:
    """The source, its second views in other colours where there are any."""
    if config.objective.views == 1 or config.objective.recolour == 0:
        return source
    return Recoloured(source, config.objective.recolour, seed=config.seed, share=share)


def _stream(config: PretrainConfig, bank: Bank, threads: int | None) -> FractalStream:
    return FractalStream(
        bank,
        batch_size=config.part(),
        config=dataclasses.replace(config.streamed(), masks=config.objective.masks, truth=config.objective.truth),
        seed=config.seed,
        instances=config.instances,
        rank=rank(),
        world_size=world_size(),
        threads=threads,
        views=config.objective.views,
        second=config.objective.second,
        device=render_device(config),
    )


def _growing(config: PretrainConfig, bank: Bank, whole: Source, threads: int | None) -> Source:
    """The stream in small clips first, then in whole ones."""
    stream, stages, growth = config.streamed(), config.stages(), config.growth()
    small = [dataclasses.replace(config, grow=(), grow_clips=None, stream=stage.of(stream)) for stage in stages]
    steps = growth // config.batch_size
    ends = [(number + 1) * steps // len(stages) * config.batch_size for number in range(len(stages))]
    return Growing([*(_stream(one, bank, threads) for one in small), whole], ends)


def render_device(config: PretrainConfig) -> torch.device | str:
    """Where the stream's clips are drawn; a GPU that is asked for and not there is left to the stream to say."""
    if config.render_on == "cpu":
        return "cpu"
    return resolve_device(config.engine.device) if torch.cuda.is_available() else "cuda"


def _stored(config: PretrainConfig, share: Share, threads: int | None) -> StoredClips:
    assert config.data is not None
    return StoredClips(
        config.data,
        config=dataclasses.replace(config.streamed(), masks=config.objective.masks),
        seed=config.seed,
        share=share,
        threads=threads,
        second=config.objective.second,
    )
