"""Clips of fractals from drawn samples to batches without leaving the GPU's memory."""
