"""The fractal kind: iterated function systems, their classes and instances, views and clips."""
