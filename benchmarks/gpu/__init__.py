"""Measurements of `gpu`."""
