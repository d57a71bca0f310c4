"""Each method on a toy problem, and the state of each through a stop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.finetune.generalise.methods.base import Method
from fractalvid.finetune.generalise.methods.explain import Explain, peak_inside
from fractalvid.finetune.generalise.methods.plain import Plain
from fractalvid.finetune.generalise.methods.pseudo import Pseudo
from fractalvid.finetune.generalise.methods.rada import Ascent, SimplifiedRada
from fractalvid.finetune.generalise.methods.random_pool import RandomPool
from fractalvid.finetune.generalise.methods.search import Search
from fractalvid.finetune.generalise.objective import Generalising, renewals
from fractalvid.finetune.generalise.pool import draw_tuples, named
from fractalvid.pretrain.models.modes import evaluating
from tests.finetune.generalise.helpers import BATCH, PIXELS, SHAPE, Small, batch, clips, run

ASCENT = Ascent(steps=4, rate=0.1, penalty=0.5, consistency=1.0)


def classify(network: nn.Module) -> Tensor:
    """What a network says of the toy's other domain."""
    logits: Tensor = network(torch.cat([clips(1000 + k)[0] for k in range(5)]))
    return logits.softmax(1)


METHODS: dict[str, Callable[[int], Method]] = {
    "plain": lambda _: Plain(),
    "random": lambda _: RandomPool(PIXELS, 1),
    "search": lambda steps: Search(PIXELS, 1, rounds=6, searches=renewals(steps, 3)),
    "explain": lambda _: Explain("maps"),
    "pseudo": lambda _: Pseudo(classify, 20, threshold=0.4),
    "rada": lambda steps: SimplifiedRada(PIXELS, 1, ASCENT, "fc", SHAPE, 3, renewals(steps, 3)),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_run_is_one_that_never_was(name: str, tmp_path: Path) -> None:
    whole, result = run(METHODS[name](10), tmp_path / "whole", steps=10)
    run(METHODS[name](10), tmp_path / "stopped", steps=5)
    method = METHODS[name](10)
    resumed, _ = run(method, tmp_path / "stopped", steps=10, resume=True)
    assert result.skipped == 0
    for key, value in whole.state_dict().items():
        assert resumed.state_dict()[key].equal(value), key
    states = [
        torch.load(tmp_path / of / "checkpoint.pt", weights_only=True)["objective"] for of in ("whole", "stopped")
    ]
    assert states[0].keys() == states[1].keys() == {f"method.{key}" for key in method.state_dict()}
    assert all(states[0][key].equal(states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_the_toy(name: str, tmp_path: Path) -> None:
    network, _ = run(METHODS[name](60), tmp_path, steps=60)
    video, target = clips(5000, 60)
    with torch.no_grad():
        right = network.eval()(video).argmax(1) == target
    assert right.float().mean() > 0.6  # chance is a third


@pytest.mark.parametrize("name", METHODS)
def test_a_renewal_leaves_the_network_as_it_was(name: str) -> None:
    network, method = Small().train(), METHODS[name](10)
    network.maps.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    method.renew(network, batch(0), 3)
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())
    assert network.training and network.fc.training and not network.maps.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_is_due_when() -> None:
    class Noting(Method):
        def __init__(self) -> None:
            super().__init__()
            self.steps = list[int]()

        def renew(self, network: nn.Module, batch: object, step: int) -> None:
            self.steps.append(step)

    method = Noting()
    objective = Generalising(Small(), method, batch_size=BATCH, every=4)
    for number in range(13):
        objective(batch(number))
    assert method.steps == [4, 8, 12] and renewals(13, 4) == 3
    assert [renewals(steps, 4) for steps in (1, 4, 5, 12)] == [0, 0, 1, 2]


def test_the_search_finds_a_planted_weakness() -> None:
    class Weak(nn.Module):
        """Right about everything, but the more sure of the wrong answer the redder clips are."""

        def forward(self, video: Tensor) -> Tensor:
            red = (video[:, 0] - video[:, 1]).mean((1, 2, 3))
            return torch.stack([-8 * red, 8 * red], dim=1)

    target = torch.zeros(BATCH, dtype=torch.int64)
    dim = replace(batch(0), video=torch.full(SHAPE, -0.5), target=target)
    search = Search(PIXELS, 0, rounds=50, searches=2)
    search.renew(Weak(), dim, 200)
    tried = draw_tuples(0, (1 << 32) + 200, 50)
    losses = [float(F.cross_entropy(Weak()(PIXELS.transform(dim.video, one)), target)) for one in tried]
    assert int(search.count) == 2 and search.members[1].equal(tried[losses.index(max(losses))])
    strongest = {name: amount for name, amount in named(search.members[1])}
    assert strongest.get("red", 0) > 0 or strongest.get("green", 0) < 0
    search.renew(Weak(), dim, 400)
    assert int(search.count) == 3 and not search.members[2].equal(search.members[1])
    found = search.found()["tuples"]
    assert isinstance(found, list) and len(found) == 3 and found[0] == []


def test_steps_of_the_search_draw_from_all_of_its_set() -> None:
    search = Search(PIXELS, 0, rounds=3, searches=1)
    search.renew(Small(), batch(0), 3)
    changed = [not search.change(batch(0), step).video.equal(batch(0).video) for step in range(60)]
    assert 15 < sum(changed) < 45  # the identity half of the time


def test_saliency_outside_the_tube_is_masked_and_inside_is_not() -> None:
    saliency, tubes = torch.zeros(3, 2, 4, 4), torch.zeros(3, 2, 4, 4, dtype=torch.bool)
    saliency[0, 1, 2, 3] = saliency[1, 0, 0, 0] = 1
    tubes[:, 1, 2, 3] = True
    assert peak_inside(saliency, tubes).tolist() == [True, False, True]  # the last has no peak at all
    method, network, seen = Explain("maps"), Small().eval(), list[Tensor]()
    with torch.no_grad():  # what is bright speaks for the class, and only the right half is
        network.get_parameter("maps.0.weight").fill_(0.1)
        network.get_parameter("maps.0.bias").zero_()
        network.fc.weight.fill_(1.0)
    there = batch(0)
    video = torch.zeros(SHAPE)
    video[..., 3:] = 1
    there = replace(there, video=video, tubes=there.tubes, boxed=torch.tensor([True, True, True, False]))
    method.renew(network, there, 3)
    network.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with method.around(network, there):
        network(there.video)
    with method.around(network, there):
        network(there.video)  # the next pass is as ever
    masked, free = seen
    assert method.found() == {"looked_at": 3, "peaked_outside": 3}
    assert (masked[:3] < free[:3]).all() and masked[3].equal(free[3])


def test_thresholds_that_accept_nothing_and_everything() -> None:
    there = batch(0)
    none, all_of_them = (Pseudo(classify, 20, threshold=threshold) for threshold in (1.0, 0.0))
    for method in (none, all_of_them):
        assert method.change(there, 0) is there  # before it has looked, it accepts nothing
        method.renew(Small(), there, 3)
    assert none.change(there, 3) is there and none.found()["accepted"] == 0
    joined = all_of_them.change(there, 3)
    assert len(joined.video) == len(joined.target) == 2 * BATCH
    assert joined.target[BATCH:].equal(all_of_them.answers[there.numbers])
    assert all_of_them.found()["accepted"] == 20


def test_adversarial_clips_are_harder_and_are_pictures_still() -> None:
    network, there = Small().eval(), batch(0)
    free = SimplifiedRada(PIXELS, 0, replace(ASCENT, penalty=0.0), "fc", SHAPE, 3, 2)
    bound = SimplifiedRada(PIXELS, 0, replace(ASCENT, penalty=1e4), "fc", SHAPE, 3, 2)
    black, white = PIXELS.limits(there.video)
    moved = dict[str, float]()
    with evaluating(network):
        still = network.maps(there.video).mean((2, 3, 4))
        for name, method in (("free", free), ("bound", bound)):
            video = method.perturbed(network, there)
            assert (video >= black).all() and (video <= white).all()
            assert (video - there.video).abs().max() <= ASCENT.steps * ASCENT.rate + 1e-5
            moved[name] = float((network.maps(video).mean((2, 3, 4)) - still).detach().square().mean())
            if name == "free":
                before, after = (F.cross_entropy(network(one), there.target) for one in (there.video, video))
                assert after > before
    assert moved["bound"] < moved["free"]
    free.renew(network, there, 3)
    joined = free.change(there, 4)
    assert len(joined.video) == 2 * BATCH and joined.soft is not None
    wanted = (joined.soft * (joined.soft.log() - network(joined.video)[BATCH:].log_softmax(1))).sum(1).mean()
    extra = free.extra_loss(network(joined.video), joined)
    assert extra is not None and extra.allclose(wanted, rtol=1e-4)
    assert free.extra_loss(network(there.video), there) is None
