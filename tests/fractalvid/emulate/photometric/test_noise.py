"""Sensor noise: its distribution, and that it is a function of the key."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fractalvid.emulate.photometric.noise import normals, random_words, sensor_noise


def noisy(grey: int, read: float, shot: float, key: tuple[int, int] = (1, 2), size: int = 200) -> Tensor:
    clip = torch.full((1, 1, 2, size, size), grey, dtype=torch.uint8)
    strength = np.array([[read], [shot]], np.float32)
    return sensor_noise(clip, strength[0], strength[1], np.array([key], np.uint32)).double() - grey


@pytest.mark.parametrize("grey", [60, 128, 190])
@pytest.mark.parametrize(("read", "shot"), [(3.0, 0.0), (0.0, 8.0), (2.0, 6.0), (0.5, 0.5)])
def test_variance_is_as_specified(grey: int, read: float, shot: float) -> None:
    noise = noisy(grey, read, shot)
    # Rounding to whole greys adds 1/12.
    assert noise.var().item() == pytest.approx(read**2 + shot**2 * grey / 255 + 1 / 12, rel=0.05)
    assert abs(noise.mean().item()) < 0.05


def test_black_has_no_shot_noise_and_greys_stay_in_range() -> None:
    assert not noisy(0, 0, 20).any()
    assert noisy(255, 20, 0).max() == 0
    assert noisy(0, 20, 0).min() == 0


def test_normals_are_normal() -> None:
    sample = normals(torch.tensor([[5, -7]], dtype=torch.int32), 1_000_000)[0].double()
    assert abs(sample.mean().item()) < 0.005
    assert sample.var().item() == pytest.approx(1, abs=0.005)
    assert (sample**3).mean().item() == pytest.approx(0, abs=0.02)
    assert (sample**4).mean().item() == pytest.approx(3, abs=0.05)


def test_words_do_not_repeat_or_resemble_each_other() -> None:
    # Keys are random words themselves.
    keys = torch.from_numpy(np.random.default_rng(0).integers(0, 2**32, (4, 2), dtype=np.uint32).view(np.int32))
    for row in random_words(keys, 20_000):
        assert len(row.unique()) > 19_990
    sample = normals(keys, 40_000).double()
    together = torch.corrcoef(torch.cat([sample.roll(shift, dims=1) for shift in (0, 1, 2, 112)]))
    assert (together - torch.eye(16)).abs().max() < 0.025


def test_words_are_the_hash_of_the_counter() -> None:
    def word(key: tuple[int, int], counter: int) -> int:
        low = 2**32 - 1

        def mixed(x: int, shift: int) -> int:
            signed = x - 2**32 if x >> 31 else x
            return (x ^ (signed >> shift)) & low

        x = mixed((counter * 0x9E3779B9 + key[0]) & low, 16)
        x = mixed((x * 0x7FEB352D + key[1]) & low, 15)
        return mixed((x * 0x846CA68B) & low, 16)

    keys = [(3, 9), (2**31 + 1, 2**32 - 5)]
    words = random_words(torch.from_numpy(np.array(keys, np.uint32).view(np.int32)), 50).numpy().view(np.uint32)
    assert words.tolist() == [[word(key, counter) for counter in range(50)] for key in keys]


def test_every_pixel_frame_and_channel_has_its_own() -> None:
    clip = torch.full((1, 3, 2, 32, 32), 128, dtype=torch.uint8)
    one = np.array([5], np.float32)
    planes = sensor_noise(clip, one, one, np.array([[4, 4]], np.uint32)).double().view(6, -1)
    assert (torch.corrcoef(planes) - torch.eye(6)).abs().max() < 0.15
    assert not torch.equal(noisy(128, 5, 0, key=(1, 2)), noisy(128, 5, 0, key=(1, 3)))
    assert torch.equal(noisy(128, 5, 0), noisy(128, 5, 0))
