"""What a network is pre-trained on, besides the stream: generated sets on disk, one's own videos, and mixtures."""

from pretrain.sources.mixture import Mixed
from pretrain.sources.stored import StoredClips
from pretrain.sources.videos import OwnVideos

__all__ = ["Mixed", "OwnVideos", "StoredClips"]
