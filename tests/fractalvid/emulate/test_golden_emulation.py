"""Golden values of emulated samples: what a stream's seed gives must not change unless `STREAM_VERSION` does.

Integers are exact everywhere, other parameters hold to 1e-6, pictures to a grey level as thumbnails, and to the bit
where the recorded fingerprint and PyTorch's version match. To record them anew, after raising the version:
`python -m tests.fractalvid.emulate.test_golden_emulation`.
"""

import base64
import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.core.colour import ColourConfig
from fractalvid.core.fingerprint import fingerprint
from fractalvid.emulate.config import (
    BackgroundConfig,
    CurriculumConfig,
    EmulationConfig,
    GroupConfig,
    TimingConfig,
)
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream import FractalStream, StreamConfig

PATH = Path(__file__).parent / "golden_emulation.json"
SCENES = Path(__file__).parent / "golden_scene.json"
COUNT, SHOWN = 20, 8
MOST = 60
"""Numbers of an array that are held for a sample: the first of many shapes stand for all."""
# Everything there is, and what is rare in it often enough to be among a few samples.
EMULATE = replace(
    PRESETS["full"],
    background=BackgroundConfig(p=0.9, maximum=0.3),
    group=GroupConfig(p=0.4, copies=3),
    timing=TimingConfig(p=0.7, repeat=0.3, skip=0.3),
    curriculum=CurriculumConfig(samples=8, share=0.9),
)


# Scenes and backgrounds, and what is rare in scenes often enough.
SCENE = replace(
    PRESETS["scene"],
    scene=replace(PRESETS["scene"].scene, p=0.9),
    background=BackgroundConfig(p=0.6),
    curriculum=CurriculumConfig(samples=8, share=0.9),
)
RECORDS = {PATH: EMULATE, SCENES: SCENE}


def stream(emulate: EmulationConfig) -> FractalStream:
    bank = ClassBank.sample(COUNT, seed=42)
    config = StreamConfig(clip_len=4, frame_stride=4, size=64, points=60_000, colour=ColourConfig(), masks=True)
    return FractalStream(bank, batch_size=SHOWN, seed=11, config=config, emulate=emulate)


def parameters(part: Any, name: str = "") -> dict[str, list[list[Any]]]:
    """Every array of a dataclass and of those inside it, a row a sample, by dotted name; None has none."""
    if part is None:
        return {}
    if is_dataclass(part):
        found: dict[str, list[list[Any]]] = {}
        for field in fields(part):
            found |= parameters(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))
        return found
    rows: Any = np.asarray(part).reshape(len(part), -1)[:, :MOST]
    if rows.dtype == np.bool_:
        rows = rows.astype(int)
    # Adding 0 leaves no -0.
    return {name: rows.tolist() if rows.dtype.kind in "iu" else (rows.astype(np.float64).round(8) + 0.0).tolist()}


def record(emulate: EmulationConfig) -> dict[str, Any]:
    chosen = stream(emulate)
    batch = list(islice(chosen, 2))[1]
    samples = chosen.draw(np.arange(COUNT))
    assert batch.mask is not None
    video = batch.video.mul(255).round().byte().numpy()
    small = video.reshape(*video.shape[:3], 16, 4, 16, 4).mean(axis=(4, 6)).round().astype(np.uint8)
    return {
        "fingerprint": fingerprint() | {"torch": version("torch").partition("+")[0]},
        "parameters": parameters(samples.emulation) | parameters(samples.camera, "camera"),
        "pixels": hashlib.sha256(video.tobytes() + batch.mask.numpy().tobytes()).hexdigest(),
        "thumbnails": base64.b64encode(small.tobytes()).decode(),
    }


@pytest.fixture(scope="module", params=RECORDS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


@pytest.fixture(scope="module")
def golden(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def now(path: Path) -> dict[str, Any]:
    return record(RECORDS[path])


def test_parameters_hold(golden: dict[str, Any], now: dict[str, Any]) -> None:
    assert golden["fingerprint"]["stream_version"] == now["fingerprint"]["stream_version"]
    assert golden["parameters"].keys() == now["parameters"].keys()
    for name, rows in now["parameters"].items():
        before, after = np.array(golden["parameters"][name]), np.array(rows)
        assert before.shape == after.shape, name
        if after.dtype.kind == "i":
            assert np.array_equal(before, after), name
        else:
            assert np.allclose(before, after, rtol=0, atol=1e-6), name


def test_every_effect_is_among_them(path: Path, now: dict[str, Any]) -> None:
    """A value that is the same in all samples would hold nothing."""
    if path == SCENES:
        now = {"parameters": {name: rows for name, rows in now["parameters"].items() if name.startswith("scene.")}}
    fixed = {name for name, rows in now["parameters"].items() if np.ptp(np.array(rows, np.float64), axis=0).max() == 0}
    assert fixed == (set() if path == SCENES else {"background.power"})


def test_pixels(golden: dict[str, Any], now: dict[str, Any]) -> None:
    if golden["fingerprint"] == now["fingerprint"]:
        assert now["pixels"] == golden["pixels"]
    before, after = (np.frombuffer(base64.b64decode(r["thumbnails"]), np.uint8).astype(int) for r in (golden, now))
    assert np.abs(before - after).mean() <= 1


def dump(golden: dict[str, Any]) -> str:
    """JSON with a line for all samples of a parameter."""
    lines = [f"  {json.dumps(name)}: {json.dumps(rows)}" for name, rows in golden["parameters"].items()]
    rest = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in golden.items() if name != "parameters"]
    together = ",\n".join([*rest, ' "parameters": {\n' + ",\n".join(lines) + "\n }"])
    return f"{{\n{together}\n}}\n"


if __name__ == "__main__":
    for file, preset in RECORDS.items():
        file.write_text(dump(record(preset)), encoding="utf-8")
