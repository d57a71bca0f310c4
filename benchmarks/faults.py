"""Commands that are killed, and lose power, at many moments drawn at random: how many end as undisturbed runs do.

`--kills` kills, shared among generate (files, shards, worker processes, behind an address), merge, prepare, pretrain
and finetune: half at moments drawn over the time of an undisturbed run, half before an operation on the disk that is
drawn among all that it does. After each, the same command is given once more. `--power` moments of each command at
which power is lost; each leaves two disks (`tests/faults/power.py`).
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.common import command_line, write


@dataclass
class _Tally:
    """What became of one command: how often it was disturbed, and what was wrong afterwards."""

    kills: int = 0
    losses: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def note(self, disturbed: Callable[[], None]) -> None:
        """Disturb it, and keep what is wrong afterwards."""
        try:
            disturbed()
        except AssertionError as error:
            self.wrong.append(str(error).splitlines()[0][:500])
            print(self.wrong[-1], file=sys.stderr)


def main() -> None:
    """Disturb and write."""
    parser = command_line(__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--power", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from tests.faults.bench import Bench  # brings PyTorch and pytest, which --help need not wait for
    from tests.faults.scenarios import SCENARIOS

    tallies = {scenario.name: _Tally() for scenario in SCENARIOS}
    with tempfile.TemporaryDirectory() as folder:
        bench, moments = Bench(Path(folder)), Random(args.seed)
        for number, scenario in enumerate(SCENARIOS):
            tally, started = tallies[scenario.name], time.monotonic()
            tally.kills = len(range(number, args.kills, len(SCENARIOS)))
            for kill in bench.drawn_kills(scenario, tally.kills, moments):
                tally.note(partial(bench.kill, scenario, kill))
            if scenario.power and args.power:
                tally.losses = args.power
                tally.note(partial(bench.lose_power, scenario, args.power, moments))
            tally.seconds = time.monotonic() - started
            print(f"{scenario.name}: {tally}", file=sys.stderr)
    _write(tallies)


def _write(tallies: dict[str, _Tally]) -> None:
    rows = [
        [name, str(tally.kills), str(2 * tally.losses), str(len(tally.wrong)), f"{tally.seconds:.0f}"]
        for name, tally in tallies.items()
    ]
    kills, losses = (sum(getattr(tally, name) for tally in tallies.values()) for name in ("kills", "losses"))
    wrong = sum(len(tally.wrong) for tally in tallies.values())
    rows.append(["all", str(kills), str(2 * losses), str(wrong), f"{sum(t.seconds for t in tallies.values()):.0f}"])
    write(
        "faults",
        "Commands killed and without power, then given again",
        ["command", "kills", "disks after a loss of power", "not as an undisturbed run", "seconds in all"],
        rows,
        {"faults": {name: vars(tally) for name, tally in tallies.items()}},
        "Sets and caches are compared byte for byte, networks by weights, predictions and logs without their times. "
        "Nothing temporary is left, no lock is held and no process lives on.",
    )


if __name__ == "__main__":
    main()
