"""Fractal synthetic video: classes from seeds, clips from classes, batches while a network trains."""
