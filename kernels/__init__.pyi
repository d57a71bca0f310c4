from .cuda.front import backends as backends
from .dispatch import MAX_COLOUR_POINTS as MAX_COLOUR_POINTS
from .dispatch import Accumulated as Accumulated
from .dispatch import accumulate as accumulate
from .dispatch import growth as growth
from .dispatch import orbit as orbit
from .dispatch import render as render
from .jobs import Jobs as Jobs
