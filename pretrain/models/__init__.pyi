from .build import backbone as backbone
from .build import build_model as build_model
from .table import ARCHITECTURES as ARCHITECTURES
from .table import Architecture as Architecture
from .table import architecture as architecture
from .table import check_clip as check_clip
from .table import feature_dim as feature_dim
from .table import head_name as head_name
