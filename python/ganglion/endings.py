"""Whether a network ends in what its loss and its targets take."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.layers import Dense, Layer
from ganglion.layers.recurrent import Recurrent
from ganglion.losses import Loss
from ganglion.spec import Spec, built_in
from ganglion.tracing import Trace
from ganglion.value import Shape, Value

# Activations whose results can be read as probabilities.
_PROBABILITIES = frozenset({"sigmoid", "hard_sigmoid", "softmax"})


def ending_of(trace: Trace, prediction: Value) -> str | None:
    """Return the name of the activation that made the prediction; None where it can't be told.

    Parameters
    ----------
    trace : Trace
        In which the layers were applied.
    prediction : Value
        What some of them put out.
    """
    for call in reversed(trace.activations):
        if call.output.id == prediction.id:
            activation = call.activation
            name = activation.registered_name if isinstance(activation, Spec) else None
            return name if name in built_in("activation") else None
    made = (call for call in reversed(trace.calls) if call.output.id == prediction.id)
    last = next(made, None)
    if last is not None and isinstance(last.layer, Dense):
        return "linear" if last.layer.activation is None else None
    return None


def targets_hint(
    layers: Sequence[Layer], given: tuple[int, ...], output_shape: Shape, input_shape: Shape
) -> str:
    """Return which layer of a network would bring its predictions to the shape of the targets.

    Parameters
    ----------
    layers : sequence of Layer
        Of the network, in order.
    given : tuple
        (n, ...) of the targets.
    output_shape, input_shape : tuple
        (None, ...) of the predictions, (n, ...) of the samples.

    Examples
    --------
    >>> from ganglion import layers
    >>> targets_hint([layers.LSTM(3), layers.Dense(1)], (8, 5), (None, 1), (8, 5, 4))
    '; the network gives a result for each sequence: with return_sequences=True its last recurrent \
layer gives one for each step'
    """
    recurrent = [layer for layer in layers if isinstance(layer, Recurrent)]
    a_target_a_step = len(given) > 1 and given[1] == input_shape[1]
    if recurrent and recurrent[-1].return_sequences and len(output_shape) > 2:
        if a_target_a_step:
            return ""
        return (
            "; the network gives a result for each step: with return_sequences=False its last "
            "recurrent layer gives one for each sequence"
        )
    if recurrent and a_target_a_step and len(output_shape) == 2:
        return (
            "; the network gives a result for each sequence: with return_sequences=True its last "
            "recurrent layer gives one for each step"
        )
    if len(output_shape) > 2 and len(given) <= 2:
        return (
            f"; the network keeps {len(output_shape) - 1} dimensions for each sample, as of an "
            "image: put layers.Flatten() before the first Dense"
        )
    return ""


def mismatch(loss: Loss, ending: str | None, outputs: int | None) -> str | None:
    """Return what is wrong with a network's ending for its loss, and what would be right.

    Parameters
    ----------
    loss : Loss
        What is to be minimised.
    ending : str or None
        As `ending_of` returns it.
    outputs : int or None
        Size of the last axis of the predictions.

    Examples
    --------
    >>> from ganglion import losses
    >>> mismatch(losses.BinaryCrossentropy(), "sigmoid", 1)
    >>> mismatch(losses.BinaryCrossentropy(from_logits=True), "sigmoid", 1)
    '[BinaryCrossentropy] takes logits, as from_logits=True says, and the network ends in a \
sigmoid: leave one of the two out'
    """
    owner = f"[{type(loss).__name__}]"
    if ending == "softmax" and outputs == 1:
        return (
            f"{owner} the network ends in a softmax over one output, which is 1 whatever the "
            "input: use activation='sigmoid' for two classes, or an output for each class"
        )
    from_logits = getattr(loss, "from_logits", None)
    if ending is None or from_logits is None:
        return None
    if from_logits and ending in _PROBABILITIES:
        return (
            f"{owner} takes logits, as from_logits=True says, and the network ends in a {ending}: "
            "leave one of the two out"
        )
    if not from_logits and ending not in _PROBABILITIES:
        right = "sigmoid" if loss.multilabel else "softmax"
        other = f", or the loss from_logits=True, as in {type(loss).__name__}(from_logits=True)"
        last = "no activation" if ending == "linear" else f"the activation {ending!r}"
        return (
            f"{owner} takes probabilities, and the network's last layer has {last}: "
            f"give it activation={right!r}{other if ending == 'linear' else ''}"
        )
    return None
