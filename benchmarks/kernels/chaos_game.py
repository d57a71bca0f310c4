"""Speed of the CPU kernel for every variation, and how exact its points are: one without the other says nothing.

Rendering (box filter and tone map included) at 256², 934,400 points a frame, 5 maps, parameters at two thirds of their
ranges. Exactness is the L1 distance of a histogram to that of a 20 times longer run, beside the same for independent
choice of maps (the reference backend): for the reference method's mix and some that draw or take parameters. Beside the
former stands `plain_loop`, measured in the same run.

Results are kept by processor: those of others stay, and so do rows of this one that were not measured anew.

    python -m benchmarks.kernels.chaos_game                          # all of it, about ten minutes
    python -m benchmarks.kernels.chaos_game --runs 3 julian swirl    # some, printed only
    python -m benchmarks.kernels.chaos_game --keep julian swirl      # some, and kept among the results
"""

import datetime
import json
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, command_line, machine, spread, timed
from benchmarks.kernels.plain_loop import seconds_of
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.mix import PAPER_VARIATIONS
from fractalvid.kernels import Jobs, accumulate, render
from fractalvid.kernels.variations import MAX_PARAMS, VARIATIONS, by_name

SIZE, POINTS, FRAMES, RUNS, PLAIN_RUNS = 256, 934_400, 16, 9, 3
Row = dict[str, Any]
"""Figures of a variation by name: times as minimum, median and maximum, distances as numbers."""
PAPER = ("linear", *PAPER_VARIATIONS)
LIMITS = {"linear": 0.45} | dict.fromkeys(PAPER_VARIATIONS, 1.0)
EXACT = (*PAPER, "spherical", "julia", "julian", "radial_blur", "ngon")
SUM, BY_MAP = "sum of julia, swirl, pdj", "horseshoe, bent, julia, swirl, pdj, one a map"
MIXES: dict[str, list[tuple[str, ...]]] = {
    SUM: [("julia", "swirl", "pdj")] * 5,
    BY_MAP: [(n,) for n in ("horseshoe", "bent", "julia", "swirl", "pdj")],
}

HEADER = [
    "variation",
    "ns a point, one thread",
    "ns wall a point, all cores (median)",
    "min to max",
    "wanted",
    "a plain loop",
    "times as fast",
    "L1 to a 20 x run",
    "of independent choice",
]


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


def jobs_of(name: str, num_maps: int, seeds: np.ndarray) -> Jobs:
    """Jobs of a system of that many maps with one variation, or with one of MIXES."""
    maps, weights = system(num_maps, seed=1)
    chosen = MIXES.get(name, [(name,)] * num_maps)
    number = np.array([[by_name(n).number for n in row] for row in chosen], np.int32)
    amount = np.full(number.shape, 1 / number.shape[1], np.float32)
    params = np.zeros((*number.shape, MAX_PARAMS), np.float32)
    for place, own in np.ndenumerate(number):
        for p, param in enumerate(VARIATIONS[int(own)].params):
            value = (param.low + 2 * param.high) / 3
            params[(*place, p)] = round(value) if param.kind == "integer" else value
    return Jobs.of(
        [maps] * len(seeds),
        [weights],
        variation=number[None],
        amount=amount[None],
        params=params[None],
        seed=seeds,
        projection=projection(),
    )


def exactness(name: str, num_maps: int) -> tuple[float, float]:
    """Mean L1 to a 20 times longer run, of the fast kernel and of independent choice."""
    truth = accumulate(jobs_of(name, num_maps, np.array([1000])), size=SIZE, points=20 * POINTS).counts[0]
    fast = accumulate(jobs_of(name, num_maps, np.arange(4)), size=SIZE, points=POINTS).counts
    one = jobs_of(name, num_maps, np.array([7]))
    slow = accumulate(one, size=SIZE, points=POINTS, backend="reference").counts[0]
    return float(np.mean([distance(c, truth) for c in fast])), distance(slow, truth)


def nanoseconds(name: str, runs: int, threads: int | None) -> dict[str, float]:
    """Wall time a point."""
    jobs = jobs_of(name, 5, np.arange(FRAMES))
    exposure = np.tile(np.array([64, 30], np.float32), (FRAMES, 1))
    seconds = timed(lambda: render(jobs, size=SIZE, points=POINTS, exposure=exposure, threads=threads), runs)
    return spread([s / (FRAMES * POINTS) * 1e9 for s in seconds])


def plain_nanoseconds(name: str) -> dict[str, float]:
    """The same of `benchmarks.kernels.plain_loop`, on all cores."""
    seconds = seconds_of(name, jobs_of(name, 5, np.arange(FRAMES)), size=SIZE, points=POINTS, runs=PLAIN_RUNS)
    return spread([s / (FRAMES * POINTS) * 1e9 for s in seconds])


def measure(name: str, runs: int) -> Row:
    """What is known of a variation after measuring it."""
    row: Row = {"ns_a_point": nanoseconds(name, runs, None), "ns_a_point_one_thread": nanoseconds(name, runs, 1)}
    if name in PAPER:
        row["ns_a_point_plain_loop"] = plain_nanoseconds(name)
    if name in EXACT:
        row["l1"], row["l1_independent"] = exactness(name, 5)
    return row


def line(name: str, row: Row) -> list[str]:
    """A row as the table shows it; what was not measured is left empty."""
    cores, plain = row["ns_a_point"], row.get("ns_a_point_plain_loop")
    return [
        name,
        f"{row['ns_a_point_one_thread']['median']:.2f}",
        f"{cores['median']:.2f}",
        f"{cores['min']:.2f} to {cores['max']:.2f}",
        "" if name in MIXES else f"{LIMITS.get(name, 4.0):.2f}",
        "" if plain is None else f"{plain['median']:.1f}",
        "" if plain is None else f"{plain['median'] / cores['median']:.1f}",
        f"{row['l1']:.4f}" if "l1" in row else "",
        f"{row['l1_independent']:.4f}" if "l1_independent" in row else "",
    ]


def merged(before: dict[str, Any], rows: dict[str, Row], maps: dict[str, Row], about: dict[str, Any]) -> dict[str, Any]:
    """Results by processor, those of this one in the first place and new where they were measured anew."""
    processor = about["processor"]
    own = before.get(processor, {"rows": {}, "maps": {}})
    order = [name for name in (*(row.name for row in VARIATIONS.values()), *MIXES) if name in own["rows"] | rows]
    own = {
        "machine": about,
        "measured": datetime.date.today().isoformat(),
        "rows": {name: (own["rows"] | rows)[name] for name in order},
        "maps": own["maps"] | maps,
        "findings": own.get("findings", []),
    }
    return before | {processor: own}


def page(results: dict[str, Any]) -> str:
    """A table a processor, as Markdown."""
    lines = ["# The CPU kernel", "", "`python -m benchmarks.kernels.chaos_game`, run on each processor by itself"]
    for processor, own in results.items():
        lines += ["", f"## {processor}, measured {own['measured']}", ""]
        lines += ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
        lines += ["| " + " | ".join(line(name, row)) + " |" for name, row in own["rows"].items()]
        if own["maps"]:
            numbers = (f"{n} maps {m['l1']:.4f} and {m['l1_independent']:.4f}" for n, m in own["maps"].items())
            about = "Linear with other numbers of maps, L1 of the kernel and of independent choice: "
            lines += ["", about + "; ".join(numbers) + "."]
        for finding in own.get("findings", []):
            lines += ["", finding]
        lines += ["", "Measured on: " + ", ".join(f"{k} {v}" for k, v in own["machine"].items()) + "."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write what was measured among the results of this processor."""
    parser = command_line(__doc__)
    parser.add_argument("names", nargs="*", help="variations; by default all")
    parser.add_argument("--runs", type=int, default=RUNS, help="timed repetitions of each")
    parser.add_argument("--keep", action="store_true", help="keep what was measured among the results")
    arguments = parser.parse_args()
    about, rows = machine(), {}
    for name in arguments.names or [*(row.name for row in VARIATIONS.values()), *MIXES]:
        rows[name] = measure(name, arguments.runs)
        print(" | ".join(line(name, rows[name])), flush=True)
    if arguments.names and not arguments.keep:
        return
    exact = {} if arguments.names else {str(n): exactness("linear", n) for n in (3, 8)}
    maps: dict[str, Row] = {n: {"l1": a, "l1_independent": b} for n, (a, b) in exact.items()}
    kept = RESULTS / "kernel.json"
    results = merged(json.loads(kept.read_text(encoding="utf-8")), rows, maps, about)
    kept.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    kept.with_suffix(".md").write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
