"""Class names that tell that a mirror image is of another class."""

import pytest

from fractalvid.finetune.targets.folder.mirrored import mirrored_pair


@pytest.mark.parametrize(
    ("classes", "pair"),
    [
        (["left", "right"], ("left", "right")),
        (["Right", "up", "LEFT"], ("Right", "LEFT")),
        (["turn_left", "turn_right"], ("turn_left", "turn_right")),
        (["TurnLeft", "TurnRight"], ("TurnLeft", "TurnRight")),
        (["ABLeftTurn", "ABRightTurn"], ("ABLeftTurn", "ABRightTurn")),
        (["left to right", "right to left"], ("left to right", "right to left")),
        (["left2", "right2"], ("left2", "right2")),
        (["wave left", "clap right", "wave right", "clap left"], ("wave left", "wave right")),
        (["left1", "right2"], None),
        (["bright", "bleft"], None),
        (["leftover", "rightover"], None),
        (["turn_left", "jump_right"], None),
        (["a b", "a_b"], None),  # the same words, but neither left nor right among them
        (["left", "Left"], None),
        ([], None),
    ],
)
def test_left_and_right_are_told_by_whole_words(classes: list[str], pair: tuple[str, str] | None) -> None:
    assert mirrored_pair(classes) == pair
