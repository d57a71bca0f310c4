"""Applying emulation on a GPU waits for nothing: shown on tensors that have a device and no data, without a GPU."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from packaging.version import Version
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fractalvid.core.camera import camera_matrices
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate import layers
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
    GroupConfig,
    PerspectiveConfig,
    TimingConfig,
)
from fractalvid.emulate.photometric import compression, noise
from fractalvid.emulate.photometric.config import PhotometricConfig
from fractalvid.emulate.photometric.tables import _counted_by_column, histogram
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream import StreamConfig
from fractalvid.stream import device as device_stream
from fractalvid.stream.order import ClassOrder
from fractalvid.stream.render import render_options, reverse_frames
from fractalvid.stream.samples import draw_samples
from fractalvid.utils.tensors import rows_of, upload

CUDA = torch.device("cuda:0")

pytestmark = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.13"), reason="before 2.13, PyTorch asks the driver for such tensors"
)


@dataclass
class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
    """Refuses whatever would wait for the device, and adds up memory and calls there."""

    pinned: set[int]
    calls: int = 0
    uploads: int = 0
    bytes_now: int = 0
    bytes_most: int = 0
    _live: dict[int, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        out = func(*args, **(kwargs or {}))
        if func.namespace == "prim":  # asks for a tensor's device
            return out
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        there = [tensor.device.type == "cuda" for tensor in given if tensor.ndim]
        goes = any(tensor.device.type == "cuda" for tensor in made)
        assert goes or not any(there), f"{func} brings something back"
        if goes and there and not all(there):
            assert func is torch.ops.aten._to_copy.default, f"{func} takes something that lies in the host's memory"
            assert (kwargs or {}).get("non_blocking"), "a copy is waited for"
            assert id(given[0]) in self.pinned, "a copy is not from pinned memory"
            self.uploads += 1
        self.calls += goes
        for tensor in made:
            if tensor.device.type == "cuda" and id(tensor) not in self._seen:
                self._note(tensor)
        return out

    def _note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self._seen.add(id(tensor))
        if not self._live.get(key):
            self.bytes_now += size
            self.bytes_most = max(self.bytes_most, self.bytes_now)
        self._live[key] = self._live.get(key, 0) + 1
        weakref.finalize(tensor, self._forget, id(tensor), key, size)

    def _forget(self, number: int, key: int, size: int) -> None:
        self._seen.discard(number)
        self._live[key] -= 1
        if not self._live[key]:
            self.bytes_now -= size


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """A GPU that is none: tensors know where they would be and have no data."""
    kept: list[torch.Tensor] = []
    pinned: set[int] = set()

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        pinned.add(id(tensor))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    once = (noise._quantiles, compression._transform)
    with FakeTensorMode():
        for made in once:
            made.cache_clear()
            made(CUDA)
        with Watch(pinned) as watching:
            yield watching
    for made in once:
        made.cache_clear()


EVERYTHING = replace(
    PRESETS["full"],
    curriculum=CurriculumConfig(samples=0),
    background=BackgroundConfig(p=0.9, dynamic=0.5, maximum=0.5),
    group=GroupConfig(p=0.6, copies=3),
    perspective=PerspectiveConfig(p=0.5),
    timing=TimingConfig(p=0.6, repeat=0.3, skip=0.2),
    photometric=PhotometricConfig(
        **{f.name: replace(getattr(PhotometricConfig.preset("full"), f.name), p=0.7) for f in fields(PhotometricConfig)}
    ),
)


def fake(*shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.uint8, device=CUDA)


def emulated(bank: ClassBank, monkeypatch: pytest.MonkeyPatch, config: StreamConfig, count: int) -> layers.Emulated:
    """What `emulate_samples` does with pictures once they have been rendered."""
    index = np.arange(count)
    rounds, place = np.divmod(index, len(bank))
    samples = draw_samples(bank, index, ClassOrder(1, len(bank)).at(rounds, place), rounds, config, 1)
    drawn, colours = samples.emulation, () if config.colour is None else (3,)
    assert drawn is not None
    side = (config.size, config.size, *colours)

    def pictures(renderer: Any, some: Any, options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return fake(int((~some.dynamic).sum()), *side), fake(*some.walk[some.dynamic].shape, *side)

    def first(frames: torch.Tensor, colour: ColourConfig | None) -> torch.Tensor:
        return frames[:, None] if colour is None else frames.movedim(-1, 1).contiguous()

    monkeypatch.setattr(layers, "render_figures", lambda *_, **options: (fake(count, config.clip_len, *side), None))
    monkeypatch.setattr(layers, "render_backgrounds", pictures)
    monkeypatch.setattr(layers, "channels_first", first)

    @dataclass
    class Renderer:
        bank: ClassBank

    renderer: Any = Renderer(bank)
    return layers.emulate_samples(
        renderer,
        drawn,
        class_id=samples.class_id,
        instance_id=samples.instance_id,
        times=samples.times,
        crop=camera_matrices(samples.camera, config.size),
        options=render_options(config),
    )


@pytest.mark.parametrize("colour", [None, ColourConfig()])
def test_nothing_waits_for_the_device(
    bank: ClassBank, monkeypatch: pytest.MonkeyPatch, watch: Watch, colour: ColourConfig | None
) -> None:
    config = StreamConfig(clip_len=5, size=48, colour=colour, emulate=EVERYTHING)
    done = emulated(bank, monkeypatch, config, 48)
    assert done.video.device == done.mask.device == CUDA
    assert done.video.shape == (48, 1 if colour is None else 3, 5, 48, 48)
    assert watch.uploads > 20
    assert watch.uploads < 120 and watch.calls < 1200, "no more for 48 samples than for a thousand"
    video, mask = reverse_frames(done.video, done.mask, np.arange(48) % 2 == 0)
    assert video.device == CUDA and mask is not None


@pytest.mark.parametrize(("size", "clip_len", "colour"), [(112, 8, None), (256, 19, None), (112, 16, ColourConfig())])
def test_memory_is_what_chunks_count_on(
    bank: ClassBank,
    monkeypatch: pytest.MonkeyPatch,
    watch: Watch,
    size: int,
    clip_len: int,
    colour: ColourConfig | None,
) -> None:
    """All effects on nearly all clips; a convolution's own room is the library's affair."""
    strong = replace(EVERYTHING, background=BackgroundConfig(p=1, dynamic=0))
    config = StreamConfig(clip_len=clip_len, size=size, colour=colour, emulate=strong)
    emulated(bank, monkeypatch, config, 24)
    pixels = clip_len * size**2 * (1 if colour is None else 3)
    counted = 24 * (pixels * device_stream.PIXEL_BYTES + device_stream.CLIP_BYTES)
    assert counted / 3 < watch.bytes_most < counted


def test_the_watch_sees_what_waits(watch: Watch) -> None:
    clips = fake(2, 8)
    waits: list[Callable[[], Any]] = [
        lambda: clips.cpu(),
        lambda: clips[torch.arange(2)],
        lambda: torch.arange(2).to(CUDA),
    ]
    for wait in waits:
        with pytest.raises(AssertionError):
            wait()
    waits = [lambda: bool(clips.any()), lambda: clips.sum().item(), lambda: torch.bincount(clips.view(-1))]
    for wait in waits:
        with pytest.raises(Exception, match=r"_local_scalar_dense|bincount"):
            wait()
    assert rows_of(clips, np.array([1])).shape == (1, 8)
    assert upload(np.arange(3), CUDA).device == CUDA
    assert watch.uploads == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_counts_by_column_are_the_histogram(channels: int) -> None:
    video = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, channels, 2, 9, 13), dtype=np.uint8))
    video[:, :, :, :5] = 0
    counts = _counted_by_column(video)
    assert torch.equal(counts, histogram(video))
    assert (counts.sum(dim=-1) == 2 * 9 * 13).all()


def test_rows_are_put_back_as_on_the_cpu() -> None:
    """The other way of `at_rows` to put clips in their place."""
    video = torch.arange(24, dtype=torch.uint8).view(4, 6)
    rows = np.array([2, 0])
    there = video.index_copy(0, upload(rows, video.device), rows_of(video, rows) + 1)
    assert torch.equal(there, video + torch.tensor([[1], [0], [1], [0]], dtype=torch.uint8))
