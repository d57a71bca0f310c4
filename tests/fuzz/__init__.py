"""Hostile and broken input: what is read (`targets`), how it is changed (`mutations`), what must hold (`oracle`)."""
