"""Golden values: what a seed gives must not change unless `STREAM_VERSION` does.

Integers (random words, order, ids) are exact everywhere, parameters hold to 1e-6, pixels by hash where the recorded
fingerprint matches and else as 32² thumbnails to one grey level. To record them anew, after raising the version:
`python -m tests.fractalvid.fractals.test_golden`.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.core.fingerprint import fingerprint
from fractalvid.core.seeds import Domain, Field, words
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import Fits, fit_fractals
from fractalvid.fractals.instances import maps_at
from fractalvid.fractals.render import render_fractals
from fractalvid.stream import FractalStream, StreamConfig

PATH = Path(__file__).parent / "golden.json"
CLASSES = np.arange(20)
INSTANCES = np.array([0, 1, 2, FIRST_VALIDATION_ID] * 5)
SHOWN = slice(0, 6)
SEED, TIMES, SIZE, POINTS = 42, (2.0, 9.0, 15.0), 64, 400_000


def integers(bank: ClassBank) -> dict[str, Any]:
    samples = FractalStream(bank, batch_size=1, config=StreamConfig(), seed=11, instances=3).draw(np.arange(40, 70))
    drawn = words(2024, Domain.INSTANCE, Field.KNOTS, [1, 2, 3], [4, 5, 6], 6, attempt=[0, 1, 2])
    return {
        "words": drawn.tolist(),
        "order": samples.class_id.tolist(),
        "instances": samples.instance_id.tolist(),
        "starts": samples.times[:, 0].astype(int).tolist(),
        "flips": samples.camera.flip.astype(int).tolist(),
        "frames": bank.native_frames.tolist(),
        "maps": bank.num_maps.tolist(),
        "variation": bank.variation[:, 0, 0].tolist(),
    }


def parameters(bank: ClassBank, fits: Fits) -> list[list[float]]:
    maps = maps_at(bank, fits.instances, np.tile([0.0, 7.5, 17.0], (20, 1))).astype(float)
    return [[round(v, 8) for v in row] for row in maps.reshape(20, -1)[:, ::7].tolist()]


def pictures(bank: ClassBank, fits: Fits) -> np.ndarray:
    times = np.tile(TIMES, (20, 1))
    return np.asarray(render_fractals(bank, fits, times, size=SIZE, points=POINTS)[SHOWN])


def thumbnails(frames: np.ndarray) -> np.ndarray:
    pooled = frames.reshape(*frames.shape[:2], 32, 2, 32, 2).mean(axis=(3, 5))
    return np.asarray(pooled.round(), np.uint8)


def record() -> dict[str, Any]:
    bank = ClassBank.sample(20, seed=SEED)
    fits = fit_fractals(bank, CLASSES, INSTANCES)
    frames = pictures(bank, fits)
    return {
        "fingerprint": fingerprint(),
        "integers": integers(bank),
        "attempts": fits.instances.attempt.tolist(),
        "parameters": parameters(bank, fits),
        "pixels": hashlib.sha256(frames.tobytes()).hexdigest(),
        "thumbnails": base64.b64encode(thumbnails(frames).tobytes()).decode(),
    }


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(json.loads(PATH.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return record()


def test_integers_are_exact(golden: dict[str, Any], now: dict[str, Any]) -> None:
    assert golden["fingerprint"]["stream_version"] == now["fingerprint"]["stream_version"]
    assert now["integers"] == golden["integers"]


def test_parameters_hold(golden: dict[str, Any], now: dict[str, Any]) -> None:
    same = np.array(golden["attempts"]) == np.array(now["attempts"])
    # Elsewhere an instance that lies within rounding of a threshold may be drawn again.
    assert same.sum() >= 19
    assert np.allclose(np.array(now["parameters"])[same], np.array(golden["parameters"])[same], atol=1e-6)


def test_pixels(golden: dict[str, Any], now: dict[str, Any]) -> None:
    if golden["fingerprint"] == now["fingerprint"]:
        assert now["pixels"] == golden["pixels"]
    before, after = (
        np.frombuffer(base64.b64decode(which["thumbnails"]), np.uint8).reshape(-1, 32, 32).astype(int)
        for which in (golden, now)
    )
    assert np.abs(before - after).mean() <= 1


if __name__ == "__main__":
    PATH.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
