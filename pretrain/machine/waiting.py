"""How torch's threads wait for each other on a CPU: asleep."""

import os


def wait_asleep() -> None:
    """Have torch's threads sleep while they wait for each other, unless the user's environment says otherwise.

    By themselves they wait in busy loops, at every operation, and take the cores from the threads that draw and decode
    clips and from whatever else computes (benchmarks/results/cpu_training.md). OpenMP reads this once, so that it has
    to be said before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
