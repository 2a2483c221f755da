"""The network of a multi-layer perceptron: built from its settings, sharing its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import activations, optimizers
from ganglion.layers import Activation, BatchNormalization, Dense, Dropout, Input, Layer
from ganglion.regularizers import L1L2, L2, Regularizer
from ganglion.sequential import Sequential

Array = NDArray[Any]

# scikit-learn's names for what is called otherwise here.
NAMES = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}


def hidden_sizes(settings: Any) -> list[int]:
    """Return the widths of the hidden layers."""
    sizes = settings.hidden_layer_sizes
    return list(sizes) if isinstance(sizes, Iterable) else [sizes]


def hidden_activations(settings: Any) -> list[Any]:
    """Return the activation of each hidden layer as it was given."""
    given = settings.activation
    if isinstance(given, (list, tuple)):
        return list(given)
    return [given] * len(hidden_sizes(settings))


def activation(given: Any) -> activations.Activation | None:
    """Return the activation meant by one of scikit-learn's names, or as `activations.get` does."""
    return activations.get(NAMES.get(given, given) if isinstance(given, str) else given)


def draw(settings: Any, X: Any, random: np.random.RandomState) -> tuple[list[Array], list[Array]]:
    """Draw first weights and biases as scikit-learn does: Glorot's, from the same random numbers.

    Parameters
    ----------
    settings : BaseMLP
        With ``n_outputs_``.
    X : ndarray or sparse matrix, shape (n, features)
        Its number type and width count.
    random : RandomState
        Drawn from.

    Returns
    -------
    coefs, intercepts : list of ndarray
        Shapes (n_in, n_out) and (n_out,) of each layer, in the number type to train in.
    """
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "float32" if X.dtype == np.float32 else "float64"
    units = [X.shape[1], *hidden_sizes(settings), settings.n_outputs_]
    given = hidden_activations(settings)
    # The output layer's bound is that of the hidden layers, the last of them where they differ.
    given += given[-1:] or [settings.activation]
    coefs, intercepts = [], []
    for (fan_in, fan_out), name in zip(pairwise(units), given, strict=True):
        factor = 2.0 if isinstance(name, str) and NAMES.get(name, name) == "sigmoid" else 6.0
        bound = np.sqrt(factor / (fan_in + fan_out))
        coefs.append(random.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype))
        intercepts.append(random.uniform(-bound, bound, fan_out).astype(dtype))
    return coefs, intercepts


def build(settings: Any, random: np.random.RandomState | None = None) -> Sequential:
    """Return an untrained network for the settings and the shapes of ``coefs_``.

    Parameters
    ----------
    settings : BaseMLP
        With ``coefs_`` and ``out_activation_``.
    random : RandomState, optional
        Drawn from for dropout; without that it stays in step with scikit-learn's.
    """
    seed = int(random.randint(2**31 - 1)) if random is not None and settings.dropout else 0
    return Sequential(
        _layers(settings),
        loss=settings._loss(),
        optimizer=_rule(settings),
        random_state=seed,
        dtype="float32" if np.asarray(settings.coefs_[0]).dtype == np.float32 else "float64",
        device=settings.device,
    )


def adjusted(settings: Any, network: Sequential, *, goes_on: bool = False) -> Sequential:
    """Return the network, or another with its weights where settings changed since it was made.

    Parameters
    ----------
    settings : BaseMLP
        With ``coefs_`` and ``out_activation_``.
    network : Sequential
        Made for earlier settings.
    goes_on : bool, default=False
        Whether the optimizer stays, with its rate, its step and, for the same weights, its state.
    """
    rule = network.optimizer if goes_on else _rule(settings)
    layers, loss = _layers(settings), settings._loss()
    if network.layers == layers and network.loss == loss and network.optimizer == rule:
        return network
    wanted = build(settings)
    wanted.seed_ = network.seed_
    if goes_on:
        wanted.compile(loss=loss, optimizer=rule)
        if not network.follows_schedule:
            wanted.learning_rate = network.learning_rate
    if wanted.weight_names == network.weight_names:
        wanted.set_weights(network.get_weights())
        if goes_on:
            wanted.restore_training(network.training_state(), network.optimizer_state(), [])
    return wanted


def _rule(settings: Any) -> optimizers.Optimizer:
    # lbfgs works outside; the network then has an optimizer that it does not use.
    return optimizers.SGD() if settings.solver == "lbfgs" else optimizer(settings)


def optimizer(settings: Any) -> optimizers.Optimizer:
    """Return the optimizer that ``solver`` means, with the settings that are its own."""
    rate, solver = settings.learning_rate_init, settings.solver
    if solver == "sgd":
        return optimizers.SGD(rate, settings.momentum, bool(settings.nesterovs_momentum))
    if solver == "adam":
        return optimizers.Adam(rate, settings.beta_1, settings.beta_2, settings.epsilon)
    chosen = optimizers.get(solver)
    return type(chosen)(rate) if isinstance(solver, str) else copy.deepcopy(chosen)


def _layers(settings: Any) -> list[Layer]:
    *hidden, outputs = (np.shape(coef)[1] for coef in settings.coefs_)
    penalty = _penalty(settings)
    stack: list[Layer] = [Input((len(settings.coefs_[0]),))]
    for units, given in zip(hidden, hidden_activations(settings), strict=True):
        after = activation(given)
        if settings.batch_normalization:
            stack += [Dense(units, kernel_regularizer=penalty), BatchNormalization()]
            stack += [Activation(after)]
        else:
            stack += [Dense(units, activation=after, kernel_regularizer=penalty)]
        if settings.dropout:
            stack += [Dropout(settings.dropout)]
    last = activation(settings.out_activation_)
    return [*stack, Dense(outputs, activation=last, kernel_regularizer=penalty)]


def _penalty(settings: Any) -> Regularizer | None:
    # The loss divides penalties by the weight of a batch, as scikit-learn does.
    if settings.l1:
        return L1L2(l1=float(settings.l1), l2=settings.alpha / 2)
    return L2(settings.alpha / 2) if settings.alpha else None


def weights(network: Sequential) -> tuple[list[Array], list[Array]]:
    """Return the kernels and the biases of the dense layers: the network's own memory."""
    named = list(zip(network.weight_names, network.weights, strict=True))
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    kernels = [array for name, array in named if name.endswith("/kernel")]
    biases = [array for name, array in named if name.endswith("/bias")]
    assert len(dense) == len(kernels) == len(biases)
    return kernels, biases


def shared(name: str, held: Sequence[Any], own: Sequence[Array]) -> list[Array]:
    """Return a list of the network's arrays, after writing into them what another list holds.

    Parameters
    ----------
    name : str
        Of the list, for the error.
    held : sequence of array_like
        May hold the network's arrays already.
    own : sequence of ndarray
        The network's.

    Raises
    ------
    ValueError
        For another number of arrays, or another shape.
    """
    if len(held) != len(own):
        raise ValueError(
            f"[{name}] must hold an array for each of {len(own)} layers, got {len(held)}"
        )
    for index, (given, array) in enumerate(zip(held, own, strict=True)):
        if np.shape(given) != array.shape:
            raise ValueError(
                f"[{name}] the array of layer {index} must have shape {array.shape}, got "
                f"{np.shape(given)}"
            )
    if not all(map(_same_memory, held, own)):
        values = [np.array(given) for given in held]  # they may be the network's, in another order
        for array, value in zip(own, values, strict=True):
            array[...] = value
    if isinstance(held, list):
        held[:] = own
        return held
    return list(own)


def _same_memory(given: Any, array: Array) -> bool:
    return (
        isinstance(given, np.ndarray)
        and given.shape == array.shape
        and given.strides == array.strides
        and given.dtype == array.dtype
        and given.__array_interface__["data"] == array.__array_interface__["data"]
    )
