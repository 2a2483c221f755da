"""The checks of a multi-layer perceptron's settings, made by ``fit``."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from ganglion.errors import (
    check_at_least,
    check_boolean,
    check_choice,
    check_count,
    check_fraction,
    check_positive,
    check_share,
)
from ganglion.estimators.mlp import building
from ganglion.optimizers import Optimizer

LEARNING_RATES = ("constant", "invscaling", "adaptive")


def check(settings: Any) -> None:
    """Check the settings of a `BaseMLP` that no layer or optimizer checks.

    Raises
    ------
    TypeError, ValueError
        Naming the setting, its value, and what it must be.
    """
    place = f"[{type(settings).__name__}]"
    sizes = building.hidden_sizes(settings)
    for size in sizes:
        if not isinstance(size, numbers.Integral) or isinstance(size, bool) or size <= 0:
            raise ValueError(f"{place} hidden_layer_sizes must be > 0, got {sizes}.")
    given = building.hidden_activations(settings)
    if len(given) != len(sizes):
        raise ValueError(
            f"{place} activation must be one, or one for each of {len(sizes)} hidden layers, "
            f"got {len(given)}"
        )
    check_choice(settings, LEARNING_RATES, "learning_rate")
    check_choice(settings, ["auto", "float32", "float64"], "dtype")
    check_positive(settings, "learning_rate_init")
    check_at_least(settings, 0, "alpha", "l1", "power_t", "tol")
    check_share(settings, "dropout", "validation_fraction")
    check_fraction(settings, "momentum")
    check_count(settings, "max_iter", "max_fun")
    check_boolean(
        settings,
        "shuffle",
        "warm_start",
        "nesterovs_momentum",
        "early_stopping",
        "batch_normalization",
    )
    if settings.batch_size != "auto":
        check_count(settings, "batch_size")
    if settings.n_iter_no_change != np.inf:
        check_count(settings, "n_iter_no_change")
    if not isinstance(settings.solver, (str, Optimizer)):
        raise TypeError(f"{place} solver must be a name or an Optimizer, got {settings.solver!r}")
    if settings.solver == "lbfgs" and (settings.dropout or settings.batch_normalization):
        name = "dropout" if settings.dropout else "batch_normalization"
        raise ValueError(
            f"{place} {name} needs a solver that takes batches: lbfgs needs the same loss for the "
            "same weights"
        )


def check_kept(settings: Any) -> None:
    """Check that the hidden layers are those of the weights there are.

    Raises
    ------
    ValueError
        When they changed since.
    """
    sizes = building.hidden_sizes(settings)
    kept = [np.shape(coef)[1] for coef in settings.coefs_[:-1]]
    if sizes != kept:
        raise ValueError(
            f"[{type(settings).__name__}] hidden_layer_sizes must be those of coefs_, {kept}, to "
            f"train on from there, got {sizes}"
        )


def flat_column(y: Any) -> NDArray[Any]:
    """Return targets of one column as a vector, with scikit-learn's warning."""
    if y.ndim == 2 and y.shape[1] == 1:
        column: NDArray[Any] = column_or_1d(y, warn=True)
        return column
    targets: NDArray[Any] = y
    return targets


def takes_batches(settings: Any) -> bool:
    """Tell whether the solver goes batch by batch, so that there is a ``partial_fit``."""
    if settings.solver == "lbfgs":
        raise AttributeError(
            f"[{type(settings).__name__}] partial_fit needs a solver that takes batches, not lbfgs"
        )
    return True
