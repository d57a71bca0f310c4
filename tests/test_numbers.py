"""Numbers that make no sense, given to all that is public: a value, or a line that names the parameter, at once."""

import dataclasses
import math
import typing
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import fractalvid as fv
from fractalvid import kernels
from fractalvid.kinds import KINDS
from fractalvid.pretrain import backbone, build_model
from fractalvid.sets import repair, verify
from fractalvid.stats import share_shapes
from fractalvid.video import probe_videos, read_frames

ODD: dict[str, Any] = {
    "nan": math.nan,
    "inf": math.inf,
    "-1": -1,
    "1.5": 1.5,
    "True": True,
    "x": "x",
    "None": None,
    "[]": [],
    "2**40": 2**40,
    "2**70": 2**70,
    "3": "3",
    "[1]": [1],
    "1e308": 1e308,
    "-2**70": -(2**70),
    "10**400": 10**400,
    "object": object(),
    "array": np.array([math.nan, 2.0**80]),
}
ALSO = {"codec": ("encoder",), "emulate": ("emulation",), "class_ids": ("class_id",)}
"""Other words by which a message may name a parameter."""
REFUSED = (fv.UserError, TypeError, ValueError, IndexError)


PUBLIC = set(import_module("fractalvid").__all__)


class Case(NamedTuple):
    """A call, and arguments that are right."""

    call: Callable[..., Any]
    arguments: dict[str, Any]


BANK = fv.ClassBank.sample(3, seed=1)
TINY = fv.StreamConfig(clip_len=2, size=16, points=200)
STREAM = fv.FractalStream(BANK, batch_size=2, config=TINY, seed=0)
MAPS = [[[0.5, 0, 0, 0, 0.5, 0], [0.5, 0, 0.5, 0, 0.5, 0]]]
JOBS = kernels.Jobs.of(MAPS, [0.5, 0.5], seed=[1], projection=[[4, 0, 1], [0, 4, 1], [0, 0, 1]])
CLIP = np.zeros((2, 16, 16), np.uint8)


def of_batches(**arguments: Any) -> Any:
    """A stream, and its first batch."""
    return next(iter(fv.FractalStream(BANK, config=TINY, **arguments)))


def of_validation(**arguments: Any) -> Any:
    return next(iter(fv.FractalStream.validation(BANK, config=TINY, **arguments)), None)


def after(next_index: Any) -> Any:
    stream = fv.FractalStream(BANK, batch_size=2, config=TINY, seed=0)
    stream.load_state_dict({"next_index": next_index})
    return next(iter(stream))


def emulated(**arguments: Any) -> Any:
    video = torch.zeros((1, 1, 2, 16, 16), dtype=torch.uint8)
    return fv.emulate_clips(video, bank=BANK, config=TINY, **arguments)


def sampled(kind: str) -> Case:
    return Case(partial(fv.sample_bank, kind=kind), {"num_classes": 1, "seed": 0})


CASES: dict[str, Case] = {
    "ClassBank.sample": Case(fv.ClassBank.sample, {"num_classes": 2, "seed": 0, "config": fv.ClassConfig()}),
    "ClassBank.maps_at": Case(BANK.maps_at, {"class_ids": [0], "times": [[1.0]]}),
    "ClassBank.variations_at": Case(BANK.variations_at, {"class_ids": [0], "times": [[1.0]]}),
    "ClassBank.have_trait": Case(lambda class_ids: BANK.have_trait(class_ids, "superlinear"), {"class_ids": [0]}),
    **{f"sample_bank {kind}": sampled(kind) for kind in KINDS},
    "render_clip": Case(
        partial(fv.render_clip, BANK),
        {"class_id": 0, "instance_id": 0, "size": 8, "frames": 2, "points": 100, "colour": None, "threads": 1},
    ),
    "FractalStream": Case(
        of_batches,
        {"batch_size": 1, "seed": 0, "instances": 2, "rank": 0, "world_size": 1, "threads": 1, "views": 1},
    ),
    "FractalStream.at": Case(STREAM.at, {"index": [0], "threads": 1}),
    "FractalStream.draw": Case(STREAM.draw, {"index": [0]}),
    "FractalStream.load_state_dict": Case(after, {"next_index": 0}),
    "FractalStream.validation": Case(
        of_validation, {"num_clips": 2, "batch_size": 1, "threads": 1, "rank": 0, "world_size": 1}
    ),
    "emulate_clips": Case(emulated, {"clip_id": [[0, 0]], "index": [0], "seed": 0, "threads": 1}),
    "Jobs.of": Case(
        kernels.Jobs.of,
        {
            **{"maps": MAPS, "weights": [0.5, 0.5], "seed": 1, "variation": 0, "amount": [[[1.0], [1.0]]]},
            **{"params": np.zeros((1, 1, 1, 0)), "projection": np.eye(3), "start": [[0.0, 0.0]], "colour": [0.0, 1.0]},
        },
    ),
    "orbit": Case(partial(kernels.orbit, JOBS), {"n": 4, "burn_in": 1, "rows": [0], "threads": 1}),
    "growth": Case(partial(kernels.growth, JOBS), {"steps": 2, "burn_in": 1, "rows": [0], "threads": 1}),
    "accumulate": Case(
        partial(kernels.accumulate, JOBS),
        {"size": 8, "points": 10, "burn_in": 1, "threads": 1},
    ),
    "render": Case(
        partial(kernels.render, JOBS),
        {"size": 8, "points": 10, "exposure": np.ones((1, 2), np.float32), "clip": [0], "burn_in": 1, "threads": 1},
    ),
}
INSIDE: dict[str, Case] = {
    "build_model": Case(partial(build_model, "r3d_10"), {"num_classes": 2, "seed": 0}),
    "backbone": Case(partial(backbone, "r3d_10"), {"seed": 0}),
    "share_shapes": Case(partial(share_shapes, BANK), {"shape": 1, "motions": [0, 2]}),
}
"""What the packages beside the public face hand to others."""
ON_DISK = (
    "read_frames",
    "probe_videos",
    "repair",
    "FractalSet",
    "FractalSet[]",
    "generate",
    "verify",
    "read_video",
    "write_video",
)
WITHOUT_NUMBERS = {"Bank", "Batch", "UserError", "load_bank", "register_kind", "finetune", "kernels", "pretrain"}
WITHOUT_NUMBERS |= {"Accumulated", "MAX_COLOUR_POINTS", "MAX_PIXELS", "backends"}


def configs() -> Iterator[type]:
    """All configurations that are public, and those that stand in them."""
    waiting = [value for name in PUBLIC if isinstance(value := getattr(fv, name), type)]
    waiting += [kind.config for kind in KINDS.values() if isinstance(kind.config, type)]
    seen: set[type] = set()
    while waiting:
        one = waiting.pop()
        public = dataclasses.is_dataclass(one) and one not in seen and one not in (fv.ClassBank, fv.Batch)
        if public:
            seen.add(one)
            yield one
            for hint in typing.get_type_hints(one).values():
                waiting += [part for part in (hint, *typing.get_args(hint)) if isinstance(part, type)]


CONFIGS = sorted(configs(), key=lambda one: one.__name__)


def try_all(case: Case, parameter: str) -> None:
    """Give a call each odd value of a parameter, and say which outcomes are none that a user can use."""
    wrong = []
    for shown, value in ODD.items():
        try:
            case.call(**{**case.arguments, parameter: value})
        except REFUSED as error:
            if not any(name in str(error) for name in (parameter, *ALSO.get(parameter, ()))):
                wrong.append(f"{shown}: {type(error).__name__} without the parameter's name: {error}")
        except Exception as error:  # whatever comes from deep inside
            wrong.append(f"{shown}: {type(error).__name__}: {error}"[:300])
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name, case in (CASES | INSIDE).items() for p in case.arguments]
)
@pytest.mark.timeout(120)
def test_arguments(name: str, parameter: str) -> None:
    try_all((CASES | INSIDE)[name], parameter)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_fields(config: Any) -> None:
    for field in dataclasses.fields(config):
        try_all(Case(config, {}), field.name)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    root = tmp_path_factory.mktemp("numbers")
    config = fv.SetConfig(clips=1, size=16, points=100, frames=2)
    fv.generate(BANK, root / "set", config, workers=1, progress=False)
    kept = fv.FractalSet(root / "set")
    video = next((root / "set").rglob("*.mp4"))

    def read(**arguments: Any) -> Any:
        return fv.FractalSet(root / "set", **arguments)[0]

    generate = partial(fv.generate, BANK, root / "set", config, progress=False)
    found = verify(root / "set", workers=1, progress=False)
    probe = partial(probe_videos, video.parent, [video.name], cache_dir=None)
    return {
        "read_frames": Case(partial(read_frames, video), {"numbers": [0], "short_side": 16, "max_pixels": 1000}),
        "probe_videos": Case(lambda **given: list(probe(**given)), {"threads": 1, "max_pixels": 1000}),
        "repair": Case(partial(repair, root / "set", found, progress=False), {"workers": 1}),
        "FractalSet": Case(read, {"frames": 1, "channels": 3}),
        "FractalSet[]": Case(kept.__getitem__, {"index": 0}),
        "generate": Case(generate, {"workers": 1, "hours": 1.0}),
        "verify": Case(partial(fv.verify, root / "set", progress=False), {"workers": 1}),
        "read_video": Case(partial(fv.read_video, video), {"short_side": 16, "max_pixels": 1000}),
        "write_video": Case(partial(fv.write_video, root / "out.mp4", CLIP), {"fps": 12, "crf": 20}),
    }


@pytest.mark.parametrize("name", ON_DISK)
@pytest.mark.timeout(120)
def test_arguments_of_what_is_on_disk(on_disk: dict[str, Case], name: str) -> None:
    case = on_disk[name]
    if name == "FractalSet[]":
        case = Case(lambda index: on_disk[name].call(index), case.arguments)
    for parameter in case.arguments:
        try_all(case, parameter)


def test_everything_public_is_tried() -> None:
    tried = {name.partition(".")[0].partition(" ")[0].partition("[")[0] for name in (*CASES, *ON_DISK)}
    tried |= {config.__name__ for config in CONFIGS}
    names = PUBLIC | set(import_module("fractalvid.kernels").__all__)
    assert names - WITHOUT_NUMBERS == tried & names


def test_indices_of_a_set_are_those_of_a_list(on_disk: dict[str, Case]) -> None:
    item = on_disk["FractalSet[]"].call
    assert torch.equal(item(-1)[0], item(2)[0]) and torch.equal(item(torch.tensor(1))[0], item(np.int64(1))[0])
    for index in (3, -4, 10**6):
        with pytest.raises(IndexError, match="3 clips"):
            item(index)
    for other in (0.5, slice(2), [0]):
        with pytest.raises(TypeError, match="whole number"):
            item(other)


def test_streams_take_any_whole_numbers_as_indices() -> None:
    whole = STREAM.at(np.arange(2))
    assert torch.equal(STREAM.at([0, 1]).video, whole.video) and torch.equal(STREAM.at(1).video, whole.video[1:])
    assert STREAM.draw(np.arange(2, dtype=np.uint8)).class_id.tolist() == whole.target.tolist()
    far = STREAM.at([2**40, 2**62 - 1])
    assert far.clip_id[:, 1].tolist() == [2**40 // 3 % 2**31, (2**62 - 1) // 3 % 2**31]
