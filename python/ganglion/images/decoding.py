"""From the bytes of an image file to an array of fixed size, by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.optional import require

# Pillow's names of the modes, a letter for each channel, and of the filters.
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
FILTERS = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
    "lanczos3": "LANCZOS",
}
# A JPEG is decoded at a half, quarter or eighth of its size, at less cost, if that leaves so many
# times what is wanted: the filter then hardly sees the difference.
_DECODED_OVER_WANTED = 2


def pillow() -> Any:
    """Return ``PIL.Image``, loaded when it is first used.

    Raises
    ------
    ImportError
        Without Pillow, with the command that installs it.
    """
    return require("PIL.Image", "ImageFolder", extra="images", distribution="Pillow")


@dataclass(frozen=True)
class Decoder:
    """How images are made equal.

    Attributes
    ----------
    image_size : (int, int)
        Height and width.
    color_mode : {"rgb", "rgba", "grayscale"}
        Channels.
    interpolation : {"nearest", "bilinear", "bicubic", "area", "lanczos3"}
        How to resize.
    crop_to_aspect_ratio : bool
        Whether sides are cut off rather than the image distorted.
    """

    image_size: tuple[int, int]
    color_mode: str
    interpolation: str
    crop_to_aspect_ratio: bool

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return (*self.image_size, len(MODES[self.color_mode]))

    def decode(self, path: str, out: NDArray[np.uint8]) -> None:
        """Write an image into an array of ``sample_shape``."""
        height, width = self.image_size
        mode = MODES[self.color_mode]
        with pillow().open(path) as image:
            _check_mode(image)
            least = (_DECODED_OVER_WANTED * width, _DECODED_OVER_WANTED * height)
            reduced = image.draft(mode, least)
            size = reduced[1][2:] if reduced else image.size
            box = _middle(size, width / height) if self.crop_to_aspect_ratio else (0, 0, *size)
            method = pillow().Resampling[FILTERS[self.interpolation]]
            resized = _converted(image, mode).resize((width, height), method, box)
        out[...] = np.asarray(resized).reshape(out.shape)

    def look(self, path: str) -> None:
        """Read the beginning of a file, which says that it is an image, and of which kind."""
        with pillow().open(path) as image:
            _check_mode(image)


def reason_not_to(work: Callable[..., None], path: str, *arguments: Any) -> str | None:
    """Do something with an image file; return what was wrong with it, or None."""
    try:
        work(path, *arguments)
    except MemoryError:
        raise
    except Exception as error:  # a decoder of damaged data may raise anything
        if isinstance(error, pillow().UnidentifiedImageError):
            return "it is no image that Pillow knows"
        return str(error) or type(error).__name__
    return None


def _check_mode(image: Any) -> None:
    if image.mode.startswith(("I", "F")):
        raise ValueError(
            f"it has 16 or 32 bits a channel (mode {image.mode}), expected 8: convert it first"
        )


def _converted(image: Any, mode: str) -> Any:
    if image.mode == mode:
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of any other way
    return image.convert(mode)


def _middle(size: tuple[float, float], ratio: float) -> tuple[float, float, float, float]:
    """Return the middle of an image, as large as a ratio of width to height allows."""
    width, height = size
    inner_width, inner_height = min(width, height * ratio), min(height, width / ratio)
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    return left, top, left + inner_width, top + inner_height
