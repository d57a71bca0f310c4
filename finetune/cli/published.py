"""`finetune published`: what others have published of targets, with one's own runs beside."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.utils.files import check_place, write_text
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class Published:
    """Print published rows of targets as Markdown, marked as other people's, with one's own finished runs beside.

    Without a target they are those of the runs, or all. Where a run is not comparable (other classes, videos missing,
    few shots) a line says so.
    """

    targets: tyro.conf.Positional[tuple[str, ...]] = ()
    """Targets, as ucf101."""
    runs: tuple[Path, ...] = ()
    """Folders of finished runs, at or below which they are found."""
    out: Path | None = None
    """File to write to instead of standard output."""


def run(options: Published) -> None:
    """Print or write the page."""
    if options.out is not None:
        announce(f"writing published rows to {options.out}")
    from fractalvid.finetune.report.published_page import published_page
    from fractalvid.finetune.results.read import find_runs, read_run

    if options.out is not None:
        check_place(options.out)
    runs = [read_run(folder) for folder in find_runs(options.runs)]
    text = published_page(options.targets, runs)
    if options.out is None:
        print(text, end="")
    else:
        write_text(options.out, text)


def command(args: list[str]) -> None:
    """`finetune published` with the arguments behind these words."""
    text = inspect.getdoc(Published) or ""
    main = {
        "what is shown": {
            "targets": "",
            "runs": "Folders in which finished runs are found",
            "out": "File to write to; standard output if not given",
        }
    }
    run(parse(Published, args, program="finetune published", default=Published(), description=text, main=main))
