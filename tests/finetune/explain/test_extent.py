"""How far maps reach in time and space, over every architecture, and what is said where they reach nowhere."""

import pytest

from fractalvid.finetune.explain.extent import Extent, finer_stage, map_extents, untold
from fractalvid.pretrain.models import ARCHITECTURES, build_model

EXTENTS = {"stem": Extent(4, 8, 8), "stage1": Extent(4, 2, 2), "stage2": Extent(2, 1, 1), "stage3": Extent(1, 1, 1)}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_stage_has_times_and_places(name: str) -> None:
    row = ARCHITECTURES[name]
    network, size = build_model(name, 2, seed=0), max(32, row.least_size)
    clip_len = max(2, row.least_clip_len)
    extents = map_extents(network, name, clip_len, size)
    assert list(extents) == ["stem", "stage1", "stage2", "stage3", "stage4"]
    for below, above in zip(list(extents.values())[:-1], list(extents.values())[1:], strict=True):
        assert all(low >= high >= 1 for low, high in zip(below, above, strict=True))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_frames_seen_one_by_one_are_times() -> None:
    network = build_model("tsn_r18", 2, seed=0)
    assert map_extents(network, "tsn_r18", 3, 64)["stage4"] == Extent(3, 2, 2)


@pytest.mark.parametrize(
    ("stage", "clip_len", "finer", "told"),
    [
        ("stem", 4, None, None),
        ("stage1", 4, None, None),
        ("stage2", 4, "stage1", "2 times and 1 place, so the peak's place says nothing; --stage stage1 is finer"),
        (
            "stage3",
            4,
            "stage1",
            "1 time and 1 place, so the peak's frame and place say nothing; --stage stage1 is finer",
        ),
        ("stage3", 1, "stage1", "1 time and 1 place, so the peak's place says nothing; --stage stage1 is finer"),
    ],
)
def test_the_highest_stage_that_tells_most_is_named(
    stage: str, clip_len: int, finer: str | None, told: str | None
) -> None:
    assert finer_stage(EXTENTS, stage, clip_len) == finer
    assert untold(EXTENTS, stage, clip_len) == (None if told is None else f"maps of {stage} have {told}")


def test_no_stage_is_named_where_none_is_finer() -> None:
    flat = {"stem": Extent(1, 4, 4), "stage1": Extent(1, 2, 2)}
    assert untold(flat, "stage1", 8) == "maps of stage1 have 1 time and 2 x 2 places, so the peak's frame says nothing"
    assert untold(flat, "stem", 8) == "maps of stem have 1 time and 4 x 4 places, so the peak's frame says nothing"
    assert finer_stage({"stem": Extent(1, 4, 4), "stage1": Extent(1, 1, 1)}, "stage1", 8) == "stem"
