"""Images read anew at other places: moved, turned, scaled, flipped, cut out."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.tracing import current_trace
from ganglion.value import Value

# As the core counts them.
FILL_MODES = ("constant", "nearest", "reflect", "wrap")
INTERPOLATIONS = ("nearest", "bilinear")


def resample(
    images: Value,
    matrix: Value,
    size: Sequence[int] | None = None,
    fill_mode: str = "constant",
    interpolation: str = "bilinear",
    fill_value: float = 0.0,
) -> Value:
    """Return images whose pixels are read from others, at the places that a matrix gives.

    Pixel (x, y), in column x of row y, is read at ``(a0 x + a1 y + a2, b0 x + b1 y + b2)``, where
    (0, 0) is the middle of the first pixel. Keras's ``ops.image.affine_transform`` does the same.

    Parameters
    ----------
    images : Value
        (None, height, width, channels).
    matrix : Value
        (None, 6): ``a0 a1 a2 b0 b1 b2`` of each image. It has no gradient: where one is needed of
        it, writing the program fails.
    size : (int, int), optional
        Height and width of the result, by default those of ``images``.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default="constant"
        What stands beyond the edges: ``fill_value``, the pixel at the edge, or the image again,
        mirrored ``(c b a | a b c | c b a)`` or repeated ``(a b c | a b c | a b c)``.
    interpolation : {"nearest", "bilinear"}, default="bilinear"
        From the nearest pixel, or from the four around the place.
    fill_value : float, default=0.0
        For ``fill_mode="constant"``.

    Returns
    -------
    Value
        (None, *size, channels)

    Raises
    ------
    ValueError
        For other shapes, or an unknown word.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import constant, broadcast_to, evaluate
    >>> def one_to_the_left(images):
    ...     matrix = broadcast_to(constant([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]), (None, 6))
    ...     return resample(images, matrix)
    >>> evaluate(one_to_the_left, np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)).ravel()
    array([2., 3., 0.])
    """
    if len(images.shape) != 4 or images.shape[0] is not None:
        raise ValueError(
            f"[resample] needs images (None, height, width, channels), got {images.shape}"
        )
    for name, word, known in (
        ("fill_mode", fill_mode, FILL_MODES),
        ("interpolation", interpolation, INTERPOLATIONS),
    ):
        if word not in known:
            raise ValueError(f"[resample] {name} must be one of {known}, got {word!r}")
    # The core fills with zeros, which makes it linear in the images.
    shifted = fill_mode == "constant" and fill_value != 0
    result = current_trace().apply(
        "resample",
        images - fill_value if shifted else images,
        matrix,
        size=list(images.shape[1:3] if size is None else size),
        fill_mode=FILL_MODES.index(fill_mode),
        interpolation=INTERPOLATIONS.index(interpolation),
    )
    return result + fill_value if shifted else result
