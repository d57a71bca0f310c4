"""All that is asked for of some samples."""

from typing import cast

import numpy as np

from fractalvid.core.bank import Bank
from fractalvid.fractals.bank import ClassBank
from fractalvid.truth.behind import LEAST, flow_behind, front_layers
from fractalvid.truth.camera import camera_parameters
from fractalvid.truth.cells import Cells, into_cells, mean_motion
from fractalvid.truth.known import FIGURE, UNKNOWN, Array, Truth, TruthName, cells
from fractalvid.truth.layout import Layout
from fractalvid.truth.points import follow_points, in_frame


def find_truth(
    bank: Bank, layout: Layout, wanted: tuple[TruthName, ...], size: int, *, threads: int | None = None
) -> Truth:
    """What is `wanted` of samples: a pure function of the bank and of where their layers are.

    Args:
        bank: the classes, which `check_truth` has seen.
        layout: of B samples.
        wanted: what is asked for.
        size: of the frames, in pixels.
        threads: at most this many.
    """
    found: dict[str, Array] = {}
    if "camera" in wanted:
        found["camera"] = camera_parameters(layout)
    if set(wanted) - {"camera"}:
        fractals = cast(ClassBank, bank)
        points, followed = follow_points(fractals, layout.fit, layout.times, threads=threads)
        x, y = in_frame(fractals, layout.fit, points, layout.figures)
        if "motion" in wanted:
            found["motion"], found["moving"] = mean_motion(x, y, followed, layout.clip, len(layout))
        if "flow" in wanted or "order" in wanted:
            found |= _of_cells(layout, into_cells(x, y, followed, layout.clip, len(layout), cells(size)), wanted)
    return Truth(**found)


def _of_cells(layout: Layout, figures: Cells, wanted: tuple[TruthName, ...]) -> dict[str, Array]:
    """Flow and order. The flow of a cell is that of what is in front there."""
    front = front_layers(layout, figures.count)
    found: dict[str, Array] = {"front": front} if "order" in wanted else {}
    if "flow" in wanted:
        flow, known = flow_behind(layout, front)
        figure = front[:, :-1] == FIGURE
        found["flow"] = np.where(figure[:, None], figures.flow, flow).astype(np.float32)
        found["flow_known"] = np.where(figure, figures.moved >= LEAST, known & (front[:, :-1] != UNKNOWN))
        found["flow"][~np.repeat(found["flow_known"][:, None], 2, axis=1)] = 0
    return found
