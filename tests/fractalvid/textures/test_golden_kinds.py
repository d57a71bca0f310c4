"""Golden values of the drawn kinds: what a seed gives must not change unless `STREAM_VERSION` does.

Random words are exact everywhere, pictures hold to a grey level as thumbnails, and to the bit where the recorded
fingerprint matches. To record them anew, after raising the version:
`python -m tests.fractalvid.textures.test_golden_kinds`.
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
from fractalvid.kinds import KINDS, fit_clips, render_fits, sample_bank

PATH = Path(__file__).parent / "golden_kinds.json"
DRAWN = [name for name in KINDS if name != "ifs"]
CLASSES, INSTANCES = np.array([0, 3, 7]), np.array([0, 5, FIRST_VALIDATION_ID])


def record(kind: str) -> dict[str, Any]:
    bank = sample_bank(8, kind=kind, seed=42)
    fit: Any = fit_clips(bank, CLASSES, INSTANCES)
    frames = render_fits(bank, fit, np.tile([1.5, 12.0], (3, 1)), size=48)
    small = frames.reshape(3, 2, 12, 4, 12, 4).mean(axis=(3, 5)).round().astype(np.uint8)
    return {
        "seeds": getattr(fit, "drawn", fit).seeds[:, :3].tolist(),
        "frames": bank.native_frames.tolist(),
        "pixels": hashlib.sha256(frames.tobytes()).hexdigest(),
        "thumbnails": base64.b64encode(small.tobytes()).decode(),
    }


@pytest.mark.parametrize("kind", DRAWN)
def test_a_seed_keeps_its_clips(kind: str) -> None:
    golden = json.loads(PATH.read_text(encoding="utf-8"))
    before, now = golden[kind], record(kind)
    assert now["seeds"] == before["seeds"]
    assert now["frames"] == before["frames"]
    if golden["fingerprint"] == fingerprint():
        assert now["pixels"] == before["pixels"]
    one, two = (np.frombuffer(base64.b64decode(r["thumbnails"]), np.uint8).astype(int) for r in (before, now))
    assert np.abs(one - two).max() <= 1


if __name__ == "__main__":
    whole = {"fingerprint": fingerprint()} | {kind: record(kind) for kind in DRAWN}
    PATH.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
