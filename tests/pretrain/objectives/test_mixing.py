import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.engine.objective import Outcome
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.machine.precision import resolve_precision
from fractalvid.pretrain.objectives import supervised
from fractalvid.pretrain.objectives.config import check_alpha
from fractalvid.pretrain.objectives.mixing import Mixture, draw_mixture
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.engine.test_training import StopsAfter, untimed
from tests.pretrain.helpers import Clips, Coloured, equal_state, fit, tiny

SHAPE = (6, 3, 2, 8, 10)
BLEND = Mixture(2, 0.7)
CUT = Mixture(2, 0.85, (1, 4, 3, 7))


def clips(*shape: int) -> Tensor:
    return torch.rand(shape or SHAPE, generator=torch.Generator().manual_seed(0))


def drawn(count: int, shape: tuple[int, ...] = SHAPE, **alphas: Any) -> list[Mixture]:
    return [m for m in (draw_mixture(7, step, shape, **alphas) for step in range(count)) if m is not None]


def test_mixup_blends_each_clip_with_another() -> None:
    video = clips()
    mixed = BLEND.videos(video)
    for i in range(6):
        torch.testing.assert_close(mixed[i], 0.7 * video[i] + 0.3 * video[i - 2])


def test_cutmix_takes_one_box_in_all_frames_and_channels() -> None:
    video = clips()
    mixed = CUT.videos(video)
    for i in range(6):
        expected = video[i].clone()
        expected[:, :, 1:4, 3:7] = video[i - 2][:, :, 1:4, 3:7]
        assert torch.equal(mixed[i], expected)
    share = (mixed == video).float().mean()
    assert share == pytest.approx(CUT.weight)  # 12 of 80 pixels


def test_targets_are_shares_of_the_classes() -> None:
    soft = Mixture(1, 0.75).targets(torch.tensor([2, 0, 0]), 4)
    expected = [[0.25, 0, 0.75, 0], [0.75, 0, 0.25, 0], [1, 0, 0, 0]]
    assert torch.equal(soft, torch.tensor(expected))


@pytest.mark.parametrize("mixture", [BLEND, CUT])
def test_grey_stays_one_plane_shown_as_three(mixture: Mixture) -> None:
    plane = clips(6, 1, 2, 8, 10)
    grey, before = plane.expand(-1, 3, -1, -1, -1), plane.clone()
    mixed = mixture.videos(grey)
    assert torch.equal(plane, before)
    assert mixed.shape == grey.shape
    assert mixed.stride(1) == 0
    assert mixed.untyped_storage().nbytes() == plane.untyped_storage().nbytes()
    assert torch.equal(mixed, mixture.videos(grey.contiguous()))


@pytest.mark.parametrize("mixture", [BLEND, CUT])
def test_the_order_of_channels_in_memory_stays(mixture: Mixture) -> None:
    video = clips()
    last = video.to(memory_format=torch.channels_last_3d)
    mixed = mixture.videos(last)
    assert mixed.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(mixed, mixture.videos(video))
    assert torch.equal(last, video)  # the batch itself is not written to


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_a_batch_of_one_mixes_with_itself(alphas: dict[str, float]) -> None:
    video = clips(1, 3, 2, 8, 10)
    for mixture in drawn(20, tuple(video.shape), **alphas):
        torch.testing.assert_close(mixture.videos(video), video)
        torch.testing.assert_close(mixture.targets(torch.tensor([1]), 3), torch.tensor([[0.0, 1, 0]]))


def test_a_draw_is_a_function_of_seed_and_step() -> None:
    first = [draw_mixture(3, step, SHAPE, mixup=1.0) for step in range(50)]
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  # that it is not listened to is the point
    assert first == [draw_mixture(3, step, SHAPE, mixup=1.0) for step in range(50)]
    assert len(set(first)) == 50
    assert not set(first) & {draw_mixture(4, step, SHAPE, mixup=1.0) for step in range(50)}
    assert draw_mixture(2**64 - 1, 10**12, SHAPE, mixup=1.0) is not None


def test_no_alpha_no_mixture() -> None:
    assert draw_mixture(0, 0, SHAPE) is None


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_weights_of_mixup_are_of_the_beta_distribution(alpha: float) -> None:
    weights = [mixture.weight for mixture in drawn(2000, mixup=alpha)]
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_boxes_of_cutmix_have_the_areas_that_the_weights_tell() -> None:
    rows, columns = 60, 80
    mixtures = drawn(2000, (8, 3, 4, rows, columns), cutmix=1.0)
    kept = []
    for mixture in mixtures:
        assert mixture.box is not None
        top, bottom, left, right = mixture.box
        assert 0 <= top <= bottom <= rows
        assert 0 <= left <= right <= columns
        assert mixture.weight == pytest.approx(1 - (bottom - top) * (right - left) / (rows * columns))
        if min(top, left) > 0 and bottom < rows and right < columns:
            # As long as nothing is cut off, boxes have the shape of the frame.
            assert (bottom - top) / rows == pytest.approx((right - left) / columns, abs=2 / rows)
        kept.append(mixture.weight)
    # The mean over a uniform weight and centre, sides x each way: what is left of a side is on average x - x^2 / 4.
    side = np.sqrt(1 - np.linspace(0, 1, 10_001))
    assert np.mean(kept) == pytest.approx(1 - float(np.mean((side - side**2 / 4) ** 2)), abs=0.02)
    middles = [(m.box[0] + m.box[1]) / 2 / rows for m in mixtures if m.box and m.weight > 0.95]
    assert stats.kstest(middles, "uniform").pvalue > 1e-3


def test_partners_are_all_the_others_alike() -> None:
    shifts = [mixture.shift for mixture in drawn(2000, mixup=1.0)]
    assert sorted(set(shifts)) == [1, 2, 3, 4, 5]
    assert stats.chisquare(np.bincount(shifts)[1:]).pvalue > 1e-3


def test_with_both_each_batch_takes_one() -> None:
    mixtures = drawn(1000, mixup=0.2, cutmix=1.0)
    cut = sum(mixture.box is not None for mixture in mixtures)
    assert 430 < cut < 570
    assert all(mixture.box is None for mixture in drawn(50, mixup=0.2))
    assert all(mixture.box is not None for mixture in drawn(50, cutmix=1.0))


@pytest.mark.parametrize("alpha", [-0.1, math.nan, math.inf, -math.inf, 1e308])
def test_an_alpha_that_is_none_is_one_line(alpha: float) -> None:
    with pytest.raises(UserError, match=r"^mixup is .*; it must lie between 0 \(off\) and 1000$"):
        check_alpha("mixup", alpha)


@pytest.mark.parametrize("alpha", [5e-324, 1e-3, 1000.0])
def test_extreme_alphas_give_weights(alpha: float) -> None:
    check_alpha("cutmix", alpha)
    assert all(0 <= mixture.weight <= 1 for mixture in drawn(200, mixup=alpha, cutmix=alpha))


def updating(model: nn.Module, precision: Any = "fp32", **options: Any) -> Update:
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    config = LoopConfig(grad_clip=0.0, **options)
    return Update(Supervised(model), parameters, optimizer, resolve_precision(precision, torch.device("cpu")), config)


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mixture | None], None]:
    """Makes the supervised objective mix in one way."""
    return lambda mixture: monkeypatch.setattr(supervised, "draw_mixture", lambda *args, **kwargs: mixture)


class Sees(nn.Module):
    """A network, and what it was given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, list[Tensor]()

    def forward(self, video: Tensor) -> Tensor:
        self.seen.append(video)
        logits: Tensor = self.network(video)
        return logits


def test_the_loss_is_that_of_both_labels_smoothed(mixed: Callable[[Mixture | None], None]) -> None:
    mixed(BLEND)
    model = tiny()
    model.dropout.p = 0.0
    batch = Coloured().batch(0, 1)
    logits = model(BLEND.videos(batch.video)).detach()
    both = [F.cross_entropy(logits, target, label_smoothing=0.1) for target in (batch.target, batch.target.roll(2))]
    values = updating(tiny_like(model)).step(batch, 0.1)
    assert values is not None
    assert values["loss"] == pytest.approx(float(0.7 * both[0] + 0.3 * both[1]), rel=1e-5)


def tiny_like(model: nn.Module) -> nn.Module:
    """The network as it was before it has seen anything, without dropout."""
    other = tiny()
    other.dropout.p = 0.0
    other.load_state_dict(dict(model.named_parameters()), strict=False)
    return other


class Says(nn.Module):
    """Is sure of the classes it was given, whatever it sees."""

    def __init__(self, says: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(10 * F.one_hot(says, 3).float())

    def forward(self, video: Tensor) -> Tensor:
        return self.logits + 0 * video.mean()


@pytest.mark.parametrize(("weight", "accuracy"), [(0.7, 1.0), (0.3, 0.0)])
def test_accuracy_is_of_the_class_that_weighs_most(
    weight: float, accuracy: float, mixed: Callable[[Mixture | None], None]
) -> None:
    mixed(Mixture(1, weight))
    batch = Coloured().batch(0, 1)  # classes 0 1 2 0 1 2: a shift of 1 pairs each with another
    values = updating(Says(batch.target)).step(batch, 0.1)
    assert values is not None
    assert values["accuracy"] == accuracy


def test_the_network_sees_mixed_clips_and_the_loss_mixed_targets(mixed: Callable[[Mixture | None], None]) -> None:
    mixed(BLEND)
    batch, network = Coloured().batch(0, 1), Sees(tiny())
    before = replace(batch, video=batch.video.clone())
    outcome = Supervised(network)(batch)
    assert torch.equal(batch.video, before.video)
    assert torch.equal(network.seen[0], BLEND.videos(batch.video))
    assert torch.equal(outcome.target, BLEND.targets(batch.target, 3))


def test_a_batch_of_any_class_is_mixed(mixed: Callable[[Mixture | None], None]) -> None:
    mixed(CUT)

    class Plain:
        def __init__(self, clips: Clips) -> None:
            self.video, self.target, self.next_index = clips.video, clips.target, clips.next_index

    batch = Coloured().batch(0, 1)
    plain = Plain(batch)
    assert updating(tiny_like(tiny())).step(plain, 0.1) == updating(tiny_like(tiny())).step(batch, 0.1)
    assert plain.target.ndim == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("mixture", [BLEND, CUT])
def test_the_loss_is_the_same_in_every_arithmetic_and_layout(
    precision: str,
    channels_last: bool,
    mixture: Mixture,
    mixed: Callable[[Mixture | None], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []
    forward = Supervised.forward

    def watched(self: Supervised, batch: Any) -> Outcome:
        outcome = forward(self, batch)
        seen.append(float(outcome.loss.detach()))
        return outcome

    monkeypatch.setattr(Supervised, "forward", watched)
    video, target = clips(), torch.arange(6) % 3
    # The loss, not what the step returns: in bfloat16 a CPU now and then makes gradients that are not finite.
    for given in (Clips(video, target, 1), Clips(video[:, :1].expand(-1, 3, -1, -1, -1), target, 1)):
        mixed(mixture)
        updating(tiny_like(tiny()), precision, channels_last=channels_last).step(given, 0.1)
        dense = replace(given, video=mixture.videos(given.video.contiguous()), target=mixture.targets(target, 3))
        mixed(None)
        updating(tiny_like(tiny())).step(dense, 0.1)
        assert seen[-2] == pytest.approx(seen[-1], rel=0.02 if precision == "bf16" else 1e-5)


def test_mixing_trains_another_network_and_off_is_as_without(tmp_path: Path) -> None:
    names: dict[str, dict[str, Any]] = {
        "without": {},
        "off": {"mixup": 0.0, "cutmix": 0.0},
        "mixup": {"mixup": 0.5},
        "cutmix": {"cutmix": 1.0},
        "both": {"mixup": 0.5, "cutmix": 1.0},
    }
    models = {name: tiny() for name in names}
    for name, alphas in names.items():
        result = fit(tmp_path / name, models[name], **alphas)
        assert all("accuracy" in row for row in result.history if row["kind"] == "train")
    assert equal_state(models["without"], models["off"])
    for one, other in (("off", "mixup"), ("off", "cutmix"), ("mixup", "cutmix"), ("both", "mixup"), ("both", "cutmix")):
        assert not equal_state(models[one], models[other])


def test_without_mixing_the_network_gets_the_very_batch(tmp_path: Path) -> None:
    given: list[Any] = []

    class Watched(Coloured):
        def batch(self, index: int, next_index: int) -> Clips:
            batch = super().batch(index, next_index)
            given.append(batch)
            return batch

    network = Sees(tiny())
    fit(tmp_path, network, Watched(), steps=3, device="cpu")
    assert len(network.seen) == 3
    # More are given: some are fetched ahead.
    assert all(a is b.video for a, b in zip(network.seen, given, strict=False))


def test_a_run_that_mixes_resumes_exactly(tmp_path: Path) -> None:
    on: dict[str, Any] = {"mixup": 0.4, "cutmix": 1.0, "steps": 17}
    whole, second = tiny(), tiny(seed=9)
    expected = fit(tmp_path / "whole", whole, **on)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", tiny(), StopsAfter(8), **on)
    result = fit(tmp_path / "parts", second, resume=True, **on)
    assert equal_state(whole, second)
    assert untimed(result.history) == untimed(expected.history)


def test_batches_are_mixed_by_their_own_number_and_the_runs_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def watch(*args: Any, **kwargs: Any) -> Mixture | None:
        seen.append(draw_mixture(*args, **kwargs))
        return draw_mixture(*args, **kwargs)

    monkeypatch.setattr(supervised, "draw_mixture", watch)
    # A step that is skipped counts, or a resumed run would not know which mixture comes next.
    fit(tmp_path, source=Coloured(broken=frozenset({1})), steps=4, seed=5, cutmix=1.0, max_bad_share=0.5)
    assert seen == [draw_mixture(5, n + 1, (6, 3, 2, 4, 4), cutmix=1.0) for n in range(4)]


def test_each_process_mixes_in_its_own_way() -> None:
    drawn = {draw_mixture(5, 1, SHAPE, rank=rank, mixup=1.0) for rank in range(8)}
    assert len(drawn) == 8


def test_torchs_own_generator_never_notices_mixing(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fit(tmp_path, steps=3, mixup=0.2, cutmix=1.0)
    assert torch.equal(torch.rand(2), expected)


def test_dropout_is_the_same_with_mixing(tmp_path: Path) -> None:
    # Mixing must not take numbers from dropout: states of the generator after equally many steps are equal.
    for name, alpha in (("off", 0.0), ("on", 1.0)):
        fit(tmp_path / name, steps=3, mixup=alpha, cutmix=alpha)
    states = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["rng"] for name in ("off", "on")]
    assert torch.equal(*states)


def test_a_network_learns_from_mixed_clips(tmp_path: Path) -> None:
    model = tiny()
    model.dropout.p = 0.0
    fit(tmp_path, model, steps=150, optim=OptimConfig(lr=0.3), label_smoothing=0.0, mixup=0.4, cutmix=1.0)
    model.eval()
    batch = Coloured().batch(10_000, 0)
    assert (model(batch.video).argmax(1) == batch.target).float().mean() == 1.0
