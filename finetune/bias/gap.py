"""The synthetic-to-real gap (Kim et al., SynAPT, NeurIPS 2022): accuracy by synthetic over real pre-training."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.report.markup import Table, as_markdown
from fractalvid.finetune.report.published import published_gaps
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import ACCURACIES, MODES, RunResult, find_runs, mean_over_splits, read_run
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few


@dataclass(frozen=True)
class Gap:
    """Means over the splits of a target and a mode, in percent, and their ratio; below 1 real video is worth more."""

    target: str
    mode: str
    model: str
    synthetic: float
    real: float
    runs: tuple[int, int]

    @property
    def ratio(self) -> float | None:
        """Synthetic over real; None where real pre-training names nothing."""
        return self.synthetic / self.real if self.real else None


def read_gaps(synthetic: Path, real: Path) -> list[Gap]:
    """The gap of every target and mode of which there are runs in both folders, at or below them.

    Raises:
        UserError: a folder holds no finished run, or runs from several initialisations; runs that do not compare
            (other videos, budget or network); no target in common.
    """
    sides = {"synthetic": _runs(synthetic, "synthetic"), "real": _runs(real, "real")}
    common = [key for key in sides["synthetic"] if key in sides["real"]]
    if not common:
        there = [sorted({target for target, _ in side}) for side in sides.values()]
        raise UserError(
            f"no target and mode in common: {synthetic} has {first_few(there[0])}, {real} has {first_few(there[1])}"
        )
    return [_gap(sides["synthetic"][key], sides["real"][key]) for key in common]


def _runs(folder: Path, label: str) -> dict[tuple[str, str], list[RunResult]]:
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of runs")
    found = defaultdict[tuple[str, str], list[RunResult]](list)
    names = set[str]()
    for path in find_runs([folder]):
        names.add(read_run(path).label)
        run = read_run(path, label, together=True)
        found[str(run.metrics["target"]), run.mode].append(run)
    if len(names) > 1:
        raise UserError(
            f"{folder} holds runs from several initialisations ({first_few(sorted(names))}): name those of one"
        )
    return dict(found)


def _gap(synthetic: Sequence[RunResult], real: Sequence[RunResult]) -> Gap:
    check_comparable([*synthetic, *real])
    if {run.split for run in synthetic} != {run.split for run in real}:
        raise UserError(f"{synthetic[0].metrics['target']}: the runs are of other splits on either side")
    first = synthetic[0]
    means = [mean_over_splits(side, "top1") for side in (synthetic, real)]
    model = str(first.metrics.get("model") or "")
    return Gap(str(first.metrics["target"]), first.mode, model, means[0], means[1], (len(synthetic), len(real)))


def gap_table(gaps: Sequence[Gap]) -> str:
    """A Markdown table of the gaps, with what others have published of the same targets below."""
    body = [
        (
            gap.target,
            MODES.get(gap.mode, gap.mode),
            gap.model,
            f"{gap.synthetic:.2f}",
            f"{gap.real:.2f}",
            "" if gap.ratio is None else f"{gap.ratio:.3f}",
            f"{gap.runs[0]}, {gap.runs[1]}",
        )
        for gap in gaps
    ]
    name = ACCURACIES["top1"]
    head = ("target", "mode", "network", f"synthetic ({name}, %)", f"real ({name}, %)", "synthetic / real", "runs")
    lines = [as_markdown(Table("", head, tuple(body)))]
    for gap in gaps:
        others = published_gaps(gap.target, gap.mode)
        lines += [
            f"Other people's on {gap.target}: {fake:.2f} / {real:.2f} = {fake / real:.3f} with {network} ({source})."
            for network, fake, real, source in others
        ]
    return "\n".join(lines)
