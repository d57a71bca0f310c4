"""What a network is trained for, as frozen dataclasses: the settings of every objective, and which one it is.

The table says where objectives are built, and imports that only when one is: reading a command line needs no torch.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fractalvid.utils.checks import MAX_SETTING, check_fields, check_p
from fractalvid.utils.errors import UserError
from fractalvid.utils.unused import Rule, check_unused

if TYPE_CHECKING:
    from fractalvid.stream import SecondView
    from fractalvid.truth import TruthName

LARGEST_ALPHA = 1000.0
"""Beyond it, all weights of mixup and CutMix are a half, to 1 %."""
MAX_PROJECTOR = 8
AUXILIARY = ("mask", "curve", "motion", "camera", "flow", "order")
"""Heads beside an objective: NAME is switched on by the weight `aux_NAME`, and drawn in this order."""
Related = Literal["instance", "class", "none"]


@dataclass(frozen=True)
class SupervisedConfig:
    """What the loss does with labels."""

    label_smoothing: float = 0.1
    """Probability spread over all classes by the supervised loss."""
    mixup: float = 0.0
    """Blend clips and labels in pairs: alpha of mixup's Beta distribution, such as 0.2; 0 is off."""
    cutmix: float = 0.0
    """Paste boxes of other clips: alpha of CutMix's Beta distribution, such as 1; 0 is off; with --mixup, either."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"label-smoothing is {self.label_smoothing}; it must be at least 0 and below 1")
        check_alpha("mixup", self.mixup)
        check_alpha("cutmix", self.cutmix)


@dataclass(frozen=True)
class MoCoConfig:
    """Momentum contrast; the defaults are the reference method's."""

    queue: int = 2**14
    """Keys that queries are told from."""
    temperature: float = 0.07
    """Divides cosines."""
    momentum: float = 0.999
    """What the key network keeps of itself at each step."""
    cosine: bool = False
    """Let the momentum rise to 1 in half a cosine."""
    dim: int = 128
    """Components of queries and keys."""
    hidden: int | None = None
    """Width of the projector's hidden layer; as many as the network has features if not given."""
    mask: Related = "instance"
    """Keys in the queue that are no negatives: those of the same instance, of the same class, or none."""
    bn_groups: int | None = None
    """Groups in which each process's BatchNorm takes its clips, keys in another order than queries, so that statistics
    don't tell which belong together; 1 is one of all. If not given, up to 8 of at least 8 clips, or 2 of fewer; with
    several processes one each, since keys are shuffled across processes."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self, "moco.")
        _check_size("moco.queue", self.queue)
        _check_size("moco.dim", self.dim)
        _check_size("moco.hidden", self.hidden)
        _check_temperature("moco.temperature", self.temperature)
        _check_momentum("moco.momentum", self.momentum)
        _check_size("moco.bn-groups", self.bn_groups)


@dataclass(frozen=True)
class SimCLRConfig:
    """SimCLR; the temperature is the reference method's (arXiv 2411.17584), the rest the original's."""

    temperature: float = 0.1
    """Divides cosines."""
    dim: int = 128
    """Components of embeddings."""
    hidden: int | None = None
    """Width of the projector's hidden layer; as many as the network has features if not given."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self, "simclr.")
        _check_temperature("simclr.temperature", self.temperature)
        _check_size("simclr.dim", self.dim)
        _check_size("simclr.hidden", self.hidden)


@dataclass(frozen=True)
class BYOLConfig:
    """BYOL; the defaults are the reference method's (arXiv 2411.17584)."""

    momentum: float = 0.997
    """What the target network keeps of itself at each step."""
    cosine: bool = True
    """Let the momentum rise to 1 in half a cosine."""
    dim: int = 256
    """Components of projections."""
    hidden: int = 1024
    """Width of the hidden layers of projector and predictor."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self, "byol.")
        _check_momentum("byol.momentum", self.momentum)
        _check_size("byol.dim", self.dim)
        _check_size("byol.hidden", self.hidden)


@dataclass(frozen=True)
class Row:
    """An objective.

    Attributes:
        builder: its class, as `module:name`; called with a network, the number of its features, and the settings.
        views: how many views of each instance it learns from: 1 with labels, 2 without.
        about: what it is, for `--list`.
    """

    builder: str
    views: Literal[1, 2]
    about: str


_HERE = "fractalvid.pretrain.objectives"
OBJECTIVES: dict[str, Row] = {
    "supervised": Row(f"{_HERE}.supervised:Supervised", 1, "tell the classes apart"),
    "moco": Row(f"{_HERE}.moco:MoCo", 2, "without labels: MoCo v2, tell the other view from a queue of keys"),
    "simclr": Row(f"{_HERE}.simclr:SimCLR", 2, "without labels: tell the other view from the rest of the batch"),
    "byol": Row(f"{_HERE}.byol:BYOL", 2, "without labels: predict what a slow network makes of the other view"),
}
"""By name. Without labels, settings are the field of `ObjectiveConfig` of the same name."""
ObjectiveName = Literal["supervised", "moco", "simclr", "byol"]
"""A row of `OBJECTIVES`."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the network is trained for."""

    name: Annotated[ObjectiveName, tyro.conf.arg(name="objective")] = "supervised"
    """supervised (tell the classes apart), or without labels: moco, simclr or byol."""
    projector: int = 0
    """Layers of an MLP between features and class head, left out of the weights: what is peculiar to these classes
    can stay in it, and features transfer better (arXiv 2112.00496, 2206.15369); 0 is none."""
    aux_mask: float = 0.0
    """Weight of a head that predicts the foreground's mask beside it; 0 is off."""
    aux_curve: float = 0.0
    """Weight of a head that regresses how the class moves between its keyframes; 0 is off."""
    aux_motion: float = 0.0
    """Weight of a head that regresses direction and speed of the figure; 0 is off."""
    aux_camera: float = 0.0
    """Weight of a head that regresses the camera's pan, zoom, roll and perspective (with --emulate); 0 is off."""
    aux_flow: float = 0.0
    """Weight of a head that predicts exact optical flow on a coarse grid; 0 is off."""
    aux_order: float = 0.0
    """Weight of a head that tells which layer is in front on that grid; 0 is off."""
    debias: float = 0.0
    """Weights of scene debiasing (arXiv 1912.05534; 0.5 as published): features are made worse at telling what is
    behind a clip, and without their figures clips are to say nothing of the class; 0 is off. Needs --emulate."""
    reverse: float = 0.5
    """Without labels: probability that the second view runs backwards in time."""
    key_strength: float = 1.0
    """Without labels: crop and emulation of the second view, MoCo's key, as a share of the first's; less is easier."""
    recolour: float = 0.8
    """Without labels: probability that the second view of a coloured clip has other hues, and paler ones."""
    moco: MoCoConfig = field(default_factory=MoCoConfig)
    simclr: SimCLRConfig = field(default_factory=SimCLRConfig)
    byol: BYOLConfig = field(default_factory=BYOLConfig)

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        if not 0 <= self.projector <= MAX_PROJECTOR:
            raise UserError(f"projector is {self.projector}; it must be 0 (none) to {MAX_PROJECTOR} layers")
        for name in ("reverse", "key_strength", "recolour"):
            check_p(name.replace("_", "-"), getattr(self, name))
        for name in AUXILIARY:
            _check_weight(f"aux-{name}", getattr(self, f"aux_{name}"))
        _check_weight("debias", self.debias)

    def check(self, *, mixing: bool) -> None:
        """Raise a `UserError` for settings that exclude each other, and for some that the objective doesn't use.

        Args:
            mixing: whether clips are mixed (mixup, CutMix).
        """
        check_unused(self, RULES)
        if self.debias and (mixing or self.auxiliary):
            raise UserError("debias goes neither with mixup and cutmix nor with auxiliary heads: leave out one")
        if mixing and (self.views == 2 or self.auxiliary):
            raise UserError(
                "mixup and cutmix mix labels, so they go with --objective supervised alone, without --aux-mask or "
                "another auxiliary head: leave out one or the other"
            )

    @property
    def views(self) -> Literal[1, 2]:
        """How many views of each instance the stream has to give."""
        return OBJECTIVES[self.name].views

    @property
    def second(self) -> "SecondView | None":
        """How the second view differs from the first; None where there is none."""
        from fractalvid.stream import SecondView  # which needs torch

        return None if self.views == 1 else SecondView(self.reverse, self.key_strength)

    @property
    def headless(self) -> bool:
        """Whether the weights are those of the network without its head."""
        return self.views == 2 or self.projector > 0

    @property
    def auxiliary(self) -> dict[str, float]:
        """The weights of the heads that are on, by name."""
        weights = {name: float(getattr(self, f"aux_{name}")) for name in AUXILIARY}
        return {name: weight for name, weight in weights.items() if weight}

    @property
    def truth(self) -> "tuple[TruthName, ...]":
        """What else the stream has to know of its clips."""
        from fractalvid.truth import TRUTHS

        return tuple(name for name in TRUTHS if name in self.auxiliary)

    @property
    def masks(self) -> bool:
        """Whether the stream has to give masks."""
        return self.aux_mask > 0


def _not_used(config: ObjectiveConfig) -> str:
    return f"--objective is {config.name}, which does not use it"


RULES: tuple[Rule[ObjectiveConfig], ...] = (
    Rule(("projector", "debias"), lambda config: config.name == "supervised", _not_used),
    Rule(("reverse", "key_strength", "recolour"), lambda config: config.views == 2, _not_used),
    Rule(("moco",), lambda config: config.name == "moco", _not_used),
    Rule(("simclr",), lambda config: config.name == "simclr", _not_used),
    Rule(("byol",), lambda config: config.name == "byol", _not_used),
)
"""Settings that only some objectives use."""


def check_alpha(name: str, alpha: float) -> None:
    """Raise a `UserError`, which calls it `name`, for an `alpha` that no mixing has."""
    if not 0 <= alpha <= LARGEST_ALPHA:
        raise UserError(f"{name} is {alpha:g}; it must lie between 0 (off) and {LARGEST_ALPHA:g}")


def _check_size(name: str, value: int | None) -> None:
    """Raise a `UserError`, which calls it `name`, for a number that can't be one of components or entries."""
    if value is not None and not 1 <= value <= 2**24:
        raise UserError(f"{name} is {value}; it must be at least 1 and at most {2**24}")


def _check_temperature(name: str, value: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what can't divide."""
    if not 0 < value <= MAX_SETTING:
        raise UserError(f"{name} is {value}; it must be above 0, and at most {MAX_SETTING:g}")


def _check_weight(name: str, value: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what can't weigh a loss."""
    if not 0 <= value <= MAX_SETTING:
        raise UserError(f"{name} is {value}; it must be 0 (off) or above, and at most {MAX_SETTING:g}")


def _check_momentum(name: str, momentum: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what no average has."""
    if not 0 <= momentum <= 1:
        raise UserError(f"{name} is {momentum}; it must lie between 0 (follows at once) and 1 (never follows)")
