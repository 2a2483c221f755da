"""What a network looks at, laid over the pictures, and the filters of its first layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion import attribution
from ganglion.attribution import Target
from ganglion.data import whole_number
from ganglion.errors import suggestion
from ganglion.figure import panels, plain
from ganglion.layers import Conv2DTranspose, DepthwiseConv2D, Layer
from ganglion.plot.samples import tiled
from ganglion.sequential import Sequential

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
# Panels of one figure: more cannot be seen, and take long to draw.
_MOST = 64
# Red and blue of what speaks for a class and against it, bright enough on black.
_FOR, _AGAINST = (1.0, 0.2, 0.1), (0.2, 0.55, 1.0)


def saliency(
    net: Sequential,
    X: ArrayLike,
    target: Target = None,
    *,
    shape: tuple[int, int] | None = None,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Lay over each picture how much the score of a class changes with each pixel.

    Parameters
    ----------
    net, X, target
        As for `ganglion.attribution.saliency`; up to 64 samples, a panel each.
    shape : (int, int), optional
        Height and width of samples that are flat.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one for each sample; by default a new figure.

    Returns
    -------
    list of matplotlib Axes
        One for each sample.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        As `ganglion.attribution.saliency`; for samples that are no pictures, and too many of them.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((12,)), layers.Dense(2, "softmax")])
    >>> len(saliency(net, np.ones((2, 12)), shape=(3, 4)))
    2
    """
    pictures = _pictures("saliency", X, shape)
    maps = attribution.saliency(net, X, target)
    classes = attribution.classes_shown("saliency", net.predict(X), target)
    return _overlaid("saliency", pictures, maps.reshape(pictures.shape[:3]), classes, ax)


def grad_cam(
    net: Sequential,
    X: ArrayLike,
    layer: str | int | Layer | None = None,
    target: Target = None,
    *,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Lay over each picture where a layer's maps speak for a class.

    Parameters
    ----------
    net, X, layer, target
        As for `ganglion.attribution.grad_cam`; up to 64 samples, a panel each. The layer's maps are
        drawn as large as the picture.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one for each sample; by default a new figure.

    Returns
    -------
    list of matplotlib Axes
        One for each sample.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        As `ganglion.attribution.grad_cam`; for samples that are no pictures, and too many of them.
    """
    pictures = _pictures("grad_cam", X, None)
    maps = attribution.grad_cam(net, X, layer, target)
    classes = attribution.classes_shown("grad_cam", net.predict(X), target)
    return _overlaid("grad_cam", pictures, maps, classes, ax)


def occlusion(
    net: Sequential,
    X: ArrayLike,
    window: int = 4,
    stride: int | None = None,
    target: Target = None,
    value: float = 0.0,
    *,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Lay over each picture how far the score falls when that part is covered.

    Red parts speak for the class, blue ones against it.

    Parameters
    ----------
    net, X, window, stride, target, value
        As for `ganglion.attribution.occlusion`; up to 64 samples, a panel each.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one for each sample; by default a new figure.

    Returns
    -------
    list of matplotlib Axes
        One for each sample.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        As `ganglion.attribution.occlusion`; and for too many samples.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((8, 8)), layers.Flatten(), layers.Dense(2, "softmax")])
    >>> len(occlusion(net, np.ones((3, 8, 8)), window=2))
    3
    """
    pictures = _pictures("occlusion", X, None)
    maps = attribution.occlusion(net, X, window, stride, target, value)
    classes = attribution.classes_shown("occlusion", net.predict(X), target)
    return _overlaid("occlusion", pictures, maps, classes, ax)


def filters(
    net: Sequential,
    layer: str | Layer | None = None,
    *,
    shape: tuple[int, int] | None = None,
    count: int = _MOST,
    ax: Axes | None = None,
) -> Axes:
    """Draw the kernel of a layer as pictures, one for each of its units, in one grid.

    Red is above 0, blue below; a picture of three channels is drawn in its colours, of any other
    number as their mean.

    Parameters
    ----------
    net : Sequential
        A network that is built.
    layer : str or Layer, optional
        Its name or itself; by default the first that has a kernel. That of a convolution is
        (height, width, channels, filters); that of a dense layer (inputs, units), where the inputs
        are the pixels of ``shape``.
    shape : (int, int), optional
        Height and width of pictures that come flat.
    count : int, default=64
        How many are drawn at most: the first ones.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib.
    NotFittedError
        Before the network was built or fitted.
    ValueError
        For a layer that is not there, or one whose kernel is no picture.

    Examples
    --------
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((12,)), layers.Dense(2, "softmax")])
    >>> filters(net, shape=(3, 4)).get_title()
    'dense: 2 filters of 3 x 4'
    """
    whole_number("filters", "count", count)
    name, kernel = _kernel(net, layer, shape)
    height, width, channels, units = kernel.shape
    shown = kernel[..., :count].transpose(3, 0, 1, 2)
    # Each on its own scale: what a filter looks for, not how loud it answers.
    shown = shown / np.maximum(np.abs(shown).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    grid = tiled(shown, None, np.nan)
    (panel,) = panels("filters", ax, size=(5.0, 5.0 * grid.shape[0] / grid.shape[1] + 0.4))
    if channels == 3:
        panel.imshow(np.nan_to_num((grid + 1) / 2, nan=1.0))
    else:
        panel.imshow(grid.mean(axis=-1), cmap="RdBu_r", vmin=-1, vmax=1)
    _bare(panel)
    some = f"{units} filters" if len(shown) == units else f"{len(shown)} of {units} filters"
    panel.set_title(f"{plain(name)}: {some} of {height} x {width}", fontsize="medium")
    return panel


def _kernel(
    net: Sequential, layer: str | Layer | None, shape: tuple[int, int] | None
) -> tuple[str, Array]:
    """Return a layer's name, and its kernel as (height, width, channels, units)."""
    weights = dict(zip(net.weight_names, net.get_weights(), strict=True))
    having = [row for row in net.layer_rows if f"{row.name}/kernel" in weights]
    for row in having:
        if not (layer is None or row.layer is layer or row.name == layer):
            continue
        kernel = weights[f"{row.name}/kernel"]
        if kernel.ndim == 4:
            return row.name, _filters_last(row.layer, kernel)
        if kernel.ndim == 2 and shape is not None and np.prod(shape) == len(kernel):
            return row.name, kernel.reshape(*shape, 1, -1)
        raise ValueError(
            f"[filters] the kernel of layer {row.name!r} has shape {kernel.shape}: no pictures"
            + ("" if kernel.ndim != 2 else f" of shape {shape}; give shape=(height, width)")
        )
    if not having:
        raise ValueError("[filters] no layer has a kernel")
    raise ValueError(
        f"[filters] no layer is {layer!r}{suggestion(layer, [row.name for row in having])}"
    )


def _filters_last(layer: Layer, kernel: Array) -> Array:
    if isinstance(layer, DepthwiseConv2D):  # each of its kernels looks at one channel
        return kernel.reshape(*kernel.shape[:2], 1, -1)
    return kernel.swapaxes(2, 3) if isinstance(layer, Conv2DTranspose) else kernel


def _pictures(place: str, X: ArrayLike, shape: tuple[int, int] | None) -> Array:
    """Return samples as (n, height, width, channels)."""
    array = np.asarray(X)
    if not 0 < len(array) <= _MOST:
        raise ValueError(
            f"[{place}] X must be 1 to {_MOST} samples, a panel each, got {len(array)}"
        )
    if array.ndim == 2 and shape is not None and np.prod(shape) == array.shape[1]:
        array = array.reshape(len(array), *shape)
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4:
        raise ValueError(
            f"[{place}] X must be pictures (n, height, width, channels), got shape {array.shape}"
            + (" and shape=" + repr(shape) if array.ndim == 2 else "")
        )
    return array


def _overlaid(
    place: str, pictures: Array, maps: Array, classes: Array, ax: Sequence[Axes] | None
) -> list[Axes]:
    """Draw each picture in grey, and over it its map: the stronger, the less transparent."""
    drawn = panels(place, ax, len(pictures), columns=6, size=(1.7, 1.9))
    for panel, picture, values, shown in zip(drawn, pictures, maps, classes, strict=True):
        height, width = picture.shape[:2]
        frame = (-0.5, width - 0.5, height - 0.5, -0.5)
        panel.imshow(picture.mean(axis=-1), cmap="gray", extent=frame)
        strength = np.abs(values) / max(np.abs(values).max(), 1e-12)
        colors = np.where(values[..., np.newaxis] >= 0, _FOR, _AGAINST)
        colors = np.concatenate([colors, 0.85 * strength[..., np.newaxis]], axis=-1)
        smooth = "nearest" if values.shape == (height, width) else "bilinear"
        panel.imshow(colors, extent=frame, interpolation=smooth)
        panel.set_title(f"class {shown}", fontsize="medium")
        _bare(panel)
    return drawn


def _bare(panel: Axes) -> None:
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
