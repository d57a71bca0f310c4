"""What a network is pre-trained on, besides the stream: generated sets on disk, one's own videos, and mixtures."""

from fractalvid.pretrain.clips.mixture import Mixed
from fractalvid.pretrain.clips.stored import StoredClips
from fractalvid.pretrain.clips.videos import OwnVideos

__all__ = ["Mixed", "OwnVideos", "StoredClips"]
