"""How clips lie on disk: what a clip becomes (`encodings`), and where that is put (`files`, `shards`).

A format is a row of `encodings.FORMATS`; a store is what places its clips. Neither knows how clips are rendered.
"""

from fractalvid.sets.formats.encoded_clip import ClipId, Packed
from fractalvid.sets.formats.encodings import FORMATS, Format
from fractalvid.sets.formats.store import Store, open_store

__all__ = ["FORMATS", "ClipId", "Format", "Packed", "Store", "open_store"]
