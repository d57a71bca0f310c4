from .beside import Beside as Beside
from .beside import read_beside as read_beside
from .masks import clip_mask as clip_mask
from .masks import read_mask as read_mask
from .masks import view_masks as view_masks
from .scenes import Scenes as Scenes
from .scenes import read_scenes as read_scenes
from .source import DebiasedClips as DebiasedClips
