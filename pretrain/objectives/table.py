"""The objectives, as one table: a new one is one more row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
import tyro
from torch import nn

from fractalvid.core.bank import Bank
from fractalvid.pretrain.engine.batches import Batch
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.engine.validation import classification_metrics
from fractalvid.pretrain.models import backbone, build_model, feature_dim
from fractalvid.pretrain.monitors.neighbours import first_classes, neighbour_metrics
from fractalvid.pretrain.objectives.auxiliary import CurveHead, MaskHead, WithAuxiliary
from fractalvid.pretrain.objectives.byol import BYOL, BYOLConfig
from fractalvid.pretrain.objectives.checks import check_weight
from fractalvid.pretrain.objectives.curves import curve_targets
from fractalvid.pretrain.objectives.maps import last_stage, stage_shape
from fractalvid.pretrain.objectives.moco import MoCo, MoCoConfig
from fractalvid.pretrain.objectives.simclr import SimCLR, SimCLRConfig
from fractalvid.pretrain.objectives.supervised import Supervised, SupervisedConfig
from fractalvid.pretrain.weights.published import load_initial
from fractalvid.stream import SecondView
from fractalvid.utils.checks import check_p
from fractalvid.utils.errors import UserError

ObjectiveName = Literal["supervised", "moco", "simclr", "byol"]
"""`supervised`, or a row of `SELF_SUPERVISED`."""


@dataclass(frozen=True)
class Row:
    """An objective that needs no labels but two views of each instance.

    Attributes:
        build: (backbone, its number of features, settings) -> objective, drawing from torch's CPU generator.
        about: what it is, for `--list`.
    """

    build: Callable[[nn.Module, int, Any], Objective]
    about: str


SELF_SUPERVISED: dict[str, Row] = {
    "moco": Row(MoCo, "without labels: MoCo v2, tell the other view from a queue of keys"),
    "simclr": Row(SimCLR, "without labels: tell the other view from the rest of the batch"),
    "byol": Row(BYOL, "without labels: predict what a slow network makes of the other view"),
}
"""By name; their settings are the fields of `ObjectiveConfig` of the same names."""

ABOUT = {"supervised": "tell the classes apart"} | {name: row.about for name, row in SELF_SUPERVISED.items()}
"""All objectives, for `--list`."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the network is trained for."""

    name: Annotated[ObjectiveName, tyro.conf.arg(name="objective")] = "supervised"
    """supervised (tell the classes apart), or without labels: moco, simclr or byol."""
    aux_mask: float = 0.0
    """Weight of a head that predicts the foreground's mask beside it; 0 is off."""
    aux_curve: float = 0.0
    """Weight of a head that regresses how the class moves between its keyframes; 0 is off."""
    reverse: float = 0.5
    """Without labels: probability that the second view runs backwards in time."""
    key_strength: float = 1.0
    """Without labels: crop and emulation of the second view, MoCo's key, as a share of the first's; less is easier."""
    recolour: float = 0.8
    """Without labels: probability that the second view of a coloured clip has other hues, and paler ones."""
    moco: MoCoConfig = field(default_factory=MoCoConfig)
    simclr: SimCLRConfig = field(default_factory=SimCLRConfig)
    byol: BYOLConfig = field(default_factory=BYOLConfig)

    def check(self, *, mixing: bool) -> None:
        """Raise a `UserError` for values no run can use, and for settings of what is not used.

        Args:
            mixing: whether clips are mixed (mixup, CutMix).
        """
        if self.name != "supervised" and self.name not in SELF_SUPERVISED:
            raise UserError(f"objective is {self.name!r}; it can be supervised, {', '.join(SELF_SUPERVISED)}")
        check_weight("aux-mask", self.aux_mask)
        check_weight("aux-curve", self.aux_curve)
        self._check_unused()
        if self.name in SELF_SUPERVISED:
            getattr(self, self.name).check()
            check_p("reverse", self.reverse)
            check_p("key-strength", self.key_strength)
            check_p("recolour", self.recolour)
        if mixing and (self.name != "supervised" or self.aux_mask or self.aux_curve):
            raise UserError(
                "mixup and cutmix mix labels, so they go with --objective supervised alone, without --aux-mask or "
                "--aux-curve: leave out one or the other"
            )

    def _check_unused(self) -> None:
        default, of_views = ObjectiveConfig(), ("reverse", "key_strength", "recolour")
        for name in (*of_views, *SELF_SUPERVISED):
            own = self.name in SELF_SUPERVISED if name in of_views else self.name == name
            if not own and getattr(self, name) != getattr(default, name):
                option = name.replace("_", "-")
                raise UserError(f"{option} is set, but --objective is {self.name}, which does not use it: leave it out")

    @property
    def views(self) -> Literal[1, 2]:
        """How many views of each instance the stream has to give."""
        return 1 if self.name == "supervised" else 2

    @property
    def second(self) -> SecondView | None:
        """How the second view differs from the first; None where there is none."""
        return None if self.views == 1 else SecondView(self.reverse, self.key_strength)

    @property
    def masks(self) -> bool:
        """Whether the stream has to give masks."""
        return self.aux_mask > 0

    def metrics(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """How well the network does on held-out clips: top1, top5 and loss, or without labels `knn_top1`."""
        measure = classification_metrics if self.name == "supervised" else neighbour_metrics
        return measure(network, batches)

    def validation_bank(self, bank: Bank, num_clips: int) -> Bank:
        """The classes that are validated on: all, or without labels so few that each has several clips."""
        return bank if self.name == "supervised" else first_classes(bank, num_clips)


def build_objective(
    config: ObjectiveConfig,
    arch: str,
    bank: Bank,
    *,
    seed: int,
    num_classes: int | None = None,
    supervised: SupervisedConfig | None = None,
    init: str | None = None,
) -> Objective:
    """A freshly initialised network and what it is trained for.

    Args:
        config: was checked.
        arch: a row of `fractalvid.pretrain.models.ARCHITECTURES`.
        bank: the classes.
        seed: determines all initial parameters; torch's global generator is left as it was.
        num_classes: how many are told apart, where there are others beside those of the bank.
        supervised: settings of the supervised objective; the defaults if None.
        init: weights that all but the head starts from, as `pretrain.weights.published.load_initial` reads them.

    Raises:
        UserError: an architecture that the auxiliary heads can't use, a bank without curves, or weights that are not
            there or don't fit.
    """
    # The network draws by itself, then projectors, then heads: with a head more, the rest begins as it did.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        main = _main(config, arch, num_classes or len(bank), seed, supervised, init)
        heads = _heads(config, arch, bank)
    return WithAuxiliary(main, last_stage(main.backbone, arch), heads) if heads else main


def _main(
    config: ObjectiveConfig,
    arch: str,
    num_classes: int,
    seed: int,
    supervised: SupervisedConfig | None,
    init: str | None,
) -> Objective:
    with_head = config.name == "supervised"
    network = build_model(arch, num_classes, seed=seed) if with_head else backbone(arch, seed=seed)
    if init is not None:
        load_initial(network, arch, init)
    if with_head:
        return Supervised(network, supervised, seed=seed)
    return SELF_SUPERVISED[config.name].build(network, feature_dim(arch), getattr(config, config.name))


def _heads(config: ObjectiveConfig, arch: str, bank: Bank) -> dict[str, MaskHead | CurveHead]:
    if not (config.aux_mask or config.aux_curve):
        return {}
    channels = stage_shape(arch)[0]
    heads: dict[str, MaskHead | CurveHead] = {}
    if config.aux_mask:
        heads["mask"] = MaskHead(channels, config.aux_mask)
    if config.aux_curve:
        heads["curve"] = CurveHead(channels, config.aux_curve, curve_targets(bank))
    return heads
