"""Scenes that fill the frame: layers of textured matter behind an opaque figure, under a camera that moves."""
