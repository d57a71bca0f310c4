"""How clips lie on disk: what a clip becomes (`encodings`), and where that is put (`clip_files`, `shards`)."""

from fractalvid.sets.formats.encoded_clip import EncodedClip, digest
from fractalvid.sets.formats.encodings import FORMATS, DecodeError, Format, VideoOptions
from fractalvid.sets.formats.store import Store, open_store

__all__ = ["FORMATS", "DecodeError", "EncodedClip", "Format", "Store", "VideoOptions", "digest", "open_store"]
