"""Speed of the CPU kernel, and how exact its points are: one without the other says nothing.

Rendering (box filter and tone map included) at 256², 934,400 points a frame, 5 maps. Exactness is the L1 distance of a
histogram to that of a 20 times longer run, beside the same for independent choice of maps (the reference backend).
"""

import numpy as np

from benchmarks.common import spread, timed, write
from fractalvid.classes import ClassBank, ClassConfig
from kernels import Jobs, accumulate, render
from kernels.variations import VARIATIONS

SIZE, POINTS, FRAMES, RUNS = 256, 934_400, 16, 9
LIMITS = {"linear": 0.8, "cosine": 1.5, "popcorn": 2.0}


def system(num_maps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps and weights of a random system with that many maps, at rest."""
    config = ClassConfig(min_maps=num_maps, max_maps=num_maps, instance_scale=0, instance_offset=0)
    maps = ClassBank.sample(1, seed=seed, config=config).maps_at([0], [[0.0]])[0, 0, :num_maps]
    area = np.abs(maps[:, 0] * maps[:, 4] - maps[:, 1] * maps[:, 3])
    area = np.maximum(area, 0.01 * area.max())
    return maps, area / area.sum()


def projection(reach: float = 4.0) -> np.ndarray:
    """[-reach, reach]² to the frame."""
    scale = SIZE / (2 * reach)
    return np.array([[scale, 0, SIZE / 2], [0, scale, SIZE / 2], [0, 0, 1]], np.float32)


def distance(counts: np.ndarray, truth: np.ndarray) -> float:
    """L1 distance of two histograms as distributions."""
    return float(np.abs(counts / counts.sum() - truth / truth.sum()).sum())


def exactness(num_maps: int, variation: int) -> tuple[float, float]:
    """Mean L1 to a 20 times longer run, of the fast kernel and of independent choice."""
    maps, weights = system(num_maps, seed=1)
    jobs = Jobs.of([maps] * 4, [weights], seed=np.arange(4), variation=variation, projection=projection())
    long = Jobs.of([maps], [weights], seed=[1000], variation=variation, projection=projection())
    truth = accumulate(long, size=SIZE, points=20 * POINTS).counts[0]
    fast = accumulate(jobs, size=SIZE, points=POINTS).counts
    one = Jobs.of([maps], [weights], seed=[7], variation=variation, projection=projection())
    slow = accumulate(one, size=SIZE, points=POINTS, backend="reference").counts[0]
    return float(np.mean([distance(c, truth) for c in fast])), distance(slow, truth)


def main() -> None:
    """Measure and write."""
    rows, data = [], {}
    maps, weights = system(5, seed=1)
    for number, row in sorted(VARIATIONS.items()):
        jobs = Jobs.of([maps] * FRAMES, [weights], seed=np.arange(FRAMES), variation=number, projection=projection())
        exposure = np.tile(np.array([64, 30], np.float32), (FRAMES, 1))
        ns = [
            s / (FRAMES * POINTS) * 1e9
            for s in timed(lambda j=jobs, e=exposure: render(j, size=SIZE, points=POINTS, exposure=e), RUNS)  # type: ignore[misc]
        ]
        one = timed(lambda j=jobs, e=exposure: render(j, size=SIZE, points=POINTS, exposure=e, threads=1), RUNS)  # type: ignore[misc]
        core = spread([s / (FRAMES * POINTS) * 1e9 for s in one])
        fast, independent = exactness(5, number)
        data[row.name] = {
            "ns_a_point": spread(ns),
            "ns_a_point_one_thread": core,
            "l1": fast,
            "l1_independent": independent,
        }
        s = spread(ns)
        speed = [
            f"{core['median']:.2f}",
            f"{s['median']:.2f}",
            f"{s['min']:.2f} to {s['max']:.2f}",
            f"{LIMITS.get(row.name, 1.1):.1f}",
        ]
        rows.append([row.name, *speed, f"{fast:.4f}", f"{independent:.4f}"])
        print(rows[-1], flush=True)
    maps_table = {n: exactness(n, 0) for n in (3, 8)}
    notes = "Linear with other numbers of maps, L1 of the kernel and of independent choice: " + "; ".join(
        f"{n} maps {a:.4f} and {b:.4f}" for n, (a, b) in maps_table.items()
    )
    data["maps"] = {str(n): {"l1": a, "l1_independent": b} for n, (a, b) in maps_table.items()}
    header = [
        "variation",
        "ns a point, one thread",
        "ns wall a point, all cores (median)",
        "min to max",
        "wanted",
        "L1 to a 20 x run",
    ]
    write("kernel", "The CPU kernel", [*header, "of independent choice"], rows, data, notes + ".")


if __name__ == "__main__":
    main()
