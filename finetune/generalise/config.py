"""How a network learns in one domain with another in mind: every option."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from fractalvid.finetune.clips.config import AugmentConfig, Sampling
from fractalvid.finetune.recipes.recipe import Normalise, Recipe
from fractalvid.pretrain.machine import PrecisionName
from fractalvid.pretrain.models import architecture
from fractalvid.pretrain.recipes import load
from fractalvid.utils.checks import MAX_COUNT, check_at_most, check_fields
from fractalvid.utils.errors import UserError

MethodName = Literal["plain", "random", "search", "explain", "pseudo", "rada"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)
StudyName = Literal["gifs", "ava"]

RECIPES = Path(__file__).parent / "studies"
"""The benchmark's studies, a TOML file each."""

AS_THEY_ARE = AugmentConfig((1.0, 1.0), (1.0, 1.0), flip=0.0, blur=0.0, operations=0)
"""Clips as the benchmark trains on them: the square in the middle, and no other change."""
_LEAST = {
    **dict.fromkeys(("steps", "every", "rounds", "ascents"), 1),
    **{"batch_size": 2, "clips_per_class": 1, "clip_len": 1, "frame_stride": 1, "size": 16, "views": 1},
}
_MOST = dict.fromkeys(_LEAST, MAX_COUNT) | {"lr": 1e30, "ascent_rate": 1e30, "penalty": 1e30, "consistency": 1e30}


@dataclass(frozen=True)
class GeneraliseRecipe:
    """How to train in the source; the defaults are those of the Ani-GIFs benchmark where it says them."""

    study: StudyName | None = None
    """Whose published table to print: gifs (Kinetics-GIFs to Ani-GIFs) or ava (AVA-Kinetics to Ani-GIFs)."""
    steps: int = 600
    """Steps to train."""
    batch_size: int = 8
    """Clips of the source a step."""
    lr: float = 1e-4
    """Learning rate of Adam, the same in all steps."""
    every: int = 200
    """Steps from one search, look, classification or perturbation to the next; the first comes after so many."""
    rounds: int = 50
    """search: tuples that a search looks at."""
    threshold: float = 0.9
    """pseudo: probability from which a clip of the target counts as of its most probable class."""
    ascents: int = 5
    """rada: gradient steps that perturb a batch."""
    ascent_rate: float = 0.05
    """rada: largest change of a normalised value in one of them."""
    penalty: float = 1.0
    """rada: weight of the squared distance that features may move."""
    consistency: float = 1.0
    """rada: weight of the divergence between the answers to perturbed clips and to the clips as they were."""
    clips_per_class: int | None = None
    """Balance the source: so many clips of each class, drawn by the seed; default all."""
    model: Annotated[str | None, tyro.conf.arg(aliases=("--arch",))] = None
    """Network; default that of the weights, else r3d_18."""
    clip_len: int | None = None
    """Frames of a clip; default that of the weights, else the target's."""
    sampling: Sampling = "segments"
    """segments: frames at equal spacing over the whole video, as in the benchmark; window: --frame-stride apart."""
    frame_stride: int | None = None
    """window: frames from one frame of a clip to the next."""
    size: int | None = None
    """Rows and columns of a frame; default that of the weights, else 112."""
    normalise: Normalise | None = None
    """Mean and deviation of inputs, as for finetune; default the weights', else kinetics."""
    views: int = 1
    """Clips of a test video."""
    augment: AugmentConfig = AS_THEY_ARE
    """Crop, flip and colours of training clips, before the method; default the square in the middle."""
    precision: PrecisionName = "auto"
    """Arithmetic, as for finetune."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        if self.model is not None:
            architecture(self.model)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"--{name.replace('_', '-')} is {value}: it must be at least {least}")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold:g}: it is a probability, 0 (accepts all) to 1")
        if not self.lr > 0:
            raise UserError(f"--lr is {self.lr}: it must be above 0")
        for name in ("ascent_rate", "penalty", "consistency"):
            if not getattr(self, name) >= 0:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}: it must be 0 or more")
        check_at_most(self, _MOST)

    def transfer(self) -> Recipe:
        """What of it a recipe of `finetune` says as well: clips, network and views."""
        return Recipe(
            epochs=1,
            batch_size=self.batch_size,
            warmup_epochs=0.0,
            model=self.model,
            clip_len=self.clip_len,
            frame_stride=self.frame_stride,
            size=self.size,
            sampling=self.sampling,
            normalise=self.normalise,
            views=self.views,
            crops=1,
            augment=self.augment,
            precision=self.precision,
        )


def load_generalise_recipe(name: str) -> GeneraliseRecipe:
    """The recipe that a name or the path of a .toml file means.

    Raises:
        UserError: there is none, or it has settings that there are not.
    """
    return load.load_recipe(name, GeneraliseRecipe(), RECIPES)
