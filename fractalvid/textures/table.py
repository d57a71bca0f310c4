"""The kinds of textures, each a bank: what commands and `fractalvid.kinds` know of them."""

from fractalvid.textures.bank import TextureBank
from fractalvid.textures.dead_leaves import DeadLeavesBank
from fractalvid.textures.octopus import OctopusBank
from fractalvid.textures.perlin import PerlinBank
from fractalvid.textures.shapes import ShapesBank

TEXTURE_BANKS: tuple[type[TextureBank], ...] = (ShapesBank, PerlinBank, OctopusBank, DeadLeavesBank)
