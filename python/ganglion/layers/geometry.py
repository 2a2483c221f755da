"""Layers that move, turn, scale, flip and cut images at random in training.

Each reads every image at other places, which a matrix of six random numbers says: see
:func:`ganglion.ops.resample`. In prediction images stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import as_tuple, check_choice, check_count, check_number, check_seed, place
from ganglion.layers.augmentation import bounds, uniform
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.images import check_images
from ganglion.ops.resampling import FILL_MODES, INTERPOLATIONS
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

Factor = float | Sequence[float]
# Of a matrix: places x' and y' as multiples of x, y and 1.
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class RandomFlip(Layer):
    """Flip each image left to right, top to bottom, or both, with probability 1/2, in training.

    With ``mode="horizontal_and_vertical"`` the two are drawn apart, so that all four pictures
    appear; Keras draws once for both, so that an image is turned by half or stays as it is.
    Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    mode : {"horizontal", "vertical", "horizontal_and_vertical"}
        Left to right, top to bottom, both.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.broadcast_to(np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1), (1000, 1, 3, 1))
    >>> flipped = ops.evaluate(RandomFlip("horizontal"), images, training=True)
    >>> np.unique(flipped[:, 0, 0, 0]), round(float(flipped[:, 0, 0, 0].mean()), 1)
    (array([1., 3.]), 2.0)
    """

    example_shape = (5, 4, 3)

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.mode = mode
        self.seed = seed
        check_choice(self, ["horizontal", "vertical", "horizontal_and_vertical"], "mode")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[RandomFlip]:
        return [cls(), cls("horizontal", seed=1), cls("vertical")]

    def build(self, x: Value) -> Value:
        height, width = check_images(self, x, 2)
        if not self.training:
            return x
        matrix = ops.constant(_IDENTITY)
        if "horizontal" in self.mode:
            flips = ops.random_uniform((None, 1), self.seed) < 0.5
            matrix = matrix + flips * ops.constant((-2.0, 0.0, width - 1.0, 0.0, 0.0, 0.0))
        if "vertical" in self.mode:
            flips = ops.random_uniform((None, 1), self.seed) < 0.5
            matrix = matrix + flips * ops.constant((0.0, 0.0, 0.0, 0.0, -2.0, height - 1.0))
        return ops.resample(x, matrix, interpolation="nearest")


class _Moved(Layer, registered=False):
    """An image under another, with a margin that has to be filled."""

    example_shape = (5, 4, 3)

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.seed = seed
        self.fill_value = fill_value
        check_choice(self, FILL_MODES, "fill_mode")
        check_choice(self, INTERPOLATIONS, "interpolation")
        check_number(self, "fill_value")
        check_seed(self)

    def build(self, x: Value) -> Value:
        height, width = check_images(self, x, 2)
        if not self.training:
            return x
        return ops.resample(
            x,
            self._matrix(height, width),
            fill_mode=self.fill_mode,
            interpolation=self.interpolation,
            fill_value=self.fill_value,
        )

    def _matrix(self, height: int, width: int) -> Value:
        """Return the random matrix of each image, (None, 6)."""
        raise NotImplementedError


class RandomTranslation(_Moved):
    """Move each image by random shares of its height and width in training.

    Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    height_factor, width_factor : float or (float, float)
        Lower and upper bound of the move, as shares of height and width in [-1, 1]; positive is
        down and to the right. One number stands for (-number, number).
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default="reflect"
        What stands beyond the edges: ``fill_value``, the pixel at the edge, or the image again,
        mirrored ``(c b a | a b c | c b a)`` or repeated ``(a b c | a b c | a b c)``.
    interpolation : {"nearest", "bilinear"}, default="bilinear"
        From the nearest pixel, or from the four around the place.
    seed : int, optional
        Sets apart layers that would draw the same.
    fill_value : float, default=0.0
        For ``fill_mode="constant"``.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> quarter_right = RandomTranslation(0, (0.25, 0.25), fill_mode="constant")
    >>> ops.evaluate(quarter_right, image, training=True).ravel()
    array([0., 0., 1., 2.])
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **settings)
        self.height_factor = as_tuple(height_factor)
        self.width_factor = as_tuple(width_factor)
        bounds(self, "height_factor", -1, 1)
        bounds(self, "width_factor", -1, 1)

    @classmethod
    def examples(cls) -> list[RandomTranslation]:
        return [cls(0.2, 0.3), cls((-0.4, 0.1), 0.0, fill_mode="constant", fill_value=0.5)]

    def _matrix(self, height: int, width: int) -> Value:
        down = uniform(bounds(self, "height_factor", -1, 1), 1, self.seed)
        right = uniform(bounds(self, "width_factor", -1, 1), 1, self.seed)
        move_right = ops.constant((0.0, 0.0, -float(width), 0.0, 0.0, 0.0))
        move_down = ops.constant((0.0, 0.0, 0.0, 0.0, 0.0, -float(height)))
        return ops.constant(_IDENTITY) + right * move_right + down * move_down


class RandomRotation(_Moved):
    """Turn each image about its middle by a random angle in training.

    Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    factor : float or (float, float)
        Lower and upper bound of the angle, as shares of a whole turn in [-1, 1]; positive is
        counter-clockwise. One number stands for (-number, number).
    fill_mode, interpolation, seed, fill_value, **settings
        See :class:`RandomTranslation`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> ops.evaluate(RandomRotation((0.25, 0.25)), image, training=True)[0, :, :, 0]
    array([[1., 3.],
           [0., 2.]])
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **settings)
        self.factor = as_tuple(factor)
        bounds(self, "factor", -1, 1)

    @classmethod
    def examples(cls) -> list[RandomRotation]:
        return [cls(0.1), cls((-0.3, 0.2), fill_mode="nearest")]

    def _matrix(self, height: int, width: int) -> Value:
        turn = uniform(bounds(self, "factor", -1, 1), 1, self.seed)
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        with_cosine = ops.constant((1.0, 0.0, -middle_x, 0.0, 1.0, -middle_y))
        with_sine = ops.constant((0.0, -1.0, middle_y, 1.0, 0.0, -middle_x))
        middle = ops.constant((0.0, 0.0, middle_x, 0.0, 0.0, middle_y))
        return ops.cospi(2.0 * turn) * with_cosine + ops.sinpi(2.0 * turn) * with_sine + middle


class RandomZoom(_Moved):
    """Scale each image about its middle by random factors in training.

    Keras's ``data_format`` is left out: channels are last.

    Parameters
    ----------
    height_factor : float or (float, float)
        Lower and upper bound of what is added to 1 to get the height that is seen, within [-1, 1]:
        0.2 zooms out by a fifth, -0.2 in. One number stands for (-number, number).
    width_factor : float or (float, float), optional
        The same for the width. None keeps the proportions.
    fill_mode, interpolation, seed, fill_value, **settings
        See :class:`RandomTranslation`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(5.0).reshape(1, 1, 5, 1)
    >>> ops.evaluate(RandomZoom(0, (-0.5, -0.5)), image, training=True).ravel()
    array([1. , 1.5, 2. , 2.5, 3. ])
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, **settings)
        self.height_factor = as_tuple(height_factor)
        self.width_factor = as_tuple(width_factor)
        bounds(self, "height_factor", -1, 1)
        if width_factor is not None:
            bounds(self, "width_factor", -1, 1)

    @classmethod
    def examples(cls) -> list[RandomZoom]:
        return [cls(0.3), cls((-0.3, 0.1), 0.2, fill_mode="wrap")]

    def _matrix(self, height: int, width: int) -> Value:
        high = uniform(bounds(self, "height_factor", -1, 1), 1, self.seed)
        wide = high
        if self.width_factor is not None:
            wide = uniform(bounds(self, "width_factor", -1, 1), 1, self.seed)
        stretch_x = ops.constant((1.0, 0.0, -(width - 1) / 2, 0.0, 0.0, 0.0))
        stretch_y = ops.constant((0.0, 0.0, 0.0, 0.0, 1.0, -(height - 1) / 2))
        return ops.constant(_IDENTITY) + wide * stretch_x + high * stretch_y


class RandomCrop(Layer):
    """Cut a window from a random place of each image in training, and from the middle otherwise.

    Keras cuts all images of a batch at one place, leaves those it predicts as large as they are,
    and scales those that are smaller than the window, which is an error here; its ``data_format``
    is left out: channels are last.

    Parameters
    ----------
    height, width : int
        Of the window.
    seed : int, optional
        Sets apart layers that would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        When it is built on images smaller than the window.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(RandomCrop(1, 3), np.arange(5.0).reshape(1, 1, 5, 1)).ravel()
    array([1., 2., 3.])
    """

    example_shape = (5, 4, 3)

    def __init__(
        self, height: int, width: int, seed: int | None = None, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        self.height = height
        self.width = width
        self.seed = seed
        check_count(self, "height", "width")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[RandomCrop]:
        return [cls(3, 2), cls(5, 3)]

    def build(self, x: Value) -> Value:
        rows, columns = check_images(self, x, 2)
        if self.height > rows or self.width > columns:
            raise ValueError(
                f"{place(self)} a window of {self.height} x {self.width} does not fit images of "
                f"{rows} x {columns}"
            )
        free_rows, free_columns = rows - self.height, columns - self.width
        if not self.training:
            top, left = free_rows // 2, free_columns // 2
            return x[:, top : top + self.height, left : left + self.width]
        down = ops.floor(uniform((0.0, free_rows + 1.0), 1, self.seed))
        right = ops.floor(uniform((0.0, free_columns + 1.0), 1, self.seed))
        matrix = ops.constant(_IDENTITY)
        matrix = matrix + right * ops.constant((0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
        matrix = matrix + down * ops.constant((0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
        return ops.resample(x, matrix, (self.height, self.width), interpolation="nearest")
