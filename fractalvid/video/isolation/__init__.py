"""Videos of unknown origin, decoded in child processes: what ends or fills one of those ends no run.

FFmpeg and Pillow are large programs in C. A child has limits of memory and time, and hands frames back as bytes of an
announced shape, never as pickles: nothing that a video does to it can make this process run code.
"""
