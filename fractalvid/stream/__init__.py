"""Clips rendered on the fly, as batches for training."""
