"""Grad-CAM beside what NumPy makes of a small network's own maps, and over every architecture."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from fractalvid.finetune.explain import grad_cam, last_maps
from fractalvid.pretrain.models import ARCHITECTURES, build_model
from fractalvid.utils.errors import UserError


class Toy(nn.Module):
    """Convolution, squared mean over all places, linear: the gradient of its maps is known."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, kernel_size=2, stride=2)
        self.fc = nn.Linear(4, 5)

    def forward(self, video: Tensor) -> Tensor:
        maps = self.conv(video)
        logits: Tensor = self.fc(maps.mean((2, 3, 4)) ** 2)
        return logits


def enlarged(small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation between centres of cells, the edge going on."""
    axes = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(shape, small.shape, strict=True)]
    where = np.stack(np.meshgrid(*axes, indexing="ij"))
    return map_coordinates(small, where, order=1, mode="nearest")


def test_is_what_the_formula_says() -> None:
    torch.manual_seed(0)
    toy, clips, classes = Toy(), torch.randn(3, 3, 4, 6, 8), torch.tensor([0, 4, 2])
    found = grad_cam(toy, clips, classes, "conv")
    assert found.shape == (3, 4, 6, 8)
    assert found.dtype == torch.float32
    maps = toy.conv(clips).detach().numpy().astype(np.float64)
    for b, k in enumerate(classes.tolist()):
        means = maps[b].mean((1, 2, 3))
        weights = toy.fc.weight[k].detach().numpy() * 2 * means / maps[b, 0].size
        small = np.maximum(np.einsum("c,cthw->thw", weights, maps[b]), 0)
        wanted = enlarged(small, (4, 6, 8))
        np.testing.assert_allclose(found[b], wanted / wanted.max(), atol=1e-5)


def test_weights_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    toy = Toy().double()
    clips = torch.randn(
        1, 3, 2, 2, 2, dtype=torch.float64
    )  # one cell a map: the CAM is one number, weights decide its sign
    maps, step = toy.conv(clips).detach(), 1e-6
    for k in range(5):
        score = 0.0
        for c in range(4):
            shift = torch.zeros_like(maps)
            shift[:, c] = step
            up, down = (toy.fc((maps + s * shift).mean((2, 3, 4)) ** 2)[0, k] for s in (1, -1))
            score += float((up - down).detach() / (2 * step) * maps[0, c, 0, 0, 0])
        found = grad_cam(toy, clips, torch.tensor([k]), "conv")
        assert torch.equal(found, torch.full((1, 2, 2, 2), float(score > 0)))


def test_the_peak_lies_where_the_class_is() -> None:
    toy = Toy()
    with torch.no_grad():
        toy.conv.weight.fill_(0.1)
        toy.get_parameter("conv.bias").zero_()
        toy.fc.weight.fill_(1)
    clips = torch.zeros(2, 3, 8, 16, 16)
    clips[0, :, 4:6, 10:12, 2:4] = 1
    saliency = grad_cam(toy, clips, torch.tensor([1, 1]), "conv")
    peak = np.array(np.unravel_index(int(saliency[0].argmax()), (8, 16, 16)))
    np.testing.assert_array_equal(peak // 2, (2, 5, 1))
    assert float(saliency[0].max()) == 1
    assert not saliency[1].any()  # nothing speaks for it, and nothing is divided by 0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_maps(name: str) -> None:
    row = ARCHITECTURES[name]
    torch.manual_seed(0)
    network = build_model(name, 4, seed=0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1)  # those that start at 0 would leave the last block its shortcut
    clips = torch.rand(2, 3, max(2, row.least_clip_len), max(32, row.least_size), max(32, row.least_size))
    network.requires_grad_(False)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        found = grad_cam(network, clips, torch.tensor([1, 3]), last_maps(name))
    assert found.shape == (2, *clips.shape[2:])
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 1)).all()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_clip_is_one_volume_for_networks_that_see_frames() -> None:
    """The last block of TSN feeds a mean and a linear layer: the maps' weights are the class's, over all frames."""
    network, clips = build_model("tsn_r18", 3, seed=1).eval(), torch.randn(2, 3, 3, 64, 64)
    seen = list[Tensor]()
    with network.get_submodule("layer4").register_forward_hook(lambda _m, _i, output: seen.append(output)):
        network(clips)
    maps = seen[0].detach().view(2, 3, 512, 2, 2)
    for k in range(3):
        small = torch.einsum("c,btchw->bthw", network.get_parameter("fc.weight")[k].detach(), maps).relu()
        found = grad_cam(network, clips, torch.tensor([k, k]), "layer4")
        for b in range(2):
            wanted = enlarged(small[b].numpy(), (3, 64, 64))
            np.testing.assert_allclose(found[b], wanted / (wanted.max() or 1), atol=1e-4)


def test_parts_that_were_in_evaluation_mode_stay_there() -> None:
    network = build_model("r3d_10", 3, seed=0)
    network.get_submodule("layer1").eval()
    grad_cam(network, torch.rand(1, 3, 4, 32, 32), torch.tensor([0]), "layer4")
    assert network.training
    assert not network.get_submodule("layer1").training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("stage", "told"), [("layer9", "no part called 'layer9'"), ("fc", "has no places")])
def test_a_stage_without_maps_is_refused(stage: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        grad_cam(build_model("r3d_10", 3, seed=0), torch.rand(1, 3, 4, 32, 32), torch.tensor([0]), stage)
