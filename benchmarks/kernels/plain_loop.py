"""A chaos game as it is commonly written, to compare with: one walker a frame, one point after another.

A map is chosen by cumulated weights, moved by its affine map and its variation, in double precision by the same
formulas, and counted; frames go to as many threads as there are cores. Compiled by Numba with its fastest flags,
whose random numbers are of each thread's own generator, not NumPy's.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.common import part_of, timed
from fractalvid.kernels import Jobs
from fractalvid.kernels.compiled import available_cores
from fractalvid.kernels.variations import by_name

_SOURCE = """\
def play(maps, weights, params, projection, seed, points, counts):
    np.random.seed(seed)
    edges = np.cumsum(weights)
    x, y = np.random.uniform(-1.0, 1.0), np.random.uniform(-1.0, 1.0)
    height, width = counts.shape
    for step in range(points + 20):
        chosen = min(np.searchsorted(edges, np.random.random()), len(edges) - 1)
        a, b, c, d, e, f = maps[chosen]
        x, y = function(np.float32(a * x + b * y + c), np.float32(d * x + e * y + f){values})
        u = projection[0, 0] * x + projection[0, 1] * y + projection[0, 2]
        v = projection[1, 0] * x + projection[1, 1] * y + projection[1, 2]
        if step >= 20 and 0 <= u < width and 0 <= v < height:
            counts[int(v), int(u)] += 1
"""


def plain_loop(name: str) -> Callable[..., None]:
    """The compiled loop of a variation that draws nothing; see the source for what it takes."""
    row = by_name(name)
    values = "".join(
        f", params[{int(k[1:]) - 1}]" if k.startswith("p") else f", np.float32({k})" for k in row.arguments
    )
    namespace: dict[str, Any] = {"np": np, "function": row.function}
    exec(_SOURCE.format(values=values), namespace)
    compiled: Callable[..., None] = njit(nogil=True, fastmath=True, error_model="numpy")(namespace["play"])
    return compiled


def render_plainly(loop: Callable[..., None], jobs: Jobs, size: int, points: int, threads: int) -> NDArray[np.uint32]:
    """Counts uint32 (J, H, W) of jobs that differ in their seeds."""
    counts = np.zeros((len(jobs), size, size), np.uint32)

    def play(j: int) -> None:
        loop(jobs.maps[j], jobs.weights[j], jobs.params[j, 0, 0], jobs.projection[j], j, points, counts[j])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(play, range(len(jobs))))
    return counts


def seconds_of(name: str, jobs: Jobs, *, size: int, points: int, runs: int, threads: int | None = None) -> list[float]:
    """Wall time of some frames of one variation on so many threads, by default all cores, of so many runs."""
    loop, most = plain_loop(name), threads or available_cores()
    return timed(lambda: render_plainly(loop, jobs, size, points, most), runs)


def main() -> None:
    """Say whose part it is."""
    part_of("benchmarks.kernels.chaos_game", __doc__)


if __name__ == "__main__":
    main()
