"""Measurements of `pretrain`."""
