"""Files of others are read in one place each, where they are bounded; nothing is ever unpickled."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("fractalvid", "kernels", "pretrain", "finetune")
LINKS = {ROOT / "fractalvid" / name for name in PACKAGES[1:]}

ONLY_IN = {
    r"json\.loads?\(|JSONDecoder": {"fractalvid/utils/documents.py"},
    r"tomllib": {"fractalvid/utils/documents.py"},
    r"np\.load\(|np\.fromfile|np\.memmap|np\.loadtxt|np\.genfromtxt": set[str](),
    r"\bpickle\.|\bmarshal\.|\bshelve\b|\byaml\b": set[str](),
    r"zipfile\.ZipFile": {"fractalvid/utils/npz.py", "finetune/targets/files/archives.py"},
    r"torch\.load\(": {"pretrain/engine/checkpoint.py", "pretrain/weights/state_dicts.py"},
    r"safetensors\.torch\.load|safe_open": {"pretrain/weights/cards.py"},
    r"csv\.(DictReader|reader)": {
        "finetune/results/predictions.py",
        "finetune/targets/files/lists.py",
        "fractalvid/sets/manifest.py",
    },
}
"""Where each way to read is used."""


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if not LINKS & {*path.parents}:
                yield path


@pytest.mark.parametrize("way", ONLY_IN)
def test_nothing_is_read_another_way(way: str) -> None:
    # Networks that are told to load weights in README texts are no code that runs here.
    used = {path.relative_to(ROOT).as_posix() for path in sources() if re.search(way, path.read_text("utf-8"))}
    assert used <= ONLY_IN[way]


def test_tensors_come_without_code() -> None:
    for path in sources():
        for call in re.findall(r"torch\.load\([^\n]*", path.read_text("utf-8")):
            assert "weights_only=True" in call, path


def test_arrays_and_messages_come_without_pickles() -> None:
    for path in sources():
        text = path.read_text("utf-8")
        assert "allow_pickle=True" not in text, path
        # Objects that queues and pipes carry are pickles: nothing that decodes videos of others may use them.
        if "video" in path.relative_to(ROOT).parts:
            assert not re.search(r"\bmultiprocessing\b|ProcessPool", text), path
