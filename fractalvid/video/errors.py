"""What goes wrong with a video, and how large it may be."""

from fractalvid.utils.errors import UserError

MAX_PIXELS = 40_000_000
"""Pixels a frame may have unless asked otherwise; 8K video has 33 to 36 million."""
KEPT_FRAMES = 32
"""Frames of `max_pixels` whose memory a video may take that is kept whole, as it was scaled."""
_MAX_ASPECT = 100
"""How many times longer than the other a side of a frame may be; scaling would make even more of a longer one."""


class VideoError(UserError):
    """A file that holds no frame that decodes.

    Attributes:
        why: the message without the name of the file.
        lasting: whether it says something of the file as it is, and will be so until that changes.
    """

    lasting: bool = True

    def __init__(self, why: str, name: object = None) -> None:
        """`name` is the file's, as it was given."""
        super().__init__(why if name is None else f"{name}: {why}")
        self.why = why


class ReadError(VideoError):
    """A file that the system does not let be read now (rights, open files, disk): it may well hold a video."""

    lasting = False


class TooLargeError(VideoError):
    """A video of more pixels than the caller allows."""

    lasting = False


def check_max_pixels(max_pixels: int) -> None:
    """Raise `UserError` for a limit that FFmpeg cannot have."""
    if not 1 <= max_pixels < 2**31:
        raise UserError(f"--max-pixels is {max_pixels}: it must be 1 to {2**31 - 1}")


def check_frame(width: int, height: int, max_pixels: int, name: object) -> None:
    """Refuse frames of too many pixels, before any is decoded or scaled.

    Raises:
        TooLargeError: more than `max_pixels`.
        VideoError: one side more than a hundred times longer than the other.
    """
    if width * height > max_pixels:
        raise TooLargeError(f"{_frames(width, height)}, more than --max-pixels {max_pixels}", name)
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise VideoError(f"{_frames(width, height)}: a side is more than {_MAX_ASPECT} times the other", name)


def check_kept(frames: int, width: int, height: int, max_pixels: int, name: object) -> None:
    """Raise `TooLargeError` where so many frames, as they were scaled, are too many to be kept at once."""
    if frames * width * height > KEPT_FRAMES * max_pixels:
        raise TooLargeError(
            f"{frames} {_frames(width, height)} or more, to be kept at once, are more than {KEPT_FRAMES} times "
            f"--max-pixels {max_pixels}",
            name,
        )


def _frames(width: int, height: int) -> str:
    return f"frames of {width} x {height} pixels"
