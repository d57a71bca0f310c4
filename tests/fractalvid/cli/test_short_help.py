"""The short help: what a line has room for."""

import argparse

import pytest

from fractalvid.cli.short_help import brief, short_help


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Steps to train.", "Steps to train"),
        ("Folder of the set. The same command again does what is missing.", "Folder of the set"),
        ("Threads; a number of them: one a core", "Threads; a number of them"),
        (
            "A text that has no end before the room of its line does",
            "A text that has no end before the room of its line does",
        ),
    ],
)
def test_a_line_ends_where_a_clause_does(text: str, told: str) -> None:
    assert brief(text, 30) == told


def test_what_options_take_and_by_default_are() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", nargs="*", metavar="[[PATH [PATH ...]]]", help="What to read. (default: )")
    parser.add_argument("--out", required=True, metavar="PATH", help="Where to. (required)")
    parser.add_argument("--seed", metavar="{None}|INT", help="Which. (default: 7)")
    parser.add_argument("--way", metavar="{forwards,backwards,sideways}", help="Whither. (default: forwards)")
    parser.add_argument("--fast", "--no-fast", action="store_true", help="(default: False)")
    groups = {"what": {"source": "", "out": ""}, "how": {"seed": "", "way": "", "fast": "In no time"}}
    text = short_help(parser._actions, groups, program="p", description="Does it. " + "Much more of it. " * 99)
    assert text.splitlines()[0] == "usage: p PATH ... --out PATH [OPTIONS]"
    assert text.splitlines()[1].startswith("Does it. Much more")
    assert text.partition("\n\n")[2].splitlines() == [
        "what:",
        "  PATH ...                  What to read",
        "  --out PATH                Where to",
        "how:",
        "  --seed INT                Which [7]",
        "  --way WAY                 Whither [forwards]",
        "  --fast                    In no time",
        "",
        "More about these: p --help-all",
    ]
    assert len(text.splitlines()) <= 23
