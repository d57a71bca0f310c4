"""The families of networks, each compared with an independent construction of what it is said to be."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2, resnet18, resnet50

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.models.i3d import KERNEL_FRAMES, inflate_state
from fractalvid.pretrain.models.two_d import shift
from fractalvid.pretrain.models.x3d import BLOCKS, X3D
from tests.pretrain.networks import drawn

SHIFTED = {
    "tsm_r50": [f"layer{s}.{b}.conv1" for s, depth in ((1, 3), (2, 4), (3, 6), (4, 3)) for b in range(depth)],
    "tsm_mobilenet_v2": [f"features.{n}.conv.0.0" for n in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)],
}
"""Convolutions before which the published code shifts."""


PICTURES = torch.rand(8, 3, 32, 40, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _the_same_clips_in_any_order() -> None:
    torch.manual_seed(0)


def slow_shift(x: Tensor, frames: int) -> Tensor:
    """Frame by frame and channel by channel."""
    out = torch.zeros_like(x)
    count = x.shape[1] // 8
    for n in range(x.shape[0]):
        t = n % frames
        for c in range(x.shape[1]):
            source = n + 1 if c < count else n - 1 if c < 2 * count else n
            if 0 <= t + source - n < frames:
                out[n, c] = x[source, c]
    return out


def frame_by_frame(pictures: nn.Module, video: Tensor) -> Tensor:
    """Mean of a picture network's logits over the frames of each clip."""
    logits = [pictures(torch.stack([clip[:, t] for t in range(video.shape[2])])).mean(0) for clip in video]
    return torch.stack(logits)


def test_shift_is_the_slow_shift() -> None:
    for channels, frames in [(16, 4), (24, 1), (20, 3), (7, 2)]:
        x = torch.rand(2 * frames, channels, 3, 2)
        assert torch.equal(shift(x, frames), slow_shift(x, frames))


def test_tsn_averages_the_logits_of_frames() -> None:
    ours, pictures = build_model("tsn_r18", 5, seed=0).eval(), drawn(resnet18(num_classes=5), PICTURES)
    ours.load_state_dict(pictures.state_dict())  # the names are torchvision's, all of them
    video = torch.rand(2, 3, 3, 32, 40)
    with torch.no_grad():
        torch.testing.assert_close(ours(video), frame_by_frame(pictures, video), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours(video.flip(2)), ours(video), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SHIFTED)
def test_tsm_is_the_picture_network_with_shifts_before_some_convolutions(name: str) -> None:
    pictures = drawn(resnet50(num_classes=5) if name == "tsm_r50" else mobilenet_v2(num_classes=5), PICTURES)
    ours = build_model(name, 5, seed=0).eval()
    ours.load_state_dict(pictures.state_dict())
    video = torch.rand(2, 3, 4, 32, 32)
    with torch.no_grad():
        unshifted = frame_by_frame(pictures, video)
        for layer in SHIFTED[name]:
            pictures.get_submodule(layer).register_forward_pre_hook(lambda _module, args: slow_shift(args[0], 4))
        torch.testing.assert_close(ours(video), frame_by_frame(pictures, video), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(ours(video), unshifted, rtol=1e-2)
        assert not torch.allclose(ours(video.flip(2)), ours(video), rtol=1e-2)


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    model = build_model("tsm_mobilenet_v2", 4, seed=0).eval()
    video = torch.rand(3, 3, 5, 32, 32)
    with torch.no_grad():
        alone = torch.cat([model(clip[None]) for clip in video])
        torch.testing.assert_close(model(video), alone, rtol=1e-4, atol=1e-5)


def test_i3d_spans_the_published_frames() -> None:
    network = build_model("i3d_r50", 3, seed=0)
    spans = {k: m.kernel_size[0] for k, m in network.named_modules() if isinstance(m, nn.Conv3d)}
    assert {k: span for k, span in spans.items() if span > 1} == KERNEL_FRAMES
    in_blocks = [[spans[f"layer{s}.{b}.conv1"] for b in range(n)] for s, n in ((1, 3), (2, 4), (3, 6), (4, 3))]
    assert in_blocks == [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1]]
    assert spans["conv1"] == 5


def test_an_inflated_network_sees_in_a_still_video_what_the_picture_network_sees() -> None:
    pictures = drawn(resnet50(num_classes=5), PICTURES)
    inflated = build_model("i3d_r50", 5, seed=1).eval()
    inflated.load_state_dict(inflate_state(pictures.state_dict()))
    pictures.double()
    inflated.double()
    picture = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    for module in inflated.modules():
        if isinstance(module, nn.Conv3d) and module.kernel_size[0] > 1:
            _repeat_the_border(module)
    with torch.no_grad():
        still = picture.unsqueeze(2).repeat(1, 1, 4, 1, 1)
        torch.testing.assert_close(inflated(still), pictures(picture), rtol=1e-3, atol=1e-4)


def _repeat_the_border(conv: nn.Conv3d) -> None:
    """Pad in time with the first and the last frame instead of zeros."""
    frames, side = conv.kernel_size[0] // 2, conv.kernel_size[1] // 2
    conv.padding = (0, side, side)
    pads = (0, 0, 0, 0, frames, frames)
    conv.register_forward_pre_hook(lambda _module, args: F.pad(args[0], pads, mode="replicate"))


def test_x3d_has_the_published_widths() -> None:
    state = X3D(400).state_dict()
    assert state["stem.0.weight"].shape == (24, 3, 1, 3, 3) and state["stem.1.weight"].shape == (24, 1, 5, 1, 1)
    for stage, (inner, outer, squeezed) in enumerate([(54, 24, 8), (108, 48, 8), (216, 96, 16), (432, 192, 32)], 1):
        assert state[f"layer{stage}.0.conv2.0.weight"].shape == (inner, 1, 3, 3, 3)
        assert state[f"layer{stage}.0.conv3.0.weight"].shape[0] == outer
        assert state[f"layer{stage}.0.se.fc1.weight"].shape[0] == squeezed
    for stage, depth in enumerate(BLOCKS, 1):
        excited = {int(k.split(".")[1]) for k in state if k.startswith(f"layer{stage}.") and ".se." in k}
        assert excited == set(range(0, depth, 2))
    assert state["conv5.0.weight"].shape[0] == 432 and state["lin5.weight"].shape[0] == 2048
