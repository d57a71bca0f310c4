"""What a run may use of this machine: not part of what makes a result."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.machine import resolve_device
from fractalvid.utils.checks import MAX_SETTING, MAX_THREADS, check_at_most, check_fields
from fractalvid.utils.errors import UserError
from fractalvid.video.errors import MAX_PIXELS, check_max_pixels

if TYPE_CHECKING:
    from fractalvid.finetune.cache.stores import Stores


@dataclass(frozen=True)
class Machine:
    """What a run may use here: not part of what makes a result."""

    device: str = "auto"
    """Where the network runs: auto, cpu, cuda or cuda:N."""
    threads: int | None = None
    """Threads that decode and crop; default one a processor."""
    cache_gb: float = 4.0
    """Memory for decoded videos, in GiB; what does not fit is decoded at each use, unless `finetune prepare` did."""
    cache_dir: Path | None = None
    """Where the index, decoded videos and drawn demo clips are kept; default ~/.cache/fractalvid."""
    max_broken: float = 0.05
    """Share of videos that may fail to decode; those are skipped, counted and named."""
    max_pixels: int = MAX_PIXELS
    """Pixels that a frame of a video may have; one with more does not count as a video. 8K has 33 to 36 million."""
    isolate: bool = False
    """Decode videos in child processes: one that crashes, hangs or fills the decoder counts as broken, and no more."""
    progress: bool = True
    """Show progress bars."""

    def __post_init__(self) -> None:
        """Refuse values that nothing can be done with."""
        check_fields(self)
        if self.threads is not None and not 1 <= self.threads <= MAX_THREADS:
            raise UserError(f"--threads is {self.threads}: it must be 1 to {MAX_THREADS}")
        if not self.cache_gb >= 0:
            raise UserError(f"--cache-gb is {self.cache_gb}: it must be 0 or more")
        check_max_pixels(self.max_pixels)
        if not 0 <= self.max_broken <= 1:
            raise UserError(f"--max-broken is {self.max_broken}: it is a share, 0 to 1")
        check_at_most(self, {"cache_gb": MAX_SETTING})

    def check(self) -> None:
        """Raise `UserError` for a device that there is not."""
        resolve_device(self.device)

    def cache(self) -> Path:
        """The cache folder."""
        from fractalvid.video.index import default_cache_dir  # brings a decoder

        return default_cache_dir() if self.cache_dir is None else self.cache_dir

    def decoders(self) -> int:
        """Number of decoding threads."""
        return available_cores() if self.threads is None else self.threads

    def stores(self) -> "Stores":
        """New stores of decoded videos, within these limits."""
        from fractalvid.finetune.cache.stores import Stores  # brings a decoder

        limit = int(self.cache_gb * 2**30)
        return Stores(limit, self.cache(), max_pixels=self.max_pixels, isolate=self.isolate)
