from .layouts import Part as Part
from .shares import draw_share as draw_share
from .shares import source_of as source_of
from .table import Entry as Entry
from .table import VideoTable as VideoTable
from .target import Folder as Folder
