"""A pre-training run as a frozen dataclass: every option, and what follows from them together."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fractalvid.core.bank import KindName
from fractalvid.core.constants import MAX_CLASSES
from fractalvid.pretrain.clips import Stage, list_videos, parse_stages, stored_clips
from fractalvid.pretrain.engine import LoopConfig, TrainConfig, check_norms
from fractalvid.pretrain.models import check_clip
from fractalvid.pretrain.monitors import MonitorConfig
from fractalvid.pretrain.objectives import ObjectiveConfig, SupervisedConfig
from fractalvid.pretrain.optim import OptimConfig
from fractalvid.pretrain.recipes import override
from fractalvid.pretrain.run.folder import CONFIG, read_config
from fractalvid.stream import StreamConfig
from fractalvid.utils.checks import MAX_COUNT, MAX_THREADS, check_at_most, check_fields
from fractalvid.utils.errors import UserError
from fractalvid.video.errors import MAX_PIXELS, check_max_pixels

DEFAULT_CLASSES = 1000
"""Of a run that is not told how many."""
_MOST = dict.fromkeys(("batch_size", "epoch_clips", "grow_clips", "instances", "val_clips"), MAX_COUNT) | {
    **{"classes": MAX_CLASSES, "threads": MAX_THREADS}
}
"""Largest values of the settings of a run."""
CURRICULUM = 0.6
"""Share of a run over which emulation comes in: strong from the first step, it costs accuracy in short runs."""
FREE = frozenset(
    {"bank", "data", "videos", "max_pixels", "isolate", "threads"}
    | {
        f"engine.{name}"
        for name in (
            "device",
            "torch_threads",
            "prefetch",
            "tensorboard",
            "log_every",
            "val_every",
            "checkpoint_every",
            "max_bad_share",
        )
    }
)
"""Settings that may change when any run is resumed: where and how it runs, on the same clips in the same order."""

BUDGETS = ("steps", "epochs", "hours")
"""Settings of which a run has one."""


@dataclass(frozen=True)
class EngineConfig(SupervisedConfig, LoopConfig):
    """How the loop runs, and what the supervised loss does with labels: the table [engine] of recipes."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        SupervisedConfig.__post_init__(self)
        LoopConfig.__post_init__(self)


@dataclass(frozen=True)
class PretrainConfig:
    """A pre-training run, completely."""

    arch: Annotated[str, tyro.conf.arg(aliases=("--model",))] = "r3d_18"
    """The network: see --list."""
    init: str | None = None
    """Weights to start from, all but the head: fractal-small (comes with the program), kinetics or imagenet
    (torchvision's), weights of an earlier run, or any file, or folder of a hub's, with the tensors of this network by
    name. Without it, fresh ones from --seed."""
    kind: KindName | None = None
    """What the classes are of: fractals (ifs) if not given, or a rival of theirs. With --bank, the bank's own kind."""
    classes: int | None = None
    """How many classes to invent; 1000 if not given. With --bank, the bank's own number."""
    bank: Path | None = None
    """Classes from `fractalvid classes`, instead of inventing them from --seed."""
    data: Path | None = None
    """Clips of a generated set on disk (`fractalvid generate`) and its classes, instead of the stream's."""
    videos: Path | None = None
    """Your own videos, in one folder or in a folder a class, instead of fractals or, with --mix, beside them."""
    mix: float | None = None
    """Share of --videos among the clips, above 0 and below 1; all clips if not given."""
    max_pixels: int = MAX_PIXELS
    """Pixels that a frame of --videos may have; 8K has 33 to 36 million."""
    isolate: bool = False
    """Decode --videos in child processes: one that crashes, hangs or fills the decoder counts as broken."""
    found: Annotated[str | None, tyro.conf.Suppress] = None
    """What --data and --videos held when the run began, as a digest: a run goes on with the same."""
    extended_at: Annotated[tuple[int, ...] | None, tyro.conf.Suppress] = None
    """Steps after which a resumed run was given another budget."""
    seed: int = 0
    """Determines classes, clips, their order and the initial weights."""
    batch_size: int = 32
    """Clips a step, of all processes together."""
    epoch_clips: int | None = None
    """Clips an epoch, for --epochs; by default those of --data, or every class once with each of --instances or one."""
    instances: int | None = None
    """Instances of each class to train on; without it every round brings new ones."""
    val_clips: int = 1000
    """Held-out instances of the same classes to validate on; 0 for no validation."""
    monitor: Annotated[MonitorConfig, tyro.conf.arg(name="")] = field(default_factory=MonitorConfig)
    """What else is measured at a validation."""
    threads: int | None = None
    """Threads that draw clips; the machine decides if not given."""
    render_on: Literal["cpu", "cuda"] = "cpu"
    """Where the stream's clips are drawn: cuda is the GPU that trains, by CuPy (see `fractalvid doctor`)."""
    curriculum: float | None = None
    """With --emulate: share of the run's clips after which it is at full strength, rising from nothing; by default 0.6.
    0 is all at once. A budget in time needs a number of clips instead, as in --emulate paper,samples=60000."""
    grow: tuple[str, ...] = ()
    """Sizes of clips to begin with, as FRAMESxPIXELS (4x48 8x48), each for an equal part of the run; then come whole
    clips, for as long as one of these unless --grow-clips says otherwise. Steps on small clips cost less."""
    grow_clips: int | None = None
    """With --grow: clips of the run after which they are whole. A budget in time needs it."""
    objective: Annotated[ObjectiveConfig, tyro.conf.arg(name="")] = field(default_factory=ObjectiveConfig)
    """What the network is trained for."""
    stream: tyro.conf.OmitArgPrefixes[StreamConfig] = field(default_factory=StreamConfig)
    """The clips."""
    optim: tyro.conf.OmitArgPrefixes[OptimConfig] = field(default_factory=OptimConfig)
    """The optimiser."""
    engine: tyro.conf.OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    """The loop."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        for name, least in (
            ("classes", 1),
            ("seed", 0),
            ("batch_size", 2),
            ("epoch_clips", 1),
            ("grow_clips", 1),
            ("instances", 1),
            ("val_clips", 0),
            ("threads", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"{name.replace('_', '-')} is {value}; it must be at least {least}")
        if self.seed >= 2**64:
            raise UserError(f"seed is {self.seed}; it must be below 2^64")
        if self.mix is not None and not 0 < self.mix < 1:
            raise UserError(f"mix is {self.mix}; it must lie between 0 and 1")
        if self.curriculum is not None and not 0 <= self.curriculum <= 1:
            raise UserError(f"curriculum is {self.curriculum}; it must lie between 0 and 1")
        check_max_pixels(self.max_pixels)
        check_at_most(self, _MOST)

    def check(self) -> None:
        """Raise a `UserError` for values no run can use; what the bank, the stream and the machine refuse, they say."""
        check_clip(self.arch, self.stream.clip_len, self.stream.size)
        if self.classes is not None and self.classes < 2 and self.objective.name == "supervised":
            raise UserError(f"classes is {self.classes}; telling classes apart needs at least 2")
        if self.stream.channels != 3:
            raise UserError(f"channels is {self.stream.channels}; these networks take 3")
        self._check_source()
        self.objective.check(mixing=bool(self.engine.mixup or self.engine.cutmix))
        self.engine.check()
        self._check_debias()
        self._check_norms()
        self.check_growth()
        self.streamed()
        if self.stream.backgrounds is not None:
            from fractalvid.emulate.scene.pictures import list_pictures  # brings Pillow

            list_pictures(self.stream.backgrounds)

    def _check_source(self) -> None:
        """Raise a `UserError` for clips that exclude each other, or have not what the objective asks for."""
        given = [name for name in ("bank", "instances") if getattr(self, name) is not None]
        given += ["render-on"] if self.render_on != "cpu" else []
        if self.data is not None and given:
            raise UserError(f"{given[0]} belongs to the stream, --data has its own: leave one of them out")
        if self.videos is None:
            if self.mix is not None:
                raise UserError(f"mix is {self.mix}, the share of one's own videos: say which, by --videos")
            return
        if self.mix is None and self.objective.name == "supervised":
            raise UserError(
                "labels of one's own videos alone are what finetune is for: give --mix, or train without labels, as by "
                "--objective moco"
            )
        if self.objective.auxiliary:
            name = next(iter(self.objective.auxiliary))
            raise UserError(f"aux-{name} asks for what --videos do not have: leave one of them out")
        unused = {
            "data": self.data,
            "instances": self.instances,
            "emulate": self.stream.emulate,
            "colour": self.stream.colour,
        }
        given = [name for name, value in unused.items() if value is not None]
        given += ["render-on"] if self.render_on != "cpu" else []
        if self.mix is None and given:
            raise UserError(
                f"{given[0]} belongs to fractals, and --videos without --mix are all there is: leave it out"
            )

    def _check_debias(self) -> None:
        """Raise a `UserError` where there are no scenes to debias from, or they are not known."""
        if not self.objective.debias:
            return
        emulate = self.stream.emulate
        if emulate is None or not (emulate.background.p or emulate.scene.p):
            raise UserError(
                "debias is about what stands behind clips: add --emulate paper, or another with backgrounds"
            )
        other = {"data": self.data, "videos": self.videos, "grow": self.grow or None}
        given = [name for name, value in other.items() if value is not None]
        given += ["render-on"] if self.render_on != "cpu" else []
        if given:
            raise UserError(f"debias is for the stream's whole clips, drawn on the CPU: leave out --{given[0]}")

    def _check_norms(self) -> None:
        """Raise a `UserError` for clips that BatchNorm can't take so."""
        part, groups = self.part(), self.objective.moco.bn_groups or 1
        check_norms(self.batch_size, part)
        if part % groups or part < 2 * groups:
            raise UserError(
                f"moco.bn-groups is {groups}; each process takes {part} clips at a time, which have to be that many "
                "groups of equal size, of at least 2"
            )
        if self.engine.sync_bn and self.objective.name == "moco":
            raise UserError(
                "sync-bn normalises queries and keys by the same clips, which tells --objective moco which belong "
                "together: leave it out"
            )

    def training(self) -> TrainConfig:
        """What the engine takes of it."""
        return TrainConfig(
            loop=self.engine,
            optim=self.optim,
            batch_size=self.batch_size,
            seed=self.seed,
            epoch_clips=self.an_epoch(),
        )

    def part(self) -> int:
        """Clips that one process takes at a time."""
        return self.engine.part(self.batch_size)

    def an_epoch(self) -> int:
        """Clips an epoch: all of a folder; else each class once with each instance, or once with no end of these.

        Of a mixture, so many that those other than one's own videos are that.
        """
        if self.epoch_clips:
            return self.epoch_clips
        if self.videos is not None and self.mix is None:
            return len(list_videos(self.videos).videos)
        each = (self.classes or DEFAULT_CLASSES) * (self.instances or 1)
        return round((each if self.data is None else stored_clips(self.data)) / self._drawn())

    def stages(self) -> list[Stage]:
        """The sizes that clips have before they are whole; raises as `parse_stages` does."""
        return parse_stages(self.grow)

    def growth(self) -> int:
        """Clips after which they are whole, in whole steps; 0 where nothing grows, or nothing tells."""
        if not self.grow:
            return 0
        if self.grow_clips is not None:
            return self.grow_clips // self.batch_size * self.batch_size
        return (self._steps() or 0) * len(self.grow) // (len(self.grow) + 1) * self.batch_size

    def cost(self) -> float:
        """Pixels of the run's clips, of those that it had if all were whole."""
        steps = self._steps() if self.grow else None
        if steps is None:
            return 1.0
        small = [stage.cost(self.stream) for stage in self.stages()]
        return 1 - self.growth() / (steps * self.batch_size) * (1 - sum(small) / len(small))

    def _steps(self) -> int | None:
        """Steps of the run, None where its budget is in time."""
        return self.engine.budget(self.batch_size, self.an_epoch()).total

    def check_growth(self) -> None:
        """Raise a `UserError` for clips that the network can't take, or that would never be whole.

        How many clips a run has may follow from the classes of a bank: then the latter shows once these are known.
        """
        for stage in self.stages():
            check_clip(self.arch, stage.frames, stage.size)
        known = self.bank is None or self.classes is not None
        steps = self._steps() if self.grow and known else None
        if steps is not None and self.growth() >= steps * self.batch_size:
            raise UserError(
                f"grow-clips is {self.grow_clips}, and the run has {steps * self.batch_size} clips, which would never "
                "be whole: give fewer"
            )

    def free(self) -> frozenset[str]:
        """Settings that may change when this run is resumed.

        With labels, a step may be taken in other parts. As with another number of processes, BatchNorm and mixup then
        see other clips together, and nothing else changes. Without labels it may not: SimCLR tells clips from those of
        their part, and the parts' BatchNorm makes MoCo's keys and BYOL's targets.
        """
        return FREE if self.objective.views == 2 else FREE | {"engine.accumulate"}

    def _drawn(self) -> float:
        """Share of the clips that are not one's own videos."""
        return 1 - (self.mix or 0.0)

    def streamed(self) -> StreamConfig:
        """The clips, with the curriculum of their emulation worked out from the budget.

        Raises:
            UserError: a curriculum that is no share, or cannot be worked out.
        """
        emulate = self.stream.emulate
        share = CURRICULUM if self.curriculum is None else self.curriculum
        if emulate is None or emulate.curriculum.samples is not None:
            return self.stream
        steps = self._steps()
        if steps is None and share > 0:
            raise UserError(
                "a budget in time doesn't tell after how many clips emulation is to be at full strength: say so, as in "
                "--emulate paper,samples=60000, or give --steps"
            )
        samples = round(share * (steps or 0) * self.batch_size * self._drawn())
        curriculum = dataclasses.replace(emulate.curriculum, samples=samples)
        return dataclasses.replace(self.stream, emulate=dataclasses.replace(emulate, curriculum=curriculum))


def kept_config(out: Path) -> PretrainConfig:
    """The configuration that the run in `out` began with.

    Raises:
        UserError: there is no run, or its `config.json` is damaged.
    """
    return override(PretrainConfig(), read_config(out), where=f"{out}/{CONFIG}")
