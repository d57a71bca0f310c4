"""Optimisers, schedules, averages of weights, and how long a budget lasts."""
