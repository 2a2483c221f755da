"""Pictures: what is drawn, not how it looks."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


def labels(history: dict[str, list[float]]) -> list[str]:
    (axes,) = plot.learning_curves(history, ["loss"])
    found = [text.get_text() for text in axes.get_legend().get_texts()]
    matplotlib.pyplot.close(axes.figure)
    return found


def test_the_best_epoch_is_marked():
    assert (
        labels({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.0, 2.0]})[-1]
        == "best loss: epoch 2, here 1"
    )


def test_epochs_without_validation_are_not_the_best():
    history = {"loss": [3.0, 2.0, 1.0], "val_loss": [np.nan, 2.0, 1.5]}
    assert labels(history)[-1] == "best loss: epoch 3, here 1.5"
    assert labels({"loss": [3.0], "val_loss": [np.nan]}) == ["training", "validation"]
