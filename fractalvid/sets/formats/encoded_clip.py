"""A clip as bytes, on its way to where its set stores it."""

import hashlib
from dataclasses import dataclass

from fractalvid.sets.manifest import ClipId, ManifestRow


@dataclass(frozen=True)
class EncodedClip:
    """A clip as bytes.

    Attributes:
        clip: which it is.
        frames: T.
        video: the encoded clip.
        video_digest: of `video`.
        mask: its encoded foreground mask; empty where the set has none.
        mask_digest: of `mask`; empty where there is none.
    """

    clip: ClipId
    frames: int
    video: bytes
    video_digest: str
    mask: bytes
    mask_digest: str

    @classmethod
    def of(cls, clip: ClipId, frames: int, video: bytes, mask: bytes = b"") -> "EncodedClip":
        """A clip with its digests."""
        return cls(clip, frames, video, digest(video), mask, digest(mask) if mask else "")

    def row(self, path: str, offset: int = 0) -> ManifestRow:
        """Its row in a manifest, once it lies at `offset` of the file `path`."""
        return ManifestRow(
            path=path,
            class_id=self.clip.class_id,
            instance_id=self.clip.instance_id,
            frames=self.frames,
            bytes=len(self.video),
            digest=self.video_digest,
            offset=offset,
            mask_bytes=len(self.mask),
            mask_digest=self.mask_digest,
        )


def digest(data: bytes) -> str:
    """BLAKE2b of 8 bytes as 16 hexadecimal digits: finds damage and files that were swapped, not forgery."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()
