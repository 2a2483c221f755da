"""Images moved, turned, scaled and changed by fixed amounts, beside Keras's.

On PyTorch Keras cannot fill by wrapping, and reflects about the middle of the last pixel: those two
have SciPy for a judge, in tests/test_ops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mirror import mirror, numpy, tensor  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import layers, ops  # noqa: E402

IMAGES = np.random.default_rng(0).uniform(0.1, 0.9, size=(5, 7, 6, 3))
GEOMETRY = {
    "translation": lambda **fill: layers.RandomTranslation((0.23, 0.23), (-0.31, -0.31), **fill),
    "rotation": lambda **fill: layers.RandomRotation((0.083, 0.083), **fill),
    "zoom": lambda **fill: layers.RandomZoom((0.3, 0.3), (-0.27, -0.27), **fill),
    "zoom_of_both": lambda **fill: layers.RandomZoom((-0.4, -0.4), **fill),
}


@pytest.mark.parametrize("fill_mode", ["constant", "nearest"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry(name: str, interpolation: str, fill_mode: str, dtype: str) -> None:
    layer = GEOMETRY[name](interpolation=interpolation, fill_mode=fill_mode, fill_value=0.3)
    theirs = mirror(layer)(tensor(IMAGES, dtype), training=True)
    # Its matrices are of float32.
    assert_near(ops.evaluate(layer, IMAGES, training=True), numpy(theirs), PARITY["float32"])


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomBrightness((0.2, 0.2), (0.0, 1.0)),
        layers.RandomBrightness((-0.3, -0.3), (-1.0, 1.0)),
        layers.RandomContrast((0.0, 0.0), (0.2, 0.8)),
        layers.RandomErasing((1, 1), scale=(1, 1), fill_value=0.7, value_range=(0, 1)),
        layers.RandomErasing((1, 1), scale=(1, 1), fill_value=(0.1, 2.0, 0.3), value_range=(0, 1)),
    ],
    ids=repr,
)
def test_values(layer: Any, dtype: str) -> None:
    theirs = mirror(layer)(tensor(IMAGES, dtype), training=True)
    assert_near(ops.evaluate(layer, IMAGES, training=True), numpy(theirs), PARITY["float32"])
