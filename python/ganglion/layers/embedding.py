"""Vectors learned for ids: of words, characters, categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import initializers, ops, regularizers
from ganglion.errors import check_boolean, check_count
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Ids are held as the network's numbers: in float32 they are whole up to here.
_LARGEST_VOCABULARY = 1 << 24


class Embedding(Layer):
    """The row of a table for each id: ``embeddings[x]``.

    Weights: ``embeddings`` (input_dim, output_dim). A network that begins with it takes ids of any
    number type, and checks them before any work. Its gradient is computed together with the
    optimizer's update, so that no table of gradients is written. Keras's constraint, LoRA and
    quantization arguments are left out.

    Parameters
    ----------
    input_dim : int
        Size of the vocabulary: ids are whole numbers from 0 to less than it. At most 2^24.
    output_dim : int
        Numbers that stand for an id.
    embeddings_initializer : str or Initializer, default="uniform"
        First values.
    embeddings_regularizer : str or Regularizer, optional
        Penalty.
    mask_zero : bool, default=False
        Whether id 0 is padding, which does not count in the layers behind, in the loss and in the
        metrics: see :class:`Masking`. Needs ids (None, steps).
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        When data are read, for an id that the vocabulary has not, and for a sample that is nothing
        but padding.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential
    >>> net = Sequential([Embedding(1000, 8)])
    >>> net.forward(np.array([[4, 17, 4], [0, 1, 999]])).shape
    (2, 3, 8)
    """

    keeps_mask = True
    example_shape = (4,)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: str | Initializer = "uniform",
        embeddings_regularizer: str | Regularizer | None = None,
        mask_zero: bool = False,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.mask_zero = mask_zero
        check_boolean(self, "mask_zero")
        check_count(self, "input_dim")
        check_count(self, "output_dim")
        if input_dim > _LARGEST_VOCABULARY:
            raise ValueError(f"[Embedding] input_dim must be at most 2^24, got {input_dim}")

    @classmethod
    def examples(cls) -> list[Embedding]:
        return [
            cls(7, 3),
            cls(5, 17, embeddings_regularizer="l2", activity_regularizer="l1"),
            cls(3, 6, mask_zero=True),
        ]

    @property
    def vocabulary(self) -> int:
        """How many ids there are."""
        return self.input_dim

    @property
    def padding_value(self) -> float | None:
        return 0.0 if self.mask_zero else None

    def build(self, x: Value) -> Value:
        """Return (None, ..., output_dim) for ids of (None, ...)."""
        if self.mask_zero and len(x.shape) != 2:
            raise ValueError(
                f"[Embedding] mask_zero needs ids of shape (None, steps), got {x.shape}"
            )
        embeddings = self.add_weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
        )
        y = ops.take(embeddings, x)
        if not self.mask_zero:
            return y
        counts = ops.not_equal(x, 0.0)
        return ops.with_mask(y, counts if x.mask is None else counts * x.mask)
