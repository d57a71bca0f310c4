"""The stores of decoded clips that the runs of one process share."""

import sys
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.cache.reader import open_cache
from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.video.errors import MAX_PIXELS
from fractalvid.video.index import VideoIndex


class Stores:
    """Decoded clips shared by the runs of one process: what one fold trains on, the next tests on."""

    def __init__(
        self, limit_bytes: int, cache_dir: Path | None = None, *, max_pixels: int = MAX_PIXELS, isolate: bool = False
    ) -> None:
        """At most `limit_bytes` in memory in all; with what `cache_dir` holds of indices and decoded videos.

        A frame of a file may have `max_pixels`; where `isolate`, child processes decode.
        """
        self.max_pixels, self.isolate = max_pixels, isolate
        self.memory = Memory(limit_bytes)
        self.cache_dir = cache_dir
        self._stores: dict[tuple[Path, int], ClipStore] = {}

    def get(self, root: Path, short_side: int) -> ClipStore:
        """The store for a data root and a resolution."""
        key = (root, short_side)
        if key not in self._stores:
            self._stores[key] = self._open(root, short_side)
        return self._stores[key]

    def _open(self, root: Path, short_side: int) -> ClipStore:
        if self.cache_dir is None:
            return ClipStore(
                root, short_side=short_side, memory=self.memory, max_pixels=self.max_pixels, isolate=self.isolate
            )
        facts = VideoIndex(root, self.cache_dir).unchanged()
        cache, refused = open_cache(self.cache_dir, root, short_side, facts, max_pixels=self.max_pixels)
        if refused:
            tqdm.write(f"note: {refused}", file=sys.stderr)
        return ClipStore(
            root,
            short_side=short_side,
            memory=self.memory,
            facts=facts,
            cache=cache,
            max_pixels=self.max_pixels,
            isolate=self.isolate,
        )
