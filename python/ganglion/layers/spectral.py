"""Layers whose kernel is held at a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_count, place
from ganglion.initializers import RandomNormal
from ganglion.layers.base import Layer, LayerSettings, check_single_output
from ganglion.layers.dense import Dense
from ganglion.tracing import current_trace
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# The weights of layers that are matrices, whatever their shape.
_MATRICES = ("kernel", "embeddings")
# Below every norm but those of zeros.
_LEAST = 1e-12


class SpectralNormalization(Layer):
    """A layer whose kernel is divided by its largest singular value (Miyato et al. 2018).

    So a dense layer stretches no distance, which keeps the discriminator of a GAN smooth. The
    singular value is followed by power iteration, from one step of training to the next, on a
    vector that is kept: weight ``vector_u`` (1, outputs), not trained. The kernel is the matrix of
    (..., outputs). Prediction uses the vector as it is.

    As in PyTorch the kernel itself stays as it is, and the gradient knows that it is divided; Keras
    overwrites the kernel in each step.

    Parameters
    ----------
    layer : Layer
        With a weight ``kernel`` or ``embeddings``, as `Dense`, `Conv2D` and `Embedding` have.
    power_iterations : int
        In each step of training.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, a layer without such a weight.

    Examples
    --------
    >>> import numpy as np
    >>> layer = SpectralNormalization(Dense(3), power_iterations=50)
    >>> y = ops.evaluate(layer, np.eye(3), training=True)
    >>> round(float(np.linalg.norm(y, ord=2)), 3)
    1.0
    """

    keeps_mask = True

    def __init__(
        self, layer: Layer, power_iterations: int = 1, **settings: Unpack[LayerSettings]
    ) -> None:
        super().__init__(**settings)
        if not isinstance(layer, Layer):
            raise TypeError(f"{place(self)} layer must be a Layer, got {layer!r}")
        check_single_output(place(self), layer)
        self.layer = layer
        self.power_iterations = power_iterations
        check_count(self, "power_iterations")

    @classmethod
    def examples(cls) -> list[SpectralNormalization]:
        return [cls(Dense(4, activation="tanh")), cls(Dense(3), power_iterations=3)]

    def build(self, x: Value) -> Value:
        trace = current_trace()
        within = f"{trace.path}/{trace.name_of(self.layer, self.layer.name)}"
        matrices = [f"{within}/{name}" for name in _MATRICES]
        for name in matrices:
            trace.stand_ins[name] = self._normalized
        y: Value = self.layer(x)
        if not any(name in trace.weights for name in matrices):
            raise ValueError(
                f"{place(self)} layer must have a kernel, as Dense and Conv2D have, got "
                f"{self.layer!r}"
            )
        return y

    def _normalized(self, kernel: Value) -> Value:
        outputs = kernel.shape[-1]
        matrix = ops.reshape(kernel, (-1, outputs))
        kept = self.add_weight("vector_u", (1, outputs), RandomNormal(), trainable=False)
        u, v = kept, None
        for _ in range(self.power_iterations if self.learns else 0):
            v = _direction(ops.matmul(u, matrix, transpose_b=True))
            u = _direction(v @ matrix)
        if v is None:
            u = _direction(u)  # as it was drawn
            v = _direction(ops.matmul(u, matrix, transpose_b=True))
        else:
            ops.assign(kept, ops.stop_gradient(u))
        largest = ops.sum((ops.stop_gradient(v) @ matrix) * ops.stop_gradient(u))
        return kernel / ops.maximum(largest, _LEAST)


def _direction(vector: Value) -> Value:
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), _LEAST)
