"""The chaos game on a GPU: CUDA sources, their compilation, and a launcher for each."""
