"""What a network looks at: which pixels, or which parts of a picture, speak for its answer.

All act as in prediction, and change nothing. The score of a class is the network's output for it;
for the two that need a gradient it is taken before the softmax or the sigmoid that the network ends
in, since behind them the gradient vanishes where the network is sure.

`ganglion.plot` draws what these compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion import _core, compile
from ganglion.built import Built, LayerRow
from ganglion.data import whole_number
from ganglion.errors import suggestion
from ganglion.inputs import check_inputs
from ganglion.layers import Layer
from ganglion.passes import PREDICTION_BATCH, Passes

Array = NDArray[Any]
# Whose score is meant: the class of all samples, of each, or by default the one predicted.
Target = int | ArrayLike | None


def saliency(net: Passes, X: ArrayLike, target: Target = None) -> Array:
    """Return how much the score of a class changes with each input (Simonyan et al., 2014).

    Parameters
    ----------
    net : Sequential
        A network with one output for each class, or a single one. An estimator's is its
        ``network_``.
    X : array_like, shape (n, ...)
        Samples.
    target : int or array_like of int, shape (n,), optional
        The class, of all samples or of each; by default the one predicted. A single output speaks
        for class 1 and against 0, and by default its own gradient is taken.

    Returns
    -------
    ndarray, shape (n, ...)
        Size of the gradient with respect to each input; of pictures (n, height, width, channels)
        the largest among the channels, so (n, height, width).

    Raises
    ------
    NotFittedError
        Before the network was built or fitted.
    TypeError, ValueError
        For inputs that `Sequential.predict` refuses, or a class that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, attribution, layers
    >>> net = Sequential([layers.Input((2,)), layers.Dense(1)])
    >>> net.set_weights([[[2.0], [-3.0]], [0.0]])
    >>> attribution.saliency(net, np.ones((1, 2))).tolist()
    [[2.0, 3.0]]
    """
    (gradient,) = _gradients("saliency", net, X, target, None)
    size = np.abs(gradient)
    return size.max(axis=-1) if size.ndim == 4 else size


def grad_cam(
    net: Passes, X: ArrayLike, layer: str | int | Layer | None = None, target: Target = None
) -> Array:
    """Return where a layer's maps speak for a class (Selvaraju et al., 2017: Grad-CAM).

    The maps of the layer, weighted by the mean over each of the gradient of the score, are summed;
    what speaks against the class is left out. The mean tells most where the maps are averaged
    behind the layer; a dense layer that reads them place by place may weigh each place differently.

    Parameters
    ----------
    net : Sequential
        As for `saliency`.
    X : array_like, shape (n, ...)
        Samples.
    layer : str, int or Layer, optional
        Whose output is taken, (None, height, width, channels) or (None, steps, channels): its name,
        as ``layer_rows`` has it, its place in ``layers``, or itself. By default the last one that
        puts out maps, or the one before the pooling that shrinks those.
    target : int or array_like of int, shape (n,), optional
        As for `saliency`.

    Returns
    -------
    ndarray, shape (n, height, width) or (n, steps)
        At least 0, of the size of the layer's maps.

    Raises
    ------
    NotFittedError
        Before the network was built or fitted.
    TypeError, ValueError
        As `saliency`; and for a layer that is not there or puts out no maps.
    """
    place = "grad_cam"
    path = _layer_of_maps(place, _built(place, net), layer)
    maps, gradient = _gradients(place, net, X, target, path)
    positions = tuple(range(1, maps.ndim - 1))
    weights = gradient.mean(axis=positions, keepdims=True)
    speaking: Array = np.maximum((weights * maps).sum(axis=-1), 0)
    return speaking


def occlusion(
    net: Passes,
    X: ArrayLike,
    window: int = 4,
    stride: int | None = None,
    target: Target = None,
    value: float = 0.0,
) -> Array:
    """Return how far the score falls when a part of the picture is covered (Zeiler & Fergus, 2014).

    Parameters
    ----------
    net : Sequential
        As for `saliency`.
    X : array_like, shape (n, height, width) or (n, height, width, channels)
        Pictures.
    window : int, default=4
        Side of the square that is covered.
    stride : int, optional
        From one square to the next, by default half a side. The last one ends with the picture.
    target : int or array_like of int, shape (n,), optional
        As for `saliency`.
    value : float, default=0.0
        What the square is filled with.

    Returns
    -------
    ndarray, shape (n, height, width)
        For each pixel the mean over the squares that cover it. The score is the network's output: a
        probability, where it ends in softmax or sigmoid. Negative where covering helps.

    Raises
    ------
    NotFittedError
        Before the network was built or fitted.
    TypeError, ValueError
        As `saliency`; for samples that are no pictures; and for a window that does not fit.
    """
    place = "occlusion"
    pictures = _checked(place, net, X)
    if pictures.ndim not in (3, 4):
        raise ValueError(
            f"[{place}] X must be pictures (n, height, width, channels), got shape {pictures.shape}"
        )
    n, height, width = pictures.shape[:3]
    whole_number(place, "window", window, below=min(height, width) + 1)
    step = (window + 1) // 2 if stride is None else whole_number(place, "stride", stride)
    if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
        raise ValueError(f"[{place}] value must be a finite number, got {value!r}")
    predictions = net.predict(pictures)
    direction = _direction(place, predictions, target)
    score = (predictions * direction).sum(axis=1)
    covered = pictures.astype(net.dtype)
    fallen, counts = np.zeros((n, height, width)), np.zeros((height, width))
    for top in _starts(height, window, step):
        for left in _starts(width, window, step):
            part = np.s_[:, top : top + window, left : left + window]
            kept = covered[part].copy()
            covered[part] = value
            drop = score - (net.predict(covered) * direction).sum(axis=1)
            covered[part] = kept
            fallen[part] += drop[:, np.newaxis, np.newaxis]
            counts[part[1:]] += 1
    # Where the stride is longer than the window, some pixels are never covered.
    return fallen / np.maximum(counts, 1)


def _starts(size: int, window: int, stride: int) -> list[int]:
    last = size - window
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _built(place: str, net: Any) -> Built:
    if not isinstance(net, Passes):
        raise TypeError(f"[{place}] net must be a Sequential, got {type(net).__name__}")
    return net.current(place)


def _checked(place: str, net: Passes, X: Any) -> Array:
    built = _built(place, net)
    recipe = built.recipe
    if len(recipe.input_names) > 1 or len(recipe.output_names) > 1:
        raise TypeError(f"[{place}] net must have one input and one output")
    shape = recipe.input_shapes[0]
    inputs = check_inputs(place, X, shape, net.dtype, names=net.feature_names_in_)
    if isinstance(inputs, _core.RaggedRows):
        raise TypeError(f"[{place}] X must be an array, got a list of sequences")
    built.check_data(place, inputs)
    if isinstance(inputs, _core.SparseRows):
        raise TypeError(f"[{place}] X must be dense, got a sparse matrix: X.toarray() is")
    if not isinstance(inputs, np.ndarray):
        raise TypeError(f"[{place}] X must be in memory, got {type(X).__name__}: X.load(rows) is")
    return inputs


def _gradients(place: str, net: Passes, X: Any, target: Target, path: str | None) -> list[Array]:
    """Return what a layer puts out, and the gradient of the score with respect to it.

    Without a path only the gradient, with respect to the input.
    """
    inputs = _checked(place, net, X)
    built = _built(place, net)
    direction = _direction(place, net.predict(inputs), target)
    recipe = built.recipe.of(built.forms.of(inputs))
    program = compile.score_program(recipe, path)
    executable = _core.Executable(program, built.dtype, built.parameters, None)
    return executable.predict([inputs, direction], PREDICTION_BATCH)


def classes_shown(place: str, predictions: Array, target: Target) -> Array:
    """Return the class of each sample whose score is meant.

    Parameters
    ----------
    place : str
        Who asks, for the error.
    predictions : ndarray, shape (n, outputs)
        What the network puts out.
    target : int or array_like of int, shape (n,), optional
        As for `saliency`.

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    TypeError, ValueError
        For a class that is not there, and for predictions of another rank.
    """
    if predictions.ndim != 2:
        raise ValueError(
            f"[{place}] the network must put out a number for each class, (None, classes), got "
            f"{(None, *predictions.shape[1:])}"
        )
    n, outputs = predictions.shape
    if target is not None:
        return _checked_target(place, target, n, max(outputs, 2))
    classes: Array = predictions.argmax(axis=1) if outputs > 1 else np.ones(n, dtype=int)
    return classes


def _direction(place: str, predictions: Array, target: Target) -> Array:
    """Return what the outputs are multiplied with to give each sample's score, (n, outputs)."""
    classes = classes_shown(place, predictions, target)
    outputs = predictions.shape[1]
    rows: Array = np.array([[-1.0], [1.0]]) if outputs == 1 else np.eye(outputs)
    return rows[classes]


def _checked_target(place: str, target: Target, n: int, classes: int) -> Array:
    array = np.asarray(target)
    if array.dtype.kind not in "iu":
        raise TypeError(f"[{place}] target must be a class or one for each sample, got {target!r}")
    if array.shape not in ((), (n,)):
        raise ValueError(f"[{place}] target must have shape ({n},), got {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() < classes):
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"[{place}] target must be a class from 0 to {classes - 1}, got {wrong}")
    return np.broadcast_to(array, (n,))


def _layer_of_maps(place: str, built: Built, layer: str | int | Layer | None) -> str:
    """Return the path of the layer that is meant, which must put out maps."""
    if layer is None:
        return _last_maps(place, built)
    if not isinstance(layer, (str, Layer)):
        outer = [row.layer for row in built.rows if not row.depth]
        layer = outer[whole_number(place, "layer", layer, minimum=-len(outer), below=len(outer))]
    found = [row for row in built.rows if row.layer is layer or row.name == layer]
    if not found:
        names = [row.name for row in built.rows if _puts_out_maps(row)]
        near = suggestion(layer, names) if names else ""
        raise ValueError(f"[{place}] no layer is {layer!r}{near}")
    if not _puts_out_maps(found[0]):
        raise ValueError(
            f"[{place}] layer {found[0].name!r} puts out {found[0].output_shape}, no maps: "
            "(None, height, width, channels) or (None, steps, channels)"
        )
    return found[0].name


def _puts_out_maps(row: LayerRow) -> bool:
    return len(row.output_shape) in (3, 4) and row.kind != "Input"


def _last_maps(place: str, built: Built) -> str:
    rows = [row for row in built.rows if not row.depth and _puts_out_maps(row)]
    if not rows:
        raise ValueError(
            f"[{place}] no layer puts out maps, (None, height, width, channels): saliency shows "
            "what a network without convolution looks at"
        )
    # What shrinks without weights is pooling: before it the maps are finer.
    while len(rows) > 1 and not rows[-1].weights and _area(rows[-1]) < _area(rows[-2]):
        rows.pop()
    return rows[-1].name


def _area(row: LayerRow) -> int:
    return int(np.prod([size or 0 for size in row.output_shape[1:-1]]))
