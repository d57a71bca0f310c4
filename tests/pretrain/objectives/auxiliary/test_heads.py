"""Auxiliary heads: what they are told of a bank, that they learn it, and that every architecture can have them."""

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fractalvid.core.curves import CURVE_KINDS
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.models import ARCHITECTURES, build_model
from fractalvid.pretrain.objectives.auxiliary.curves import TIMES, curve_targets
from fractalvid.pretrain.objectives.auxiliary.heads import CurveHead, MaskHead, WithAuxiliary, overlap
from fractalvid.pretrain.objectives.auxiliary.maps import Tap, as_clips, last_stage, stage_shape
from fractalvid.pretrain.objectives.byol import BYOL
from fractalvid.pretrain.objectives.config import BYOLConfig, SimCLRConfig, SupervisedConfig
from fractalvid.pretrain.objectives.simclr import SimCLR
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.utils.errors import UserError

SIZE, FRAMES = 16, 2


@dataclass(frozen=True)
class Squares:
    """Bright squares on noise, and where they are; class k moves in its own direction."""

    video: Tensor
    video2: Tensor
    target: Tensor
    mask: Tensor | None
    next_index: int = 0


def unsmoothed(network: nn.Module) -> Supervised:
    return Supervised(network, SupervisedConfig(label_smoothing=0.0))


def squares(seed: int, number: int = 8) -> Squares:
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(number) % 4
    place = torch.randint(3, SIZE - 7, (number, 2), generator=generator)
    mask = torch.zeros(number, FRAMES, SIZE, SIZE, dtype=torch.bool)
    for clip, (x, y) in enumerate(place.tolist()):
        dx, dy = ((3, 0), (-3, 0), (0, 3), (0, -3))[int(target[clip])]
        for t in range(FRAMES):
            mask[clip, t, y + dy * t : y + dy * t + 4, x + dx * t : x + dx * t + 4] = True
    video = (mask[:, None].float() + 0.3 * torch.rand(number, 1, FRAMES, SIZE, SIZE, generator=generator)).expand(
        -1, 3, -1, -1, -1
    )
    return Squares(video, video.flip(2), target, mask)


class Small(nn.Module):
    """A stage of 8 channels at half the sides, pooled and classified."""

    def __init__(self, outputs: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1), nn.BatchNorm3d(8), nn.ReLU())
        self.layer4 = nn.Sequential(nn.Conv3d(8, 16, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(16, outputs)

    def forward(self, video: Tensor) -> Tensor:
        out: Tensor = self.fc(self.layer4(self.stem(video)).mean((2, 3, 4)))
        return out


def small() -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Small()


def wrapped(main: Objective, **heads: MaskHead | CurveHead) -> WithAuxiliary:
    return WithAuxiliary(main, last_stage(main.backbone, "small"), heads)


def learn(objective: Objective, steps: int) -> list[Outcome]:
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-2)
    outcomes = []
    for step in range(steps):
        outcomes.append(objective.train()(squares(step)))
        optimizer.zero_grad()
        outcomes[-1].loss.backward()
        optimizer.step()
        objective.after_step(step + 1, steps)
    return outcomes


def test_heads_learn_masks_and_curves_beside_the_classes() -> None:
    torch.manual_seed(0)
    curves = torch.tensor([[-1.0, 1, 0], [1, -1, 0], [1, 1, 1], [-1, -1, -1]])
    objective = wrapped(
        unsmoothed(small()),
        mask=MaskHead(16, 1.0),
        curve=CurveHead(16, 0.5, curves),
    )
    first, *_, last = learn(objective, 60)
    assert last.parts["mask_iou"] > 0.4 > first.parts["mask_iou"] + 0.2
    assert last.parts["curve_loss"] < 0.5 * first.parts["curve_loss"]
    assert last.logits is not None
    assert last.target is not None
    parts = last.parts
    total = parts["main_loss"] + parts["mask_loss"] + 0.5 * parts["curve_loss"]
    torch.testing.assert_close(last.loss.detach(), total)


def test_heads_change_the_network_by_their_weight() -> None:
    torch.manual_seed(0)
    grads = []
    for weight in (0.0, 1.0, 2.0):
        objective = wrapped(unsmoothed(small()), mask=MaskHead(16, weight))
        objective.heads["mask"].load_state_dict(
            {k: torch.full_like(v, 0.05) for k, v in MaskHead(16, 1).state_dict().items()}
        )
        objective(squares(0)).loss.backward()
        grads.append(objective.backbone.stem[0].weight.grad)  # type: ignore[index,union-attr]
    torch.testing.assert_close(grads[2] - grads[0], 2 * (grads[1] - grads[0]), rtol=1e-3, atol=1e-6)
    assert (grads[1] - grads[0]).abs().max() > 1e-4


@pytest.mark.parametrize("make", [lambda b: SimCLR(b, 4, SimCLRConfig()), lambda b: BYOL(b, 4, BYOLConfig())])
def test_heads_see_first_views_only(make: object) -> None:
    assert callable(make)
    objective = wrapped(make(small()), mask=MaskHead(16, 1.0)).eval()
    batch = squares(0)
    assert batch.mask is not None
    told = objective(batch).parts["mask_loss"]
    other = dataclasses.replace(batch, video2=1 - batch.video2)
    torch.testing.assert_close(objective(other).parts["mask_loss"], told)
    other = dataclasses.replace(batch, video=1 - batch.video)
    assert objective(other).parts["mask_loss"] != told


def test_parameters_are_kept_once_and_copies_work() -> None:
    objective = wrapped(BYOL(small(), 4, BYOLConfig()), mask=MaskHead(16, 1.0))
    names = [name for name in objective.state_dict() if name.endswith("backbone.fc.weight")]
    assert names == ["main.backbone.fc.weight"]
    other = copy.deepcopy(objective)
    assert other.backbone is not objective.backbone
    torch.testing.assert_close(other(squares(0)).parts["mask_loss"], objective(squares(0)).parts["mask_loss"])
    before = copy.deepcopy(objective.main.follower.network)  # type: ignore[union-attr]
    with torch.no_grad():
        objective.backbone.fc.weight.add_(1.0)  # type: ignore[union-attr,operator]
    objective.after_step(1, 10)
    after = objective.main.follower.network  # type: ignore[union-attr]
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))  # type: ignore[union-attr]


def test_masks_have_to_be_there() -> None:
    objective = wrapped(unsmoothed(small()), mask=MaskHead(16, 1.0))
    with pytest.raises(ValueError, match="masks=True"):
        objective(dataclasses.replace(squares(0), mask=None))


def test_a_tap_keeps_what_passes_while_it_is_open() -> None:
    layer, tap = nn.Linear(2, 2), Tap()
    layer.register_forward_hook(tap)
    layer(torch.zeros(1, 2))
    tap.open()
    seen = [layer(torch.full((1, 2), float(i))) for i in range(2)]
    assert [a is b for a, b in zip(tap.close(), seen, strict=True)] == [True, True]
    layer(torch.zeros(1, 2))
    assert tap.close() == []


def test_overlap_is_intersection_over_union() -> None:
    target = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    logits = torch.tensor([[1.0, -1, 1, -1], [-1, -1, -1, -1], [-1, -1, 1, -1]])
    assert overlap(logits, target).item() == pytest.approx((1 / 3 + 1 + 0) / 3)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_has_maps_for_the_heads(arch: str) -> None:
    """On the meta device: shapes are those of real clips, and nothing is computed."""
    row = ARCHITECTURES[arch]
    shape = stage_shape(arch)
    with torch.device("meta"):
        logits = MaskHead(shape[0], 1.0)(torch.empty(2, *shape), row.clip_len, (row.size, row.size))
    assert shape[1] <= row.clip_len
    assert logits.shape[:2] == (2, min(row.clip_len, 8 * shape[1]))
    assert row.size / 8 <= logits.shape[2] == logits.shape[3] <= row.size / 4


def test_frames_are_put_together_in_their_order() -> None:
    maps = torch.arange(6.0)[:, None, None, None].expand(6, 5, 2, 2)  # 2 clips of 3 frames
    clips = as_clips(maps, 3)
    assert clips.shape == (2, 5, 3, 2, 2)
    assert clips[:, 0, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert as_clips(clips, 3) is clips


def test_a_network_without_a_known_stage_is_refused() -> None:
    with pytest.raises(UserError, match="plain has no part called layer4 or features"):
        last_stage(nn.Linear(2, 2), "plain")


def test_curve_targets_are_what_the_bank_knows(bank: ClassBank) -> None:
    targets = curve_targets(bank).double().numpy()
    raw = []
    for c in range(len(bank)):
        maps = int(bank.num_maps[c])
        shares = [np.mean(bank.curve_kind[c, :maps] == kind) for kind in range(len(CURVE_KINDS))]
        grid = np.arange(bank.curve.shape[1]) / 4
        times = np.linspace(0, bank.native_frames[c] - 1, TIMES)
        curve = np.mean([np.interp(times, grid, bank.curve[c, :, m]) for m in range(maps)], axis=0)
        raw.append([*shares, *curve])
    columns = np.array(raw)
    kept = columns[:, columns.std(0) > 1e-6]
    np.testing.assert_allclose(targets, (kept - kept.mean(0)) / kept.std(0), atol=2e-4)
    again = curve_targets(ClassBank.sample(12, seed=3))
    assert torch.equal(again, curve_targets(bank))


def test_banks_without_curves_are_refused() -> None:
    with pytest.raises(UserError, match="classes of perlin have no interpolation curves"):
        curve_targets(sample_bank(3, kind="perlin", seed=0))
    evenly = ClassBank.sample(4, seed=0, config=ClassConfig(motion="linear", min_frames=20))
    with pytest.raises(UserError, match="along the same curve"):
        curve_targets(evenly)


def test_a_real_network_is_trained_by_all_its_losses() -> None:
    torch.manual_seed(0)
    main = Supervised(build_model("r3d_10", 4, seed=0))
    objective = WithAuxiliary(main, last_stage(main.backbone, "r3d_10"), {"mask": MaskHead(256, 1.0)})
    objective.train()(squares(0, 4)).loss.backward()
    assert all(p.grad is not None for p in objective.parameters())
