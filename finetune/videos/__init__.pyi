from .data import Data as Data
from .data import list_split as list_split
from .data import open_data as open_data
from .data import read_videos as read_videos
from .listing import Listing as Listing
from .machine import Machine as Machine
from .survey import survey_splits as survey_splits
