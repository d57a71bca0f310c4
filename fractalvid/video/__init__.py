"""Video files: codecs, reading, writing, and which videos of a folder decode."""
