"""Measurements of `fractalvid`."""
