"""Weights with their cards, and weights that others have published."""
