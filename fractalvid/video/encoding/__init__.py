"""Clips become video files."""
