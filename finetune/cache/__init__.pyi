from .reader import CacheKind as CacheKind
from .store import ClipStore as ClipStore
from .stores import Stores as Stores
from .writer import make_cache as make_cache
