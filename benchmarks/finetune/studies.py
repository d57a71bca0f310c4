"""Miniature studies from pre-training to transfer, each `finetune study AXIS mini_AXIS` on the embedded target.

With --real also scaling in classes on clips of HMDB51, from the pre-trainings of the study of classes: a folder with
hmdb51_subset/ and hmdb51_subset.csv. What lies in FOLDER is not run again, and what is not finished goes on.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from benchmarks.common import RESULTS, command_line, machine
from fractalvid.finetune.study.axes import Axis

AXES = get_args(Axis)
REAL = "--target folder --fold-column fold3 --group-column source_group --splits 0"
"""Of the clips of HMDB51: three folds that share no source, of which one is tested."""


def main() -> None:
    """Run the studies that are asked for and keep their tables, rows and pictures."""
    parser = command_line(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/studies"), help="where runs are kept")
    parser.add_argument("--only", nargs="+", choices=AXES, default=AXES, help="axes; all if not given")
    parser.add_argument("--real", type=Path, help="folder with hmdb51_subset/ and hmdb51_subset.csv")
    parser.add_argument("--pretrain-seeds", nargs="+", default=[], help="instead of the grid's")
    parser.add_argument("--threads", type=int, help="of each run; torch's are OMP_NUM_THREADS")
    given = parser.parse_args()
    for axis in given.only:
        run(f"study_{axis}", [axis, f"mini_{axis}"], given.folder / axis, given)
    if given.real is not None:
        where = ["--data", str(given.real / "hmdb51_subset"), "--csv", str(given.real / "hmdb51_subset.csv")]
        shared = ["--pretrainings", str(given.folder / "classes" / "pretrain")]
        words = ["classes", "own_classes", *shlex.split(REAL), *where, *shared]
        run("study_classes_hmdb51", words, given.folder / "classes_hmdb51", given)


def run(name: str, words: list[str], out: Path, given: argparse.Namespace) -> None:
    """One study, and what it leaves as results of this name."""
    threads = [] if given.threads is None else ["--threads", str(given.threads)]
    words += ["--pretrain-seeds", *given.pretrain_seeds] if given.pretrain_seeds else []
    command = [*words, "--out", str(out), "--no-progress", *threads]
    subprocess.run([sys.executable, "-m", "fractalvid.finetune", "study", *command], check=True)
    keep(name, words, out)


def keep(name: str, words: list[str], out: Path) -> None:
    """Copy the result of a study, with its command and the machine, and without this machine's paths."""
    shown = [Path(word).name if Path(word).is_absolute() else word for word in words]
    command, about = shlex.join(["finetune", "study", *shown]), machine()
    content: dict[str, Any] = json.loads((out / "study.json").read_text(encoding="utf-8"))
    target = content["settings"]["target"]
    target |= {part: Path(target[part]).name for part in ("data", "csv") if target[part] is not None}
    whole = {"command": command, "machine": about, **content}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    title, _, rest = (out / "study.md").read_text(encoding="utf-8").partition("\n")
    described = ", ".join(f"{key} {value}" for key, value in about.items())
    picture = f"![Accuracy over the axis]({name}.png)"
    where = f"Measured on: {described}. Other work ran beside, so seconds are indicative."
    text = f"{title}\n\n`{command}`\n{rest}\n{picture}\n\n{where}\n"
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    shutil.copyfile(out / "study.png", RESULTS / f"{name}.png")


if __name__ == "__main__":
    main()
