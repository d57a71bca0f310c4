"""Settings of a run that have no effect beside others."""

from pathlib import Path

from fractalvid.core.bank import bank_kind
from fractalvid.core.constants import BANK_FILE
from fractalvid.pretrain.objectives.config import AUXILIARY
from fractalvid.pretrain.run.config import DEFAULT_CLASSES, PretrainConfig
from fractalvid.sets import SetReader
from fractalvid.truth import TRUTHS
from fractalvid.utils import unused
from fractalvid.utils.unused import Rule

_HEADS = tuple(f"objective.aux_{name}" for name in AUXILIARY)
_ON_CLASSES = {"knn", "linear", "crops"}
"""Monitors on classes that are not trained on; that of motion has classes of its own."""


def _validates(config: PretrainConfig) -> bool:
    return config.val_clips > 0 or bool(config.monitor.monitors)


def _uses_classes(config: PretrainConfig) -> bool:
    """Whether there are clips of the bank, to be trained on or to be validated on."""
    return config.videos is None or config.mix is not None or _validates(config)


def _draws(config: PretrainConfig) -> bool:
    """Whether clips are drawn, rather than read from a set on disk or from videos."""
    streams = config.data is None and (config.videos is None or config.mix is not None)
    return streams or _validates(config)


def _kind(config: PretrainConfig) -> str:
    """What the classes are of: what is asked for, else what a bank or the set on disk holds."""
    if config.kind is not None:
        return config.kind
    source = config.bank if config.data is None else SetReader(config.data).path / BANK_FILE
    return "ifs" if source is None else bank_kind(source)


def _recolours(config: PretrainConfig) -> bool:
    """Whether there are colours to change; of objectives that never do, `ObjectiveConfig.check` tells."""
    coloured = config.videos is not None or config.stream.colour is not None
    return config.objective.views == 1 or coloured or (config.data is not None and _is_coloured(config.data))


def _is_coloured(data: Path) -> bool:
    return SetReader(data).config.colour is not None


RULES: tuple[Rule[PretrainConfig], ...] = (
    Rule(("curriculum",), lambda c: c.stream.emulate is not None, "emulation is off"),
    Rule(
        ("curriculum",),
        lambda c: c.stream.emulate is None or c.stream.emulate.curriculum.samples is None,
        "emulation has its own number of samples",
    ),
    Rule(
        ("grow", "grow_clips"),
        lambda c: c.data is None and c.videos is None,
        "it is the stream's clips that grow: those of --data and --videos are whole from the first on",
    ),
    Rule(
        ("grow",),
        lambda c: c.engine.hours is None or c.grow_clips is not None,
        "a budget in time doesn't tell after how many clips they are whole, without --grow-clips",
    ),
    Rule(
        ("grow",),
        lambda c: all(stage.fits(c.stream) for stage in c.stages()),
        "some of its sizes are larger than the run's clips",
    ),
    Rule(("grow_clips",), lambda c: bool(c.grow), "nothing grows: there is no --grow"),
    Rule(("epoch_clips",), lambda c: c.engine.epochs is not None, "the budget is not in --epochs"),
    Rule(
        ("engine.label_smoothing",),
        lambda c: c.objective.name == "supervised",
        "only --objective supervised has labels to smooth",
    ),
    Rule(("optim.beta2",), lambda c: c.optim.optimizer == "adamw", "it is adamw's, and --optimizer is sgd"),
    Rule(
        ("optim.classic_momentum",),
        lambda c: c.optim.optimizer == "sgd" and c.optim.momentum > 0,
        "it is about the momentum of --optimizer sgd, which there is none of here",
    ),
    Rule(("engine.val_every",), _validates, "nothing is validated: --val-clips is 0, and no --monitors are asked for"),
    Rule(
        ("monitor.monitor_classes",),
        lambda c: bool(_ON_CLASSES & set(c.monitor.monitors)),
        f"such classes belong to --monitors {', '.join(sorted(_ON_CLASSES))}, and none of these is asked for",
    ),
    Rule(
        ("monitor.monitor_clips",),
        lambda c: bool(c.monitor.monitors),
        "such clips belong to --monitors, and none is asked for",
    ),
    Rule(("stream.masks",), lambda c: c.objective.masks, "masks are for --aux-mask alone"),
    Rule(("stream.truth",), lambda c: bool(c.objective.truth), "--aux-motion and the like say what is known"),
    Rule(
        tuple(f"objective.aux_{name}" for name in TRUTHS),
        lambda c: c.data is None,
        "it is known of clips that are drawn while a network trains, not of those of --data",
    ),
    Rule(
        tuple(f"objective.aux_{name}" for name in TRUTHS if name != "camera"),
        lambda c: _kind(c) == "ifs",
        "it is known of fractals alone, and the classes are of another kind",
    ),
    Rule(("objective.aux_camera",), lambda c: c.stream.emulate is not None, "without --emulate no camera moves"),
    Rule(_HEADS, lambda c: c.videos is None, "--videos do not have what it asks for"),
    Rule(
        _HEADS,
        lambda c: not (c.objective.debias or c.engine.mixup or c.engine.cutmix),
        "such heads go neither with mixup and cutmix nor with --debias",
    ),
    Rule(
        ("classes", "kind", "bank"),
        _uses_classes,
        "no clips of such classes are shown: --videos are all there is, and nothing is validated",
    ),
    Rule(("stream.points",), _draws, "no clips are drawn: all are read from disk, and nothing is validated"),
    Rule(
        ("stream.points",),
        lambda c: _kind(c) == "ifs",
        "points belong to the chaos game, and the classes are of another kind",
    ),
    Rule(("max_pixels", "isolate"), lambda c: c.videos is not None, "there are no --videos"),
    Rule(("objective.recolour",), _recolours, "the clips are grey, without --colour"),
)

ALSO_UNSET = {"classes": DEFAULT_CLASSES, "kind": "ifs", "objective.recolour": 0.0}
"""What a run that began without the first two keeps of them; and off, which is always accepted."""


def check_run(config: PretrainConfig) -> None:
    """Raise a `UserError` for values that no run can use or this machine can't, and for settings without effect."""
    check_settings(config)
    config.engine.check_machine()


def check_settings(config: PretrainConfig) -> None:
    """As `check_run`, but without looking at the machine: that imports torch, which takes seconds."""
    config.check()
    unused.check_unused(config, RULES, ALSO_UNSET)


def without_unused(config: PretrainConfig, recipe: PretrainConfig) -> PretrainConfig:
    """A configuration in which what the recipe alone has set, and has no effect, is as if nobody had set it.

    The points of the chaos game are an example, in a recipe that is used with classes of another kind.
    """
    return unused.without_unused(config, recipe, RULES, ALSO_UNSET)
