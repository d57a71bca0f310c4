from .mixture import Mixed as Mixed
from .stored import StoredClips as StoredClips
from .videos import OwnVideos as OwnVideos
