"""Kinds of synthetic classes, all used in the same way: one table of what samples, loads, fits and renders each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fractalvid.core.bank import Bank, Fit, Size, bank_kind, check_bank, check_clip_ids, check_times
from fractalvid.core.camera import check_camera
from fractalvid.core.colour import ColourConfig
from fractalvid.core.constants import MAX_CLIP_FRAMES, MAX_POINTS, PAPER_POINTS, PAPER_SIZE
from fractalvid.fractals import ClassBank, ClassConfig, fit_fractals, render_fractals
from fractalvid.kernels import MAX_PIXELS
from fractalvid.textures import TEXTURE_BANKS, TextureBank, fit_textures, render_textures
from fractalvid.utils.checks import check_count, check_instance, check_integer, is_whole
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Kind:
    """A kind of classes.

    Attributes:
        name: what banks and commands call it.
        config: the frozen dataclass its classes are drawn from; called without arguments it gives the defaults.
        sample: (num_classes, seed=, config=) -> bank.
        load: (path) -> bank.
        fit: (bank, class_id, instance_id, threads=) -> fit.
        render: (bank, fit, times, size=, points=, exposure=, camera=, colour=, threads=) -> uint8 (B, F, H, W), or
            (B, F, H, W, 3) in colour, with a channel above 0 exactly where the grey is.
        motion: the bank's arrays that say how its classes move; the others say what they look like.
        endless: its pictures cover the plane: as a figure they end at their view, as their stored clips do.
    """

    name: str
    config: Callable[[], Any]
    sample: Callable[..., Bank]
    load: Callable[[str | Path], Bank]
    fit: Callable[..., Fit]
    render: Callable[..., NDArray[np.uint8]]
    motion: tuple[str, ...]
    endless: bool


def _texture(bank: type[TextureBank]) -> Kind:
    """The row of a kind of textures."""
    return Kind(
        name=bank.kind,
        config=bank.config_type,
        sample=bank.sample,
        load=bank.load,
        fit=fit_textures,
        render=render_textures,
        motion=bank.motion,
        endless=bank.endless,
    )


_FRACTALS = Kind(
    name="ifs",
    config=ClassConfig,
    sample=ClassBank.sample,
    load=ClassBank.load,
    fit=fit_fractals,
    render=render_fractals,
    motion=("curve", "curve_kind"),
    endless=False,
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (_FRACTALS, *map(_texture, TEXTURE_BANKS))}


def register_kind(bank: type[TextureBank]) -> None:
    """Make a kind of one's own known, so that it can be sampled, streamed, stored and read like all others.

    Worker processes know it where the module that calls this is imported by them, too. Commands take only what
    this package brings.

    Args:
        bank: its banks' class, a dataclass.

    Raises:
        UserError: another kind has that name.
    """
    if KINDS.get(bank.kind, _texture(bank)) != _texture(bank):
        raise UserError(f"there is a kind named {bank.kind!r} already: choose another name")
    KINDS[bank.kind] = _texture(bank)


def kind_named(name: str) -> Kind:
    """The row of that name.

    Raises:
        UserError: there is none.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise UserError(f"unknown kind {name!r}; one of: {', '.join(KINDS)}")
    return KINDS[name]


def sample_bank(num_classes: int, *, kind: str = "ifs", seed: int = 0, config: Any = None) -> Bank:
    """Draw a bank.

    Args:
        num_classes: K, 1 to 1,000,000.
        kind: what its clips show, a key of `KINDS`: "ifs" for fractals, "shapes", "perlin", "octopus", "dead_leaves".
        seed: 0..2⁶⁴-1; classes 0..K-1 of it are drawn.
        config: the kind's configuration, such as `ClassConfig` for fractals; its defaults where None.

    Raises:
        UserError: an unknown kind, or numbers that no bank can be drawn with.
    """
    return kind_named(kind).sample(num_classes, seed=seed, config=config)


def load_bank(path: str | Path) -> Bank:
    """Read a bank of any kind.

    Raises:
        UserError: no such file, not a bank, one of another version, or of a kind that is not known here.
    """
    name = bank_kind(path)
    if name not in KINDS:
        raise UserError(
            f"{path} holds classes of kind {name!r}, which is not known here: from Python, import the module that "
            f"registers it first; commands know {', '.join(KINDS)}"
        )
    return KINDS[name].load(path)


def fit_clips(bank: Bank, class_id: ArrayLike, instance_id: ArrayLike, *, threads: int | None = None) -> Fit:
    """Draw instances (B,) of classes (B,) and find what their clips need. A pure function of the bank and the ids.

    Raises:
        UserError: no clips, classes that the bank does not have, instances beyond 2³²-1, or no threads.
    """
    check_bank(bank)
    check_clip_ids(bank, class_id, instance_id)
    one, other = np.shape(class_id), np.shape(instance_id)
    lengths = {int(np.prod(shape)) for shape in (one, other)} - {1}
    if max(len(one), len(other)) > 1 or len(lengths) > 1 or 0 in lengths:
        raise UserError(f"class_id and instance_id must be (B,), as many, at least one, got shapes {one} and {other}")
    check_count("threads", threads)
    return KINDS[bank.kind].fit(bank, class_id, instance_id, threads=threads)


def render_fits(
    bank: Bank,
    fit: Fit,
    times: ArrayLike,
    *,
    size: Size,
    points: int = PAPER_POINTS,
    exposure: str = "density",
    camera: NDArray[np.floating] | None = None,
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """Render B fitted clips at times (B, F) in native frames: uint8 (B, F, H, W), or (B, F, H, W, 3) in colour.

    Args:
        bank: the classes.
        fit: of `fit_clips`.
        times: (B, F), or (1, F) for all clips, real numbers in [0, T - 1].
        size: H and W in pixels.
        points: points of the chaos game a frame, for the kinds that play one.
        exposure: "density" or "max", likewise.
        camera: (B, 3, 3) or (B, F, 3, 3), takes pixels of the whole view to pixels of the frame (crop, flip, motion);
            what it shows is drawn under it, nothing is resampled.
        colour: how to colour them; grey where None.
        threads: at most this many, by default all cores.

    Raises:
        UserError: times that a clip does not have, no pixels or too many, no points or too many, a camera without an
            inverse or of another shape, or no threads.
    """
    check_clip_ids(bank, fit.class_id, 0)  # of a fit by another bank
    at = check_times(times, bank.native_frames[fit.class_id])
    at = np.broadcast_to(at, (len(fit), at.shape[1])).copy()
    frame = _frame_size(size)
    if camera is not None:
        camera = check_camera(camera, len(at), at.shape[1], frame)
    check_integer("points", points, 1, MAX_POINTS)
    check_count("threads", threads)
    if colour is not None:
        check_instance("colour", colour, ColourConfig)
    if not at.size:
        return np.zeros((*at.shape, *frame, *([] if colour is None else [3])), np.uint8)
    return KINDS[bank.kind].render(
        bank,
        fit,
        at,
        size=frame,
        points=points,
        exposure=exposure,
        camera=camera,
        colour=colour,
        threads=threads,
    )


def render_clip(
    bank: Bank,
    class_id: int,
    instance_id: int,
    *,
    size: Size = PAPER_SIZE,
    frames: int | None = None,
    points: int = PAPER_POINTS,
    exposure: str = "density",
    colour: ColourConfig | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """One clip, uint8 (T, H, W), or (T, H, W, 3) in colour.

    Args:
        bank: the classes.
        class_id: which class, 0..K-1.
        instance_id: which instance of it, 0..2³²-1; from 2³¹ up they are validation.
        size: H and W in pixels.
        frames: so many equidistant times of the clip; by default its T native ones.
        points: points of the chaos game a frame, for the kinds that play one.
        exposure: "density" (see `kernels.tone`) or "max", as in the reference method: the largest count is white.
        colour: how to colour it; grey where None.
        threads: at most this many, by default all cores.

    Raises:
        UserError: ids, a size, or numbers of frames, points or threads that no clip can have.
    """
    check_bank(bank)
    for name, number in (("class_id", class_id), ("instance_id", instance_id)):
        if not is_whole(number):
            raise UserError(f"{name} must be a whole number, got {number!r}")
    check_clip_ids(bank, class_id, instance_id)
    times = clip_times(bank, class_id, frames)
    fit = fit_clips(bank, [class_id], [instance_id], threads=threads)
    clips = render_fits(
        bank, fit, times[None], size=size, points=points, exposure=exposure, colour=colour, threads=threads
    )
    return np.asarray(clips[0])


def clip_times(bank: Bank, class_id: int, frames: int | None) -> NDArray[np.float64]:
    """The (F,) times in native frames that `frames` asks for; one frame is the middle of the clip."""
    native = int(bank.native_frames[class_id])
    if frames is None:
        return np.arange(native).astype(np.float64)
    check_integer("frames", frames, 1, MAX_CLIP_FRAMES)
    return np.linspace(0, native - 1, frames) if frames > 1 else np.array([(native - 1) / 2])


def _frame_size(size: Size) -> tuple[int, int]:
    """H and W of a size.

    Raises:
        UserError: it is none that a frame can have.
    """
    both = size if isinstance(size, tuple | list) else (size, size)
    whole = len(both) == 2 and all(is_whole(side) and side >= 1 for side in both)
    if not whole or both[0] * both[1] > MAX_PIXELS:
        raise UserError(f"size must be whole numbers of pixels from 1 up, {MAX_PIXELS} in all at most, got {size!r}")
    return int(both[0]), int(both[1])
