"""First values of weights. Names, defaults and formulas are Keras's, the random numbers NumPy's.

Values are drawn in float64 from a generator that depends on the seed and on the name of the weight,
so a layer starts the same whatever stands before it. ``seed`` replaces the network's. Keras's
``input_axes`` and ``output_axes``, and its STFT initializer, are left out.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import numpy.typing as npt

from ganglion.errors import (
    check_at_least,
    check_choice,
    check_number,
    check_numbers,
    check_positive,
    check_seed,
)
from ganglion.spec import Spec
from ganglion.spec import get as get_spec

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]


def __dir__() -> list[str]:
    return __all__


Array = npt.NDArray[np.float64]

# Standard deviation of a standard normal distribution cut off at -2 and 2.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Spec, kind="initializer"):
    """Base class: ``draw(shape, generator)`` returns the first values of a weight.

    Examples
    --------
    >>> class Ramp(Initializer):
    ...     def draw(self, shape, generator):
    ...         return np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape)
    >>> Ramp().draw((3,), np.random.default_rng(0))
    array([0. , 0.5, 1. ])
    """

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        """Return values of that shape, in float64.

        Parameters
        ----------
        shape : tuple of int
            Shape of the weight. Kernels are (..., inputs, outputs).
        generator : numpy.random.Generator
            Where random numbers come from.
        """
        raise NotImplementedError(f"[{type(self).__name__}] has no draw method")


class Zeros(Initializer, aliases=("zero",)):
    """All 0."""

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        return np.zeros(shape)


class Ones(Initializer, aliases=("one",)):
    """All 1."""

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        return np.ones(shape)


class Constant(Initializer):
    """All the same value, or given values.

    Parameters
    ----------
    value : float or array_like
        The value, or an array that broadcasts to the weight's shape.

    Examples
    --------
    >>> Constant(0.5).draw((2,), np.random.default_rng(0))
    array([0.5, 0.5])
    """

    def __init__(self, value: npt.ArrayLike = 0.0) -> None:
        self.value = value
        check_numbers(self, "value")

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        try:
            return np.full(shape, self.value, dtype=np.float64)
        except ValueError:
            raise ValueError(
                f"[Constant] value of shape {np.shape(self.value)} does not fit a weight of shape "
                f"{shape}"
            ) from None


class RandomNormal(Initializer, aliases=("normal",)):
    """Normal distribution.

    Parameters
    ----------
    mean : float
        Mean.
    stddev : float
        Standard deviation, non-negative.
    seed : int, optional
        Replaces the network's.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed
        check_number(self, "mean")
        check_at_least(self, 0, "stddev")
        check_seed(self)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        return generator.normal(self.mean, self.stddev, shape)


class RandomUniform(Initializer, aliases=("uniform",)):
    """Uniform distribution on [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
        Bounds.
    seed : int, optional
        Replaces the network's.
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed
        check_number(self, "minval")
        check_at_least(self, minval, "maxval")
        check_seed(self)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        return generator.uniform(self.minval, self.maxval, shape)


class TruncatedNormal(Initializer):
    """Normal distribution, drawn again beyond two standard deviations.

    Parameters
    ----------
    mean : float
        Mean.
    stddev : float
        Standard deviation before the cut, non-negative; what is drawn has 0.88 of it.
    seed : int, optional
        Replaces the network's.

    Examples
    --------
    >>> drawn = TruncatedNormal(stddev=1.0).draw((1000,), np.random.default_rng(0))
    >>> bool(np.abs(drawn).max() <= 2)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed
        check_number(self, "mean")
        check_at_least(self, 0, "stddev")
        check_seed(self)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        return self.mean + self.stddev * _truncated_normal(shape, generator)


def _truncated_normal(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    drawn = np.asarray(generator.standard_normal(shape))
    while True:
        beyond = np.abs(drawn) > 2
        if not beyond.any():
            return drawn
        drawn[beyond] = generator.standard_normal(int(beyond.sum()))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of inputs and outputs of one unit.

    Leading axes of a kernel (..., inputs, outputs) are the receptive field of a convolution.

    Examples
    --------
    >>> fans((784, 10)), fans((3, 3, 16, 32)), fans((5,))
    ((784, 10), (144, 288), (5, 5))
    """
    if len(shape) < 2:
        size = prod(shape)
        return size, size
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class VarianceScaling(Initializer):
    """Random values whose variance is ``scale / n``, n being the fan of the weight.

    Parameters
    ----------
    scale : float
        Positive.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Inputs of a unit, its outputs, or their mean.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The distribution; the truncated one is widened so that the variance is right.
    seed : int, optional
        Replaces the network's.

    Examples
    --------
    >>> drawn = VarianceScaling(2.0).draw((100, 50), np.random.default_rng(0))
    >>> round(float(drawn.var()), 3)
    0.02
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        self.scale = scale
        self.mode = mode
        # Keras's second name for it.
        self.distribution = "truncated_normal" if distribution == "normal" else distribution
        self.seed = seed
        check_positive(self, "scale")
        check_choice(self, ("fan_in", "fan_out", "fan_avg"), "mode")
        check_choice(self, ("truncated_normal", "untruncated_normal", "uniform"), "distribution")
        check_seed(self)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = sqrt(3.0 * variance)
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return generator.normal(0.0, sqrt(variance), shape)
        return sqrt(variance) / TRUNCATED_STDDEV * _truncated_normal(shape, generator)


class GlorotUniform(VarianceScaling):
    """Uniform with variance ``1 / mean(fan_in, fan_out)`` (Glorot & Bengio 2010)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Truncated normal with variance ``1 / mean(fan_in, fan_out)`` (Glorot & Bengio 2010)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Uniform with variance ``2 / fan_in``, for ReLU (He et al. 2015)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Truncated normal with variance ``2 / fan_in``, for ReLU (He et al. 2015)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Uniform with variance ``1 / fan_in``, for SELU (LeCun et al. 1998)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Truncated normal with variance ``1 / fan_in``, for SELU (LeCun et al. 1998)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


class Orthogonal(Initializer):
    """Rows or columns, whichever are fewer, orthogonal and of length ``gain`` (Saxe et al. 2014).

    Parameters
    ----------
    gain : float
        Factor.
    seed : int, optional
        Replaces the network's.

    Examples
    --------
    >>> drawn = Orthogonal().draw((4, 3), np.random.default_rng(0))
    >>> np.allclose(drawn.T @ drawn, np.eye(3))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed
        check_number(self, "gain")
        check_seed(self)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        """Return an orthogonal matrix; leading axes count as rows."""
        if len(shape) < 2:
            raise ValueError(f"[Orthogonal] needs a weight of at least two axes, got shape {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        vectors = generator.standard_normal((min(rows, columns), max(rows, columns)))
        _orthonormalize(vectors)
        return (self.gain * (vectors if rows < columns else vectors.T)).reshape(shape)


def _orthonormalize(rows: Array) -> None:
    """Gram-Schmidt in place (modified, so that rounding errors stay small).

    Not LAPACK's QR, whose bits depend on the number of threads.
    """
    for index, row in enumerate(rows):
        row /= np.sqrt(np.einsum("i,i", row, row))
        rest = rows[index + 1 :]
        rest -= np.multiply.outer(np.einsum("ij,j->i", rest, row), row)


class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere.

    Parameters
    ----------
    gain : float
        Factor.

    Examples
    --------
    >>> Identity().draw((2, 3), np.random.default_rng(0))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain
        check_number(self, "gain")

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        if len(shape) != 2:
            raise ValueError(f"[Identity] needs a weight of two axes, got shape {shape}")
        return self.gain * np.eye(*shape)


def get(identifier: object) -> Initializer:
    """Return the initializer meant by a name, an instance or a config.

    Examples
    --------
    >>> get("he_normal")
    HeNormal()
    """
    initializer: Initializer = get_spec("initializer", identifier)
    return initializer
