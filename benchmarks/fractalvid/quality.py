"""The quality figures of the kinds of banks side by side, at their defaults: `fractalvid stats` of a bank of each.

200 classes, 8 clips a class and 2 held out, 128², 60,000 points a frame where points are drawn; seed 0.
"""

import dataclasses

from benchmarks.common import command_line, write
from fractalvid.kernels.compiled import available_cores
from fractalvid.kinds import KINDS, sample_bank
from fractalvid.stats.config import StatsConfig
from fractalvid.stats.measure import measure
from fractalvid.stats.source import BankSource
from fractalvid.stats.table import rows

CLASSES = 200


def main() -> None:
    """Measure and write."""
    command_line(__doc__).parse_args()
    config = StatsConfig(classes=CLASSES)
    found = []
    for kind in KINDS:
        source = BankSource(kind, sample_bank(CLASSES, kind=kind, seed=0), config)
        found.append(measure(source, config, workers=available_cores(), progress=False))
    table = rows(found)
    notes = "\n".join(f"- {row.label}: {row.about}." for row in table[1:])
    data = {
        one.name: {
            "figures": {name: dataclasses.asdict(f) if f else None for name, f in one.figures.items()},
            "diversity": dataclasses.asdict(one.diversity),
            "acceptance": dataclasses.asdict(one.acceptance) if one.acceptance else None,
            "separability": dataclasses.asdict(one.separability) if one.separability else None,
            "probe": dataclasses.asdict(one.probe) if one.probe else None,
        }
        for one in found
    }
    header = ["figure", *KINDS]
    write(
        "quality",
        "Quality figures of the kinds of banks",
        header,
        [[r.label, *r.values] for r in table[1:]],
        data,
        notes,
    )


if __name__ == "__main__":
    main()
