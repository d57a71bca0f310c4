"""Decoded videos, kept so that training need not decode them again."""
