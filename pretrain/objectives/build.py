"""Objectives as a configuration asks for them, with a freshly initialised network."""

from collections.abc import Callable
from pkgutil import resolve_name

import torch

from fractalvid.core.bank import Bank
from fractalvid.pretrain.engine import Objective
from fractalvid.pretrain.models import backbone, build_model, feature_dim, head_name
from fractalvid.pretrain.models.heads import put_projector
from fractalvid.pretrain.objectives.auxiliary.curves import curve_targets
from fractalvid.pretrain.objectives.auxiliary.head import Head
from fractalvid.pretrain.objectives.auxiliary.heads import CurveHead, MaskHead, WithAuxiliary
from fractalvid.pretrain.objectives.auxiliary.maps import last_stage, stage_shape
from fractalvid.pretrain.objectives.auxiliary.motion import CameraHead, FlowHead, MotionHead, OrderHead
from fractalvid.pretrain.objectives.config import OBJECTIVES, ObjectiveConfig, SupervisedConfig
from fractalvid.pretrain.objectives.debias import DebiasConfig, Debiased
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.weights import describe_loaded, load_initial, parse_initial


def build_objective(
    config: ObjectiveConfig,
    arch: str,
    bank: Bank,
    *,
    seed: int,
    num_classes: int | None = None,
    scenes: int = 0,
    supervised: SupervisedConfig | None = None,
    init: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Objective:
    """A freshly initialised network and what it is trained for.

    Args:
        config: was checked.
        arch: a row of `fractalvid.pretrain.models.ARCHITECTURES`.
        bank: the classes.
        seed: determines all initial parameters; torch's global generator is left as it was.
        num_classes: how many are told apart, where there are others beside those of the bank.
        scenes: how many scenes batches tell apart, where it debiases.
        supervised: settings of the supervised objective; the defaults if None.
        init: weights that all but the head starts from, as `fractalvid.pretrain.weights.initial` reads them.
        say: is told in a line what came of loading them.

    Raises:
        UserError: an architecture that the auxiliary heads can't use, a bank without curves, or weights that are not
            there or don't fit.
    """
    # The network draws by itself, then projectors, then heads: with a head more, the rest begins as it did.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        with_labels = OBJECTIVES[config.name].views == 1
        network = build_model(arch, num_classes or len(bank), seed=seed) if with_labels else backbone(arch, seed=seed)
        if init is not None:
            initial = parse_initial(init, arch)
            report = load_initial(network, arch, initial)
            if report is not None:
                say(describe_loaded(initial, report))
        main: Objective
        if with_labels:
            if config.projector:
                put_projector(network, arch, config.projector)
            main = Supervised(network, supervised, seed=seed)
        else:
            builder = resolve_name(OBJECTIVES[config.name].builder)
            main = builder(network, feature_dim(arch), getattr(config, config.name))
        if config.debias:
            weights = DebiasConfig(config.debias, config.debias)
            return Debiased(main, weights, head=head_name(arch), features=feature_dim(arch), scenes=scenes)
        heads = _heads(config, arch, bank)
    return WithAuxiliary(main, last_stage(main.backbone, arch), heads) if heads else main


def _heads(config: ObjectiveConfig, arch: str, bank: Bank) -> dict[str, Head]:
    """The auxiliary heads by name; none where none is asked for."""
    weights = config.auxiliary
    if not weights:
        return {}
    channels = stage_shape(arch)[0]
    builders: dict[str, Callable[[float], Head]] = {
        "mask": lambda weight: MaskHead(channels, weight),
        "curve": lambda weight: CurveHead(channels, weight, curve_targets(bank)),
        "motion": lambda weight: MotionHead(channels, weight),
        "camera": lambda weight: CameraHead(channels, weight),
        "flow": lambda weight: FlowHead(channels, weight),
        "order": lambda weight: OrderHead(channels, weight),
    }
    return {name: builders[name](weight) for name, weight in weights.items()}
