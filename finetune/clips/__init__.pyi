from .config import AugmentConfig as AugmentConfig
from .config import ClipConfig as ClipConfig
from .config import FrameConfig as FrameConfig
from .config import ViewConfig as ViewConfig
from .files import open_clip as open_clip
from .loader import TrainLoader as TrainLoader
from .prediction import predict as predict
from .views import video_views as video_views
