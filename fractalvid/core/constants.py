"""Numbers and names that many rooms share."""

MIN_FRAMES, MAX_FRAMES = 18, 20
"""Native frames of a clip."""

FIRST_VALIDATION_ID = 2**31
"""Instance ids from here up are validation: drawn by the same function, never in training."""

MAX_CLASSES = 1_000_000
"""Classes of a bank."""

MAX_CLIP_FRAMES = 10_000
"""Frames of a clip that is rendered or kept."""

MAX_POINTS = 2**31 - 1
"""Points of the chaos game a frame."""

PAPER_POINTS, PAPER_SIZE = 934_400, 256
"""Points of the chaos game a frame, and height and width of a frame in pixels, of the reference method."""

BANK_FILE = "classes.npz"
"""What a class bank is called in the folder of a set or a run, and by default."""
WEIGHTS_FILE = "weights.safetensors"
"""What weights are called in the folder of a run."""
