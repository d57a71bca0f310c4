"""Anything at all in the place of a document that the programs read is a value or one line, within moments."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from fractalvid.finetune.cache.reader import FRAMES, INFO, ROWS, CacheKind, DecodedCache, kinds_of
from fractalvid.finetune.report.write import is_comparison
from fractalvid.finetune.results.read import RunResult, read_history, read_run
from fractalvid.finetune.targets import diving48
from fractalvid.finetune.weights.trained import open_trained
from fractalvid.kinds import load_bank, sample_bank
from fractalvid.pretrain.export import readme
from fractalvid.pretrain.recipes.fields import to_json
from fractalvid.pretrain.recipes.load import load_recipe
from fractalvid.pretrain.run.config import PretrainConfig, kept_config
from fractalvid.pretrain.weights.cards import Card, load_card, load_tensors
from fractalvid.sets.card import card_of, read_card
from fractalvid.sets.config import SetConfig
from fractalvid.sets.manifest import HEADER, read_manifest
from fractalvid.utils.errors import UserError
from fractalvid.video.index import VideoIndex, index_file

EXAMPLES = 60
MOMENTS = timedelta(seconds=3)

LARGE = st.sampled_from([2**31, 2**63, 2**64, 10**19, 10**30, -1, 1e308, float("nan"), float("inf")])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | LARGE
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8)
DEEP = st.just("[" * 1000 + "]" * 1000) | st.just('{"a":' * 5000) | st.just("9" * 5000)


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All values of a document, by the keys that lead to them."""
    yield at
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


def replaced(tree: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[at[0]] = replaced(tree[at[0]], at[1:], value)
    return copy


@st.composite
def changed(draw: st.DrawFn, document: Any) -> bytes:
    """A document of which one value, or all, is another, as JSON that need not be any."""
    at = draw(st.sampled_from(list(places(document))))
    value = draw(NESTED | DEEP.map(lambda text: f"RAW{text}RAW"))
    text = json.dumps(replaced(document, at, value))
    for mark in ('"RAW', 'RAW"'):
        text = text.replace(mark, "")
    data = text.replace('\\"a\\":', '"a":').encode()
    cut = draw(st.integers(0, len(data)) | st.none())
    return data if cut is None else data[:cut] + draw(st.binary(max_size=3))


class Kind(NamedTuple):
    """A document that is as it should be, the name of its file, and who reads it."""

    document: Any
    name: str
    read: Callable[[Path], object]


CARD = {"format": "fractalvid.weights", "version": 1} | asdict(
    Card("r3d_10", 2, 4, 32, 2.0, (0.4,) * 3, (0.2,) * 3, 0, 1, {"classes": ["a", "b"], "views": 3, "init": None}, {})
)
METRICS = {"init": {"label": "a"}, "target": "demo", "split": "1", "seed": 0, "mode": "full", "metric": "top1"}
METRICS |= {"classes": 2, "videos": {"train": 1, "test": 1}, "frames": "files", "class_names": ["a", "b"]}
METRICS |= {"top1": 50.0, "top5": 60.0, "mean_class": 50.0}
STORED = {"version": 4, "videos": {"a.mp4": [1, 2, 3, 4, 5, 6.0, 7.0, 0, "", ""]}}
RUN = RunResult("a", "1", 0, {"mode": "full"})


def cache_rows(path: Path) -> object:
    (path.parent / FRAMES).write_bytes(bytes(1000))
    cache = DecodedCache(path.parent, CacheKind(10), path.parent)
    for row in cache.rows.values():
        assert row.offset + row.count <= 1000
    return cache


def card(path: Path) -> object:
    path.with_suffix(".safetensors").touch()
    for read in (lambda: readme(load_card(path)), lambda: open_trained(path.with_suffix(".safetensors"))):
        with suppress(UserError):
            read()
    return load_card(path)


def index(path: Path) -> object:
    store = index_file(path.parent, path.parent)
    store.parent.mkdir(exist_ok=True)
    store.write_bytes(path.read_bytes())
    return VideoIndex(path.parent, path.parent).unchanged()


def kinds(path: Path) -> object:
    there = CacheKind(10).folder(path.parent, path.parent)
    there.mkdir(parents=True, exist_ok=True)
    (there / INFO).write_bytes(path.read_bytes())
    return list(kinds_of(path.parent, path.parent))


BANK = sample_bank(2, seed=1)
KINDS = {
    "card": Kind(CARD, "weights.json", card),
    "pretrain config": Kind(
        {"program": "pretrain", "config": to_json(PretrainConfig())},
        "config.json",
        lambda path: kept_config(path.parent),
    ),
    "set": Kind(card_of(BANK, SetConfig()), "dataset.json", lambda path: read_card(path.parent)),
    "metrics": Kind(METRICS, "metrics.json", lambda path: read_run(path.parent)),
    "log": Kind({"kind": "val", "step": 3, "loss": 0.5}, "metrics.jsonl", lambda path: read_history(in_folder(path))),
    "comparison": Kind({"initialisations": [], "runs": []}, "comparison.json", lambda path: is_comparison(path.parent)),
    "list": Kind([{"vid_name": "a", "label": 3}], "list.json", diving48.read_list),
    "vocabulary": Kind([["a", "b"]], "vocabulary.json", diving48.read_vocabulary),
    "cache": Kind(CacheKind(10).info(Path("a")), "info.json", kinds),
    "rows": Kind(["a.mp4", 1, 2, 0, 300, 1, 10, 10], ROWS, cache_rows),
    "index": Kind(STORED, "index.json", index),
}


def in_folder(path: Path) -> RunResult:
    return RunResult("a", "1", 0, {"mode": "full"}, path.parent)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=EXAMPLES, deadline=MOMENTS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_document_holds_is_a_value_or_one_line(name: str, data: st.DataObject, tmp_path: Path) -> None:
    kind = KINDS[name]
    path = tmp_path / kind.name
    path.write_bytes(data.draw(changed(kind.document) | st.binary(max_size=50)))
    try:
        kind.read(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("name", KINDS)
def test_documents_as_they_should_be_are_read(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    path = tmp_path / kind.name
    path.write_text(json.dumps(kind.document) + "\n")
    if name == "vocabulary":
        with pytest.raises(UserError, match="names 1 classes"):
            kind.read(path)
    else:
        kind.read(path)


@settings(max_examples=EXAMPLES, deadline=MOMENTS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=100) | st.text().map(str.encode) | changed({"a": {"b": 1}}))
@example(data=b"classes = " + b"9" * 4000)
@example(data=b"a." * 2000 + b"a = 1")
@example(data=b"[stream]\nclip_len = nan")
def test_whatever_a_recipe_holds_is_a_value_or_one_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(data)
    with suppress(UserError):
        load_recipe(str(path), PretrainConfig())


@settings(max_examples=EXAMPLES, deadline=MOMENTS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(max_size=10) | st.integers().map(str), min_size=8, max_size=10))
@example(values=["9" * 5000] * 9)
@example(values=["x" * 200_000] * 9)
def test_whatever_a_manifest_holds_is_a_value_or_one_line(values: list[str], tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes((HEADER + ",".join(values) + "\n").encode("utf-8", "surrogatepass"))
    with suppress(UserError):
        read_manifest(path)


@settings(max_examples=EXAMPLES, deadline=MOMENTS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_header_of_a_bank_holds_is_a_bank_or_one_line(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "classes.npz"
    BANK.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = data.draw(changed(json.loads(str(arrays["header"])))).decode("utf-8", "replace")
    np.savez(path, allow_pickle=False, **arrays | {"header": np.array(header)})
    with suppress(UserError):
        load_bank(path)


@settings(max_examples=EXAMPLES, deadline=MOMENTS, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=changed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}), rest=st.binary(max_size=16))
@example(head=b'{"a": {"dtype": "F32", "shape": [4294967296], "data_offsets": [0, 17179869184]}}', rest=bytes(8))
def test_whatever_weights_hold_is_tensors_or_one_line(head: bytes, rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + rest)
    with suppress(UserError):
        load_tensors(path)
