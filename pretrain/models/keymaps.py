"""Names in the checkpoints that the authors of TSM and X3D publish, translated into ours.

The rules follow the authors' code (mit-han-lab/temporal-shift-module, facebookresearch/SlowFast). They are tested on
tensors of the published names and shapes, but not on the published files themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Triple = tuple[float, float, float]
"""A value for each colour channel."""


@dataclass(frozen=True)
class Checkpoint:
    """How to read a file that somebody else has published.

    Attributes:
        where: the page that links to the files, and what they are called there.
        mark: a pattern that names in these files have, and those of other files do not.
        rules: pattern and replacement, applied to each name one after another.
        mean: subtracted from values in [0, 1], one a channel, in the authors' training.
        std: divided by afterwards, one a channel.
    """

    where: str
    mark: str
    rules: tuple[tuple[str, str], ...]
    mean: Triple
    std: Triple

    def is_theirs(self, state: "Mapping[str, Tensor]") -> bool:
        """Whether tensors have the names that the authors give them."""
        return any(re.search(self.mark, name) for name in state)

    def rename(self, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """The tensors under our names; a name that no rule knows stays as it is, and will not be found."""
        return {self._our_name(name): tensor for name, tensor in state.items()}

    def _our_name(self, name: str) -> str:
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name


_TSM_PAGE = "https://github.com/mit-han-lab/temporal-shift-module#pretrained-models"
_TSM_MARK = r"(?:^|\.)base_model\."
_WRAPPED = (r"^(?:.+\.)?(?=(?:base_model|new_fc)\.)", "module.")
"""A network that was wrapped by something else, or unwrapped, gets the authors' prefix."""
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

TSN_R50 = Checkpoint(
    where=f"{_TSM_PAGE}, TSM_kinetics_RGB_resnet50_avg_segment5_e50.pth",
    mark=_TSM_MARK,
    rules=(
        _WRAPPED,
        (r"^module\.base_model\.", ""),
        (r"^module\.new_fc\.", "fc."),
    ),
    mean=_IMAGENET_MEAN,
    std=_IMAGENET_STD,
)
TSM_R50 = Checkpoint(
    where=f"{_TSM_PAGE}, TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e50.pth and its like",
    mark=_TSM_MARK,
    rules=(
        _WRAPPED,
        (r"^module\.base_model\.(layer\d\.\d\.conv1)\.net\.", r"\1."),
        # A network without shifts has plain conv1: those keep their names, so that it is refused.
        (r"^module\.base_model\.(?!layer\d\.\d\.conv1\.)", ""),
        (r"^module\.new_fc\.", "fc."),
    ),
    mean=_IMAGENET_MEAN,
    std=_IMAGENET_STD,
)
_SHIFTED = r"features\.(?:3|5|6|8|9|10|12|13|15|16)\.conv\.0"
"""Convolutions of MobileNetV2 that see shifted channels: the expansions of blocks with a shortcut."""
TSM_MOBILENET_V2 = Checkpoint(
    where=f"{_TSM_PAGE}, TSM_kinetics_RGB_mobilenetv2_shift8_blockres_avg_segment8_e100_dense.pth",
    mark=_TSM_MARK,
    rules=(
        _WRAPPED,
        (rf"^module\.base_model\.({_SHIFTED})\.net\.", r"\1."),
        (rf"^module\.base_model\.(?!{_SHIFTED}\.)", ""),
        # Theirs is a flat list of layers; torchvision groups a convolution with its norm. In this order, no name is
        # translated twice.
        (r"^(features\.\d+\.conv)\.0\.", r"\1.0.0."),
        (r"^(features\.\d+\.conv)\.1\.", r"\1.0.1."),
        (r"^(features\.1\.conv)\.3\.", r"\1.1."),  # the only block without an expansion
        (r"^(features\.1\.conv)\.4\.", r"\1.2."),
        (r"^(features\.\d+\.conv)\.3\.", r"\1.1.0."),
        (r"^(features\.\d+\.conv)\.4\.", r"\1.1.1."),
        (r"^(features\.\d+\.conv)\.6\.", r"\1.2."),
        (r"^(features\.\d+\.conv)\.7\.", r"\1.3."),
        (r"^(?:module\.new_fc|classifier)\.", "classifier.1."),
    ),
    mean=_IMAGENET_MEAN,
    std=_IMAGENET_STD,
)
SLOWFAST_X3D = Checkpoint(
    where="https://github.com/facebookresearch/SlowFast/blob/main/MODEL_ZOO.md, x3d_s.pyth and x3d_m.pyth",
    mark=r"(?:^|\.)s1\.pathway0_stem\.",
    rules=(
        (r"^.+\.(?=(?:s[1-5]\.pathway0_|head\.))", ""),
        (r"^s1\.pathway0_stem\.conv_xy\.", "stem.0."),
        (r"^s1\.pathway0_stem\.conv\.", "stem.1."),
        (r"^s1\.pathway0_stem\.bn\.", "stem.2."),
        (r"^s2\.pathway0_res(\d+)\.", r"layer1.\1."),
        (r"^s3\.pathway0_res(\d+)\.", r"layer2.\1."),
        (r"^s4\.pathway0_res(\d+)\.", r"layer3.\1."),
        (r"^s5\.pathway0_res(\d+)\.", r"layer4.\1."),
        (r"\.branch1\.", ".downsample.0."),
        (r"\.branch1_bn\.", ".downsample.1."),
        (r"\.branch2\.se\.", ".se."),
        (r"\.branch2\.a\.", ".conv1.0."),
        (r"\.branch2\.a_bn\.", ".conv1.1."),
        (r"\.branch2\.b\.", ".conv2.0."),
        (r"\.branch2\.b_bn\.", ".conv2.1."),
        (r"\.branch2\.c\.", ".conv3.0."),
        (r"\.branch2\.c_bn\.", ".conv3.1."),
        (r"^head\.conv_5\.", "conv5.0."),
        (r"^head\.conv_5_bn\.", "conv5.1."),
        (r"^head\.lin_5\.", "lin5."),
        (r"^head\.projection\.", "fc."),
    ),
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
)
