from .digests import check_same_clips as check_same_clips
from .indexed import Share as Share
from .listing import list_videos as list_videos
from .listing import stored_clips as stored_clips
from .mixture import MixedClips as MixedClips
from .recolour import Recoloured as Recoloured
from .stored import StoredClips as StoredClips
from .videos import OwnVideos as OwnVideos
