"""The one table of tolerances, and the two comparisons that use it."""

from __future__ import annotations

import numpy as np

# Relative to each element: functions of single elements, in units of the last place.
ELEMENTWISE = {"float32": 8 * 2.0**-24, "float64": 8 * 2.0**-53}
# Relative to the largest element of an array: sums and products, where terms cancel.
FORWARD = {"float32": 2e-6, "float64": 1e-13}
# A gradient against central differences in float64, relative to the largest element.
GRADIENT = 1e-6
# Step of the fourth-order central differences, relative to max(1, |x|).
DIFFERENCE_STEP = 2e-4
# The parameters after a few training steps, core against reference.
TRAINING = {"float32": 1e-4, "float64": 1e-11}
# Outputs, gradients and losses against Keras and PyTorch on the same weights.
PARITY = {"float32": 1e-4, "float64": 1e-9}
# Where the peer itself is less exact: PyTorch's gradient of hard_sigmoid holds 1/6 in float32.
PARITY_OF = {"hard_sigmoid": 1e-7}
# A random normal number: its uniforms are exact, the logarithm and the cosine are not.
NORMAL = {"float32": 4e-6, "float64": 1e-12}
# Mean and deviation of samples drawn from an initializer, in standard errors.
STANDARD_ERRORS = 5.0


def parity(dtype: str, name: str = "") -> float:
    """The tolerance beside Keras and PyTorch."""
    return max(PARITY[dtype], PARITY_OF.get(name, 0.0))


def assert_near(
    actual: object, expected: object, relative: float, *, name: str = "", absolute: float = 0.0
) -> None:
    """Every element within `relative` of the largest finite element of `expected`."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, not {expected.shape}"
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(
        actual, expected, rtol=0.0, atol=relative * scale + absolute, err_msg=name, equal_nan=True
    )


def assert_elementwise(
    actual: object, expected: object, dtype: str, *, name: str = "", factor: float = 1.0
) -> None:
    """Every element within a few units of its own last place; tiny ones of the smallest normal."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, not {expected.shape}"
    with np.errstate(over="ignore"):
        expected = expected.astype(dtype).astype(np.float64)
    np.testing.assert_allclose(
        actual,
        expected,
        rtol=factor * ELEMENTWISE[dtype],
        atol=float(np.finfo(dtype).tiny),
        err_msg=name,
        equal_nan=True,
    )
