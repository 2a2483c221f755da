"""What tells the steps of a sequence where they stand, which attention alone does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganglion import initializers, ops
from ganglion.errors import check_count, check_positive
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.sequences import check_sequences
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class PositionalEncoding(Layer):
    """Add waves to a sequence that are different at each step: ``x + encoding``.

    After Vaswani et al. (2017), section 3.5: of each pair of features one gets the sine and the
    other the cosine of ``step / max_wavelength ** (2 * pair / features)``. KerasHub's
    ``SinePositionEncoding`` gives the waves alone; here the layer adds them, as it stands in a
    chain.

    Parameters
    ----------
    max_wavelength : float, default=10000
        The slowest wave repeats after nearly 2 pi times as many steps. Positive.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input that is no sequence (None, steps, features).

    Examples
    --------
    >>> ops.evaluate(PositionalEncoding(), np.zeros((1, 2, 4))).round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]])
    """

    example_shape = (4, 5)
    keeps_mask = True

    def __init__(self, max_wavelength: float = 10000, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.max_wavelength = max_wavelength
        check_positive(self, "max_wavelength")

    def build(self, x: Value) -> Value:
        check_sequences(self, x)
        steps, features = (size or 1 for size in x.shape[1:])
        return x + ops.constant(_waves(steps, features, self.max_wavelength))


def _waves(steps: int, features: int, max_wavelength: float) -> NDArray[Any]:
    pair = np.arange(features) // 2
    angles = np.arange(steps)[:, None] / max_wavelength ** (2 * pair / features)
    return np.where(np.arange(features) % 2 == 0, np.sin(angles), np.cos(angles))


class PositionEmbedding(Layer):
    """Add a vector to each step of a sequence that is learned for its place: ``x + embedding``.

    After Gehring et al. (2017). KerasHub's layer of this name gives the vectors alone; here the
    layer adds them, as it stands in a chain. Shorter sequences use the first of them.

    Weight: ``embeddings`` (sequence_length, features).

    Parameters
    ----------
    sequence_length : int
        Most steps of a sequence.
    initializer : str or Initializer
        First values.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input that is no sequence (None, steps, features), or one of more steps.

    Examples
    --------
    >>> ops.evaluate(PositionEmbedding(10, "ones"), np.zeros((1, 2, 3)))
    array([[[1., 1., 1.],
            [1., 1., 1.]]])
    """

    example_shape = (4, 5)
    keeps_mask = True

    def __init__(
        self,
        sequence_length: int,
        initializer: str | Initializer = "glorot_uniform",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.sequence_length = sequence_length
        self.initializer = initializers.get(initializer)
        check_count(self, "sequence_length")

    @classmethod
    def examples(cls) -> list[PositionEmbedding]:
        return [cls(4), cls(7, "normal")]

    def build(self, x: Value) -> Value:
        check_sequences(self, x)
        steps, features = (size or 1 for size in x.shape[1:])
        if steps > self.sequence_length:
            raise ValueError(
                f"[PositionEmbedding] sequence_length is {self.sequence_length}, and the input of "
                f"shape {x.shape} has {steps} steps"
            )
        embeddings = self.add_weight(
            "embeddings", (self.sequence_length, features), self.initializer
        )
        return x + (embeddings if steps == self.sequence_length else embeddings[:steps])
