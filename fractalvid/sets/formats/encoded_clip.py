"""A clip as bytes, on its way to where its set keeps it."""

import hashlib
from dataclasses import dataclass

from fractalvid.sets.manifest import Row

ClipId = tuple[int, int]
"""Class id and instance id."""


@dataclass(frozen=True)
class Packed:
    """A clip as bytes.

    Attributes:
        clip: class id and instance id.
        frames: T.
        video: the encoded clip.
        digest: of `video`.
        mask: its encoded foreground mask; empty where the set has none.
        mask_digest: of `mask`; empty where there is none.
    """

    clip: ClipId
    frames: int
    video: bytes
    digest: str
    mask: bytes = b""
    mask_digest: str = ""

    def row(self, path: str, offset: int = 0) -> Row:
        """Its row in a manifest, once it lies there."""
        return Row(
            path,
            self.clip[0],
            self.clip[1],
            self.frames,
            len(self.video),
            self.digest,
            offset,
            len(self.mask),
            self.mask_digest,
        )


def pack(clip: ClipId, frames: int, video: bytes, mask: bytes = b"") -> Packed:
    """A clip as bytes, with its digests."""
    return Packed(clip, frames, video, digest(video), mask, digest(mask) if mask else "")


def digest(data: bytes) -> str:
    """BLAKE2b of 8 bytes as 16 hexadecimal digits: tells damage and mix-ups, not forgery."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()
