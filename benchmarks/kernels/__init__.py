"""Measurements of `kernels`."""
