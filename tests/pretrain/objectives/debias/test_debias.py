"""Scene debiasing: its gradient beside finite differences, its losses beside SciPy, and a toy problem."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy
from torch import Tensor, nn

from fractalvid.pretrain.engine import Objective
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.objectives import Supervised, SupervisedConfig
from fractalvid.pretrain.objectives.debias import (
    DebiasBatch,
    DebiasConfig,
    Debiased,
    entropy,
    fill_figures,
    reverse_gradient,
    scene_loss,
)
from fractalvid.utils.errors import UserError


def test_reversal_is_minus_lambda_times_finite_differences() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(4, 3, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)

    def loss(of: Tensor) -> Tensor:
        return torch.tanh(of @ weight).square().sum()

    leaf = x.clone().requires_grad_()
    reversed_ = reverse_gradient(leaf, 0.3)
    assert torch.equal(reversed_, x)
    (found,) = torch.autograd.grad(loss(reversed_), leaf)
    wanted, step = torch.empty_like(x), 1e-6
    for place in np.ndindex(*x.shape):
        shift = torch.zeros_like(x)
        shift[place] = step
        wanted[place] = (loss(x + shift) - loss(x - shift)) / (2 * step)
    torch.testing.assert_close(found, -0.3 * wanted, rtol=1e-6, atol=1e-8)


def test_losses_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    logits, scene = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4), size=5)
    scene[3] = 0  # not known
    known = [0, 1, 2, 4]
    wanted = -(scene[known] * log_softmax(logits[known], axis=1)).sum(1).mean()
    found = scene_loss(torch.from_numpy(logits).float(), torch.from_numpy(scene).float())
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    counts = torch.tensor([True, False, True, True, False])
    p = np.exp(log_softmax(logits, axis=1))
    assert float(entropy(torch.from_numpy(logits), counts)) == pytest.approx(scipy_entropy(p[[0, 2, 3]], axis=1).mean())


def test_losses_of_nothing_are_0() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    nothing = scene_loss(logits, torch.zeros(2, 3)) + entropy(logits, torch.zeros(2, dtype=torch.bool))
    nothing.backward()  # type: ignore[no-untyped-call]
    assert nothing.item() == 0
    assert logits.grad is not None and not logits.grad.any()


def test_figures_are_filled_with_the_mean_of_the_rest() -> None:
    video = torch.rand(2, 3, 2, 4, 5)
    mask = torch.rand(2, 2, 4, 5) < 0.4
    mask[1] = True
    filled = fill_figures(video, mask)
    for c in range(3):
        assert torch.equal(filled[0, c][~mask[0]], video[0, c][~mask[0]])
        torch.testing.assert_close(filled[0, c][mask[0]], video[0, c][~mask[0]].mean().expand(int(mask[0].sum())))
    assert not filled[1].any()


def batch(seed: int = 0) -> DebiasBatch:
    draw = torch.Generator().manual_seed(seed)
    scene = torch.zeros(4, 3)
    scene[[0, 1, 3], [0, 2, 2]] = 1
    return DebiasBatch(
        video=torch.rand(4, 3, 4, 32, 32, generator=draw),
        target=torch.tensor([0, 1, 1, 0]),
        next_index=4,
        scene=scene,
        masked=torch.rand(4, 3, 4, 32, 32, generator=draw),
        is_masked=torch.tensor([True, True, False, True]),
    )


def debiased(config: DebiasConfig, scenes: int = 3) -> Debiased:
    torch.manual_seed(0)
    main = Supervised(build_model("r3d_10", 2, seed=0), SupervisedConfig(label_smoothing=0.0))
    return Debiased(main, config, head="fc", features=256, scenes=scenes)


def gradients(objective: Objective, of: DebiasBatch) -> dict[str, Tensor]:
    objective.zero_grad()
    objective(of).loss.backward()
    return {name: p.grad.clone() for name, p in objective.backbone.named_parameters() if p.grad is not None}


def test_the_network_is_given_the_gradient_of_the_three_losses() -> None:
    """By autograd of the sum written out: L_action - lambda L_scene - alpha H, the scene classifier held."""
    config = DebiasConfig(scene=0.7, masked=0.2)
    objective, clips = debiased(config), batch()
    found = gradients(objective, clips)
    network, head = objective.backbone, objective.scene_head
    assert head is not None and clips.scene is not None and clips.masked is not None and clips.is_masked is not None
    network.zero_grad()
    seen = list[Tensor]()
    with network.get_submodule("fc").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        logits = network(clips.video)
    action = nn.functional.cross_entropy(logits, clips.target)
    total = (
        action - 0.7 * scene_loss(head(seen[0]), clips.scene) - 0.2 * entropy(network(clips.masked), clips.is_masked)
    )
    total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-6)


def test_the_scene_classifier_lowers_its_own_loss() -> None:
    objective, clips = debiased(DebiasConfig(scene=0.7, masked=0)), batch()
    assert objective.scene_head is not None
    optimizer = torch.optim.SGD(objective.scene_head.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        outcome = objective(clips)
        outcome.loss.backward()
        optimizer.step()
        losses.append(float(outcome.parts["scene_loss"]))
    assert losses[-1] < 0.7 * losses[0]


def test_off_it_is_the_main_objective_to_the_bit() -> None:
    plain = Supervised(build_model("r3d_10", 2, seed=0), SupervisedConfig(label_smoothing=0.0))
    off = debiased(DebiasConfig(scene=0, masked=0))
    bare = replace(batch(), scene=None, masked=None, is_masked=None)
    for objective, clips in ((off, batch()), (debiased(DebiasConfig()), bare)):
        outcome = objective(clips)
        assert torch.equal(outcome.loss, plain(clips).loss)
    wanted = gradients(plain, batch())
    assert all(torch.equal(value, wanted[name]) for name, value in gradients(off, batch()).items())


def test_masked_clips_leave_no_trace_in_running_statistics() -> None:
    one, other = debiased(DebiasConfig(scene=0, masked=1)), debiased(DebiasConfig(scene=0, masked=0))
    one(batch())
    other(batch())
    for (name, a), b in zip(one.backbone.named_buffers(), other.backbone.buffers(), strict=True):
        assert torch.equal(a, b) or name.endswith("num_batches_tracked"), name
    assert all(m.momentum for m in one.backbone.modules() if isinstance(m, nn.BatchNorm3d))


class Shortcut(nn.Module):
    """A linear network of two inputs: one shows the action, faintly; the other the scene, brightly."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Linear(2, 8)
        self.fc = nn.Linear(8, 2)

    def forward(self, video: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.tanh(self.features(video.mean((2, 3))[:, :2, 0])))
        return logits


def toy_clips(agree: float) -> tuple[DebiasBatch, DebiasBatch]:
    """Clips whose scene is their action with a probability, and the same clips in the other scene."""
    draw = torch.Generator().manual_seed(0)
    action, noise = torch.randint(2, (256,), generator=draw), torch.randn(256, generator=draw)

    def clips(scene: Tensor) -> DebiasBatch:
        video = torch.zeros(256, 2, 1, 1, 1)
        video[:, 0, 0, 0, 0] = 0.4 * (2 * action - 1) + 0.3 * noise
        video[:, 1, 0, 0, 0] = 1.5 * (2 * scene - 1)
        masked = video.clone()
        masked[:, 0] = 0
        hot = nn.functional.one_hot(scene, 2).float()
        return DebiasBatch(video, action, 256, hot, masked, torch.ones(256, dtype=torch.bool))

    return clips(torch.where(torch.rand(256, generator=draw) < agree, action, 1 - action)), clips(1 - action)


def trained(config: DebiasConfig, clips: DebiasBatch) -> tuple[Debiased, float]:
    """A debiased `Shortcut`, and what the scene classifier's loss came to."""
    torch.manual_seed(1)
    main = Supervised(Shortcut(), SupervisedConfig(label_smoothing=0.0))
    objective = Debiased(main, config, head="fc", features=8, scenes=2)
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1, momentum=0.9)
    for _ in range(150):
        optimizer.zero_grad()
        outcome = objective(clips)
        outcome.loss.backward()
        optimizer.step()
    return objective, float(outcome.parts.get("scene_loss", torch.tensor(0.0)))


def test_a_toy_shortcut_is_fallen_for_and_cured_by_masked_clips() -> None:
    biased, swapped = toy_clips(0.9)
    accuracy = []
    for alpha in (0.0, 1.0):
        network = trained(DebiasConfig(0.0, alpha), biased)[0].backbone
        accuracy.append(float((network(swapped.video).argmax(1) == swapped.target).float().mean()))
    assert accuracy[0] < 0.75 < 0.84 < accuracy[1], accuracy


def test_reversal_takes_the_scene_out_of_features() -> None:
    """The scene says nothing of the action here, so nothing is lost with it: its loss rises towards log 2."""
    clips, _ = toy_clips(0.5)
    faint = replace(clips, video=clips.video * torch.tensor([1.0, 0.2 / 1.5])[:, None, None, None])
    kept, removed = (trained(DebiasConfig(scale, 0.0), faint)[1] for scale in (1e-6, 3.0))
    assert kept < 0.1
    assert removed > 0.5


@pytest.mark.parametrize("values", [{"scene": -1.0}, {"masked": -0.1}, {"scene": float("nan")}])
def test_weights_below_0_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"debias\."):
        DebiasConfig(**values)
