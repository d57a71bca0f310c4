"""Heads that learn, beside any objective, what else the generator knows of a clip: masks, curves, motion."""
