"""Recipes: settings of a run as TOML files, and how they are read."""
