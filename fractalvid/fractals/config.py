"""What classes and instances of fractals are drawn from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fractalvid.core.constants import MAX_FRAMES, MIN_FRAMES
from fractalvid.fractals.mix import PAPER_LINEAR_SHARE, PAPER_VARIATIONS, Mix, parse_mix
from fractalvid.utils.checks import MAX_SETTING, check_fields, check_integer, check_number, check_p
from fractalvid.utils.errors import UserError

MAX_MAPS = 8
MAX_ATTEMPTS = 255
"""Attempts have a byte of the counters that random numbers are drawn from (`fractalvid.core.seeds`)."""


@dataclass(frozen=True)
class ClassConfig:
    """What classes and instances are drawn from; defaults are the reference method's (Svyezhentsev et al. 2025).

    Attributes:
        motion: "paper" mixes linear, sharp, spline and periodic curves; "linear" moves every map evenly.
        interpolation: "decomposed" interpolates rotations, singular values and shifts one by one; "naive" interpolates
            the matrices, which collapses attractors in mid-clip and is kept for comparison.
        linear_share: share of classes without a non-linear variation.
        variations: names of the variations that the other classes take, equally often (`fractalvid.fractals.mix`); or
            text as --variations takes it ("all", "linear", "julia,swirl"), which says `linear_share`, too.
        max_summed: largest number of variations in a weighted sum, 1 to 3.
        per_map: whether each map of a class takes variations of its own.
        min_maps: fewest maps of a system, at least 2.
        max_maps: most maps of a system, at most 8.
        min_frames: fewest native frames of a clip, at least 18.
        max_frames: most native frames of a clip, at most 20.
        constant_shift: probability that the maps' shifts stay still.
        instance_scale: an instance multiplies coefficients by curves in [1 - this, 1 + this]; 0 leaves classes alone.
        instance_offset: an instance adds a constant in [-this, this] to each coefficient.
        max_rate: an instance is bounded only if its rate of growth at infinity is below this at every native time.
        radius: an instance is bounded only if enough of its orbit lies within this distance of the origin.
        inside: how large that part of the orbit has to be, 0 to 1.
        unbounded_inside: the same for variations that throw single points very far.
        attempts: how often an unbounded or broken instance is drawn again; after that, unbounded ones are damped.
        empty: a frame is nearly empty where the figure meets at most this share of a grid of 32² cells over the view.
        full: a frame is nearly full where the figure meets more than this share; an even field meets 0.63 of them.
        broken: a clip is broken if this share of its native frames is nearly empty, or nearly full.
        still: a clip is broken if, from a native time to the next, less than this share of its orbit changes cells on
            average.
        tail: share of an orbit that the view cuts off on each side, per axis and time.
        fence: for variations that throw single points very far, the view ends this many spans beyond the middle 80 %
            of the orbit.
        margin: the view is widened by this share of its extent on each side.
        equal_scales: whether the view keeps the aspect of the plane instead of filling the frame.
        rows: the coordinate of the plane that rows of pixels follow; "x" as in pictures of the reference method's code.
    """

    motion: Literal["paper", "linear"] = "paper"
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    linear_share: float = PAPER_LINEAR_SHARE
    variations: tuple[str, ...] = PAPER_VARIATIONS
    max_summed: int = 1
    per_map: bool = False
    min_maps: int = 3
    max_maps: int = 8
    min_frames: int = 18
    max_frames: int = 20
    constant_shift: float = 0.2
    instance_scale: float = 0.4
    instance_offset: float = 0.2
    max_rate: float = -0.1
    radius: float = 30.0
    inside: float = 0.975
    unbounded_inside: float = 0.75
    attempts: int = 8
    empty: float = 0.008
    full: float = 0.5
    broken: float = 0.8
    still: float = 0.01
    tail: float = 0.005
    fence: float = 0.4
    margin: float = 0.1
    equal_scales: bool = False
    rows: Literal["x", "y"] = "y"

    def __post_init__(self) -> None:
        """Refuse what no bank could be drawn from; read text that names a mix."""
        if isinstance(self.variations, str):
            self._read_mix(self.variations)
        check_fields(self)
        self._check_classes()
        self._check_instances()
        self._check_acceptance()
        self._check_view()

    def _read_mix(self, text: str) -> None:
        if self.linear_share != PAPER_LINEAR_SHARE:
            raise UserError(
                f"variations as text ({text!r}) says linear_share itself: leave linear_share out, or name variations "
                'in a tuple, as in variations=("julia", "swirl")'
            )
        variations, linear_share = parse_mix(text)
        object.__setattr__(self, "variations", variations)
        object.__setattr__(self, "linear_share", linear_share)

    def _check_classes(self) -> None:
        check_p("linear_share", self.linear_share)
        Mix(self.variations, self.max_summed, self.per_map)
        if not self.variations and self.linear_share < 1:
            raise UserError("variations names none, but linear_share is below 1: name some")
        check_integer("max_maps", self.max_maps, 2, MAX_MAPS)
        check_integer("min_maps", self.min_maps, 2, self.max_maps)
        check_integer("max_frames", self.max_frames, MIN_FRAMES, MAX_FRAMES)
        check_integer("min_frames", self.min_frames, MIN_FRAMES, self.max_frames)
        check_p("constant_shift", self.constant_shift)

    def _check_instances(self) -> None:
        check_number("instance_scale", self.instance_scale, 0, 1, below_high=True)
        check_number("instance_offset", self.instance_offset, 0, MAX_SETTING)

    def _check_acceptance(self) -> None:
        check_number("max_rate", self.max_rate, -MAX_SETTING, MAX_SETTING)
        check_number("radius", self.radius, 0, MAX_SETTING, above_low=True)
        for name in ("inside", "unbounded_inside", "empty", "full", "still"):
            check_p(name, getattr(self, name))
        check_number("broken", self.broken, 0, 1, above_low=True)
        check_integer("attempts", self.attempts, 0, MAX_ATTEMPTS)

    def _check_view(self) -> None:
        check_number("tail", self.tail, 0, 0.5, below_high=True)
        check_number("fence", self.fence, 0, MAX_SETTING)
        check_number("margin", self.margin, 0, MAX_SETTING)

    @cached_property
    def mix(self) -> Mix:
        """What the variations of the classes that are not linear are drawn from."""
        return Mix(self.variations, self.max_summed, self.per_map)
