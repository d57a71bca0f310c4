"""A kind of classes of your own: rings that grow out of a centre. From Python it is used like the others.

What a class fixes is drawn once, from a generator; what is random about a clip comes from counters, so that each clip
is a function of its ids; and pictures are a pure function of both. Nothing else is asked.

The commands (`verify`, `stats`, `pretrain --data`) know only the kinds that come with the program. So work with banks
and sets of this one from Python, and import the module that registers it first: `fv.verify`, `fv.FractalSet`,
`fv.FractalStream` and `fv.generate` then take them.

python examples/custom_kind.py [--out rings]
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import fractalvid as fv
from fractalvid.textures import TextureBank, TextureConfig, TextureInstances, draw_texture_instances


@dataclass(frozen=True)
class RingsConfig(TextureConfig):
    """What classes of rings are drawn from: a value of each range a class."""

    limits: ClassVar[dict[str, tuple[float, float]]] = {"rings": (0.5, 50.0), "speed": (0.0, 1.0)}

    rings: tuple[float, float] = (2.0, 12.0)
    """Across the view."""
    speed: tuple[float, float] = (0.02, 0.3)
    """Rings a native frame that leave the centre."""


@dataclass(frozen=True, repr=False)
class RingsBank(TextureBank):
    """K classes of rings; arrays (K,)."""

    kind: ClassVar[str] = "rings"
    config_type: ClassVar[type[TextureConfig]] = RingsConfig
    motion: ClassVar[tuple[str, ...]] = ("speed",)
    endless: ClassVar[bool] = True

    rings: NDArray[np.float64]
    speed: NDArray[np.float64]

    @classmethod
    def sample_class(cls, config: RingsConfig, frames: int, rng: np.random.Generator) -> dict[str, Any]:
        """How many rings, and how fast: a class."""
        return {"rings": rng.uniform(*config.rings), "speed": rng.uniform(*config.speed)}

    def draw(self, class_id: NDArray[np.int64], instance_id: NDArray[np.int64]) -> TextureInstances:
        """Two numbers a clip: where its centre is."""
        return draw_texture_instances(self.seed, class_id, instance_id, figure=2)

    def pictures(
        self,
        fit: TextureInstances,
        times: NDArray[np.float64],
        projection: NDArray[np.float64],
        *,
        size: tuple[int, int],
        indices: bool,
        threads: int | None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Grey (B, F, H, W): where each pixel lies in the view [0, 1]², and how far from the centre that is."""
        height, width = size
        pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)  # (H, W, 2)
        homogeneous = np.concatenate([pixels, np.ones((height, width, 1))], axis=-1)
        places = np.einsum("bfij,hwj->bfhwi", np.linalg.inv(projection), homogeneous)
        centre = fit.figure.T[:, None, None, None]  # (B, 1, 1, 1, 2)
        radius = np.linalg.norm(places[..., :2] / places[..., 2:] - centre, axis=-1)
        rings, speed = (values[fit.class_id][:, None, None, None] for values in (self.rings, self.speed))
        phase = 2 * np.pi * (rings * radius - speed * times[..., None, None])
        grey = np.round(127.5 + 127.5 * np.cos(phase)).astype(np.uint8)
        return grey, grey if indices else None


fv.register_kind(RingsBank)


def main() -> None:
    """A clip, a batch of a stream, and a set on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("rings"))
    out = parser.parse_args().out

    bank = fv.sample_bank(10, kind="rings", seed=0)
    print(fv.render_clip(bank, class_id=3, instance_id=0, size=64).shape)
    stream = fv.FractalStream(bank, batch_size=4, seed=0, config=fv.StreamConfig(clip_len=8, size=64), emulate="paper")
    print(tuple(next(iter(stream)).video.shape))
    fv.generate(bank, out, fv.SetConfig(clips=2, size=64), workers=1, progress=False)
    print(f"{len(fv.FractalSet(out))} clips in {out}")


if __name__ == "__main__":
    main()
