from .layouts import Part as Part
from .shares import draw_share as draw_share
from .shares import source_of as source_of
from .target import Entry as Entry
from .target import Folder as Folder
