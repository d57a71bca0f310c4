"""Array kernels of the chaos game: points of attractors, histograms and images. Arrays in, arrays out."""

from kernels.backend import backends
from kernels.dispatch import MAX_COLOUR_POINTS, Accumulated, accumulate, growth, orbit, render
from kernels.jobs import Jobs

__all__ = ["MAX_COLOUR_POINTS", "Accumulated", "Jobs", "accumulate", "backends", "growth", "orbit", "render"]
