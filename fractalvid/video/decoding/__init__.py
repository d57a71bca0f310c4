"""Frames of video files and animations: decoded, composed, converted, turned upright."""
