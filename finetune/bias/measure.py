"""The bias of a benchmark towards a representation: a linear classifier of frozen features against chance."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from fractalvid.finetune.bias.bits import bias_interval, representation_bias
from fractalvid.finetune.bias.config import BiasConfig
from fractalvid.finetune.probe.linear import CLASSIFIERS, SCALINGS, classify
from fractalvid.finetune.probe.run import RANDOM, Network, Probe, network_features, open_probe
from fractalvid.finetune.report.markup import Table, as_markdown
from fractalvid.finetune.report.published import published_bias
from fractalvid.finetune.results.scores import labels_of
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.models import stage_names
from fractalvid.pretrain.weights import Initial
from fractalvid.pretrain.weights.published import IMAGENET, KINETICS, published_state
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Bias:
    """How far frozen features get on a benchmark.

    Attributes:
        label: what the weights are called.
        init: what was typed for them.
        target: the benchmark.
        split: of which split.
        classes: K; chance is 1 / K.
        tested: test videos.
        accuracy: percent of them that are named.
        bits: log2(accuracy / chance).
        interval: bits at the ends of the accuracy's 95 % interval.
        stage: of the network, its last.
        scaling: of the features; chosen on the training side, like the classifier and its strength.
        classifier: ridge or logistic.
        strength: of its penalty.
        cv_top1: percent of held-out training videos, by which these were chosen.
    """

    label: str
    init: str
    target: str
    split: str
    classes: int
    tested: int
    accuracy: float
    bits: float
    interval: tuple[float, float]
    stage: str
    scaling: str
    classifier: str
    strength: float
    cv_top1: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in JSON, which has no infinity: None for it."""
        plain = asdict(self)
        bits = [value if math.isfinite(value) else None for value in (self.bits, *self.interval)]
        return plain | {"bits": bits[0], "interval": bits[1:]}


def open_bias(
    data: Data,
    config: BiasConfig,
    inits: Sequence[Initial],
    *,
    split: str | None,
    allow_missing: bool,
    machine: Machine,
) -> Probe:
    """Fetch the weights, and list the videos. Raises `UserError` as `open_probe` does."""
    if any(init.label == RANDOM for init in inits):
        raise UserError(f"--init: the label {RANDOM!r} means networks that learned nothing; name the weights otherwise")
    for init in inits:  # before videos are decoded
        if init.model is not None and init.kind in (KINETICS, IMAGENET):
            published_state(init.model, init.kind)
    probe = open_probe(data, config.probe(), inits, split=split, allow_missing=allow_missing, machine=machine)
    named = tuple(network for network in probe.networks if network.label != RANDOM)
    spread = (replace(network, recipe=replace(network.recipe, sampling="segments")) for network in named)
    return replace(probe, networks=tuple(spread))


def measure_bias(probe: Probe) -> list[Bias]:
    """The bias towards each of the networks of `open_bias`; features that an earlier call kept are not made again."""
    return [_of_network(probe, network) for network in probe.networks]


def _of_network(probe: Probe, network: Network) -> Bias:
    stage = stage_names(network.recipe.model)[-1]
    values = network_features(probe, network)["kept", stage].astype(np.float64)
    videos = probe.listing.videos
    labels = labels_of(videos)
    sides = [np.array([k for k, video in enumerate(videos) if video.side == side]) for side in ("train", "test")]
    known, asked = ((values[side], labels[side]) for side in sides)
    fits = [
        (scaling, classifier, classify(classifier, scaling, known, asked, probe.parts, strengths))
        for scaling, classifier in product(SCALINGS, CLASSIFIERS)
        for strengths in [getattr(probe.config, classifier)]
    ]
    scaling, classifier, fitted = max(fits, key=lambda fit: fit[2].cv_top1)  # never by the test side
    classes, tested = len(probe.listing.classes), len(sides[1])
    return Bias(
        network.label,
        network.init.path or f"{network.init.kind}:{network.init.model}",
        probe.data.target.name,
        probe.split,
        classes,
        tested,
        fitted.test_top1,
        representation_bias(fitted.test_top1, classes),
        bias_interval(fitted.test_top1, tested, classes),
        stage,
        scaling,
        classifier,
        fitted.strength,
        fitted.cv_top1,
    )


def bias_table(found: Sequence[Bias]) -> str:
    """A Markdown table of the biases, with what others have published of the benchmark below."""
    body = [
        (
            one.label,
            f"{one.accuracy:.2f}",
            f"{100 / one.classes:.2f}",
            f"{one.bits:.2f}",
            f"{one.interval[0]:.2f} to {one.interval[1]:.2f}",
            str(one.tested),
        )
        for one in found
    ]
    head = ("weights", "top-1 (%)", "chance (%)", "bias (bits)", "95 % interval", "test videos")
    table = as_markdown(Table("", head, tuple(body)))
    others = published_bias(found[0].target)
    said = [f"Other people's: {bits:.2f} bits at {accuracy:.2f} % ({source})." for accuracy, bits, source in others]
    return "\n".join([table, *said])
