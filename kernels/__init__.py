"""Array kernels of the chaos game: points of attractors, histograms and images. Arrays in, arrays out."""

from fractalvid.kernels.cuda.front import backends
from fractalvid.kernels.dispatch import MAX_COLOUR_POINTS, Accumulated, accumulate, growth, orbit, render
from fractalvid.kernels.jobs import Jobs

__all__ = ["MAX_COLOUR_POINTS", "Accumulated", "Jobs", "accumulate", "backends", "growth", "orbit", "render"]
