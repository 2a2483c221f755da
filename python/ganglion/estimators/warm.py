"""Going on with a network whose estimator has other settings than it was made with."""

from __future__ import annotations

import copy
from typing import Any

from ganglion.sequential import Sequential
from ganglion.spec import equal

_OF_LAYERS = ("layers", "activation", "dropout", "kernel_regularizer", "dtype")
_OF_TRAINING = ("loss", "optimizer", "learning_rate", "metrics")


def network_settings(estimator: Any) -> dict[str, Any]:
    """Return copies of the settings that a network is made with."""
    names = (*_OF_LAYERS, *_OF_TRAINING)
    return {name: copy.deepcopy(getattr(estimator, name)) for name in names}


def adjusted(estimator: Any, network: Sequential, made_with: dict[str, Any]) -> Sequential:
    """Return the network, or another with its weights, for the settings as they are now.

    Parameters
    ----------
    estimator : NeuralEstimator
        With ``warm_start``, or in its ``partial_fit``.
    network : Sequential
        What goes on. Another loss or optimizer begins anew on its weights.
    made_with : dict
        What `network_settings` returned when it was made.

    Raises
    ------
    ValueError
        When its weights do not fit the layers that are wanted now.
    """
    changed = [
        name for name, value in made_with.items() if not equal(value, getattr(estimator, name))
    ]
    if not changed:
        return network
    wanted: Sequential = estimator._build(network.seed_)
    if isinstance(estimator.learning_rate, str):  # what was found stays
        wanted.optimizer.learning_rate = network.optimizer.learning_rate
    if not any(name in _OF_LAYERS for name in changed):
        network.compile(wanted.optimizer, wanted.loss, wanted.metrics)
        return network
    wanted.build(network.input_shape)
    if [w.shape for w in wanted.weights] != [w.shape for w in network.weights]:
        names = " and ".join(name for name in changed if name in _OF_LAYERS)
        raise ValueError(
            f"[{type(estimator).__name__}] {names} changed since the last fit, and the weights "
            "that warm_start and partial_fit go on with do not fit: set warm_start=False, or use a "
            "new estimator, to train anew"
        )
    wanted.set_weights(network.get_weights())
    wanted.restore_training({**network.training_state(), "step": 0}, {}, [])
    return wanted
