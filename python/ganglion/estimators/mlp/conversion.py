"""Fitted multi-layer perceptrons from scikit-learn's to ours, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.neural_network
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ganglion import activations
from ganglion.estimators.mlp import building
from ganglion.layers import Activation, BatchNormalization, Dense
from ganglion.sequential import Sequential

Array = NDArray[Any]

# What both have after a fit, beside the weights; not all of it in every model.
_ATTRIBUTES = [
    "classes_",
    "n_features_in_",
    "feature_names_in_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "n_iter_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_label_binarizer",
    "_no_improvement_count",
]
_ACTIVATIONS = {"linear": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def _counterpart(cls: type[Any]) -> type[Any]:
    """Return scikit-learn's class of the same name."""
    names = [base.__name__ for base in cls.__mro__]  # a subclass has another
    theirs: type[Any] = next(
        getattr(sklearn.neural_network, name)
        for name in names
        if hasattr(sklearn.neural_network, name)
    )
    return theirs


def _take_attributes(target: Any, source: Any) -> None:
    for name in _ATTRIBUTES:
        if hasattr(source, name):
            value = getattr(source, name)
            setattr(target, name, list(value) if isinstance(value, list) else value)


def from_sklearn(cls: type[Any], fitted: Any) -> Any:
    """Return a model of class ``cls`` that predicts what scikit-learn's does."""
    theirs = _counterpart(cls)
    if not isinstance(fitted, theirs):
        raise TypeError(
            f"[{cls.__name__}] from_sklearn takes a fitted "
            f"sklearn.neural_network.{theirs.__name__}, "
            f"got {type(fitted).__name__}"
        )
    check_is_fitted(fitted)
    model = cls(**fitted.get_params(deep=False))
    _take_attributes(model, fitted)
    model.coefs_ = [coef.copy() for coef in fitted.coefs_]
    model.intercepts_ = [intercept.copy() for intercept in fitted.intercepts_]
    return model


def to_sklearn(model: Any) -> Any:
    """Return a model of scikit-learn's class that predicts what ``model`` does."""
    check_is_fitted(model, "coefs_")
    theirs = _counterpart(type(model))
    known = theirs().get_params(deep=False)
    settings = {
        name: value for name, value in model.get_params(deep=False).items() if name in known
    }
    # Settings may have changed since the fit; the network is what predicts.
    network = model.network_ if hasattr(model, "network_") else building.build(model)
    settings["activation"] = _one_activation(type(model).__name__, network)
    if settings["solver"] not in ("lbfgs", "sgd", "adam"):
        settings["solver"] = "adam"  # the next fit's; the weights are there
    converted = theirs(**settings)
    _take_attributes(converted, model)
    converted.coefs_, converted.intercepts_ = _folded(model, network)
    if converted.early_stopping:  # where its next fit goes back to
        converted._best_coefs = [coef.copy() for coef in converted.coefs_]
        converted._best_intercepts = [intercept.copy() for intercept in converted.intercepts_]
    return converted


def _one_activation(place: str, network: Sequential) -> str:
    """Return scikit-learn's name of the activation of all hidden layers."""
    *hidden, _ = (layer for layer in network.layers if isinstance(layer, (Dense, Activation)))
    if any(isinstance(layer, Activation) for layer in hidden):  # behind batch normalisation
        hidden = [layer for layer in hidden if isinstance(layer, Activation)]
    given = [layer.activation for layer in hidden]
    names = set()
    for one in given:
        name = "linear" if one is None else one.registered_name
        if name not in _ACTIVATIONS or one not in (None, activations.get(name)):
            raise ValueError(
                f"[{place}] scikit-learn has no activation {one!r}; it has "
                f"{', '.join(sorted(_ACTIVATIONS.values()))}"
            )
        names.add(name)
    if len(names) > 1:
        raise ValueError(
            f"[{place}] scikit-learn has one activation for all hidden layers, got {given}"
        )
    return _ACTIVATIONS[names.pop()] if names else "relu"


def _folded(model: Any, network: Sequential) -> tuple[list[Array], list[Array]]:
    """Return copies of the weights, with batch normalisation as a part of them."""
    coefs = [np.array(coef) for coef in model.coefs_]
    intercepts = [np.array(intercept) for intercept in model.intercepts_]
    values = dict(zip(network.weight_names, network.weights, strict=True))
    layers = [layer for layer in network.layers if isinstance(layer, BatchNormalization)]
    paths = [name.removesuffix("/gamma") for name in values if name.endswith("/gamma")]
    for index, (layer, path) in enumerate(zip(layers, paths, strict=True)):
        gamma, beta, mean, variance = (
            values[f"{path}/{weight}"]
            for weight in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + layer.epsilon)
        coefs[index] = coefs[index] * scale
        intercepts[index] = (intercepts[index] - mean) * scale + beta
    return coefs, intercepts
