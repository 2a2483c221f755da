"""Training by ``scipy.optimize``'s L-BFGS: it chooses the weights, the core says what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ganglion.errors import warn

Array = NDArray[Any]

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


def fit(model: Any, X: Any, y: Array, weight: Array | None) -> None:
    """Minimise over all samples at once, from the weights there are.

    Parameters
    ----------
    model : BaseMLP
        Its ``coefs_`` and ``intercepts_`` are the network's.
    X : ndarray or sparse matrix, shape (n, features)
        Inputs.
    y : ndarray, shape (n, outputs)
        Encoded targets.
    weight : ndarray, shape (n,), or None
        Sample weights.

    Raises
    ------
    ValueError
        When the weights are no longer finite. They are then those from before.
    """
    start = pack(model.coefs_ + model.intercepts_)
    model.n_iter_ = 0

    def cost(packed: Array) -> tuple[float, Array]:
        model.loss_, gradient = model._loss_grad_lbfgs(packed, X, y, weight)
        return model.loss_, gradient

    def report(packed: Array) -> None:
        model.n_iter_ += 1
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")

    result = scipy.optimize.minimize(
        cost,
        start,
        method="L-BFGS-B",
        jac=True,
        options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol},
        callback=report,
    )
    if not np.isfinite(result.x).all():
        unpack(model, start)
        raise ValueError(NOT_FINITE)
    unpack(model, result.x)
    model.loss_ = float(result.fun)
    model.n_iter_ = min(int(result.nit), model.max_iter)
    if result.status != 0:
        warn(
            f"lbfgs failed to converge after {model.n_iter_} iteration(s) "
            f"(status={result.status}): {result.message}. More iterations (max_iter, max_fun) or "
            "scaled data may help.",
            ConvergenceWarning,
        )


def loss_and_gradient(
    model: Any, packed: Array, X: Any, y: Array, weight: Array | None
) -> tuple[float, Array]:
    """Return the loss at packed weights, which the model has afterwards, and its gradient."""
    unpack(model, packed)
    loss, gradients = model.network_.loss_and_gradients(X, model._targets(y), weight)
    # Of each layer the kernel's and the bias's; packed are all of the first, then the others.
    return loss, pack(gradients[0::2] + gradients[1::2])


def pack(arrays: list[Array]) -> Array:
    """Return arrays as one vector of float64, which is what L-BFGS computes in."""
    return np.concatenate([array.ravel() for array in arrays]).astype(np.float64)


def unpack(model: Any, packed: Array) -> None:
    """Write a vector into the weights, all coefs and then all intercepts."""
    start = 0
    for array in model.coefs_ + model.intercepts_:
        array[...] = packed[start : start + array.size].reshape(array.shape)
        start += array.size
