"""Write images down in a few numbers, clean noisy ones, and find those of an unknown kind.

An autoencoder is trained on all kinds of images but one. How badly it reconstructs an image tells
how likely that is of the kind it never saw. A second one, which saw noise in training, removes it.
Handwritten digits, which ship with scikit-learn, without an eight among them; with ``--data`` the
images of MNIST, likewise, or Fashion-MNIST, without bags.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ganglion import Autoencoder, plot

Array = NDArray[Any]
# Of what is added to the pixels, which go from 0 to 1.
NOISE = 0.4
# Class that is not trained on, and images in a row of the picture.
UNKNOWN, SHOWN = 8, 10
EPOCHS, MANY_EPOCHS = 5, 150


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train two autoencoders, print how well they do, and draw what they make of images.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        ``explained``, the share of the variance that 16 numbers keep; ``cleaned``, the squared
        error that is left of noise, as a share; ``area`` under the ROC curve for the unknown class.
    """
    command = Command("autoencoder", __doc__)
    command.add_images()
    command.add_output("autoencoder.png")
    command.add_epochs(None)
    command.add_seed()
    options = command.parse_args(arguments)

    data = command.read_images(options.data)
    known, test = data.X_train[data.y_train != UNKNOWN], data.X_test
    settings = {
        "latent_dim": 16,
        "epochs": options.epochs or (MANY_EPOCHS if options.data is None else EPOCHS),
        "random_state": options.seed,
        "verbose": "auto",
    }
    model = Autoencoder(**settings).fit(known)
    cleaner = Autoencoder(**{**settings, "latent_dim": 64}, noise=NOISE).fit(known)

    usual = test[data.y_test != UNKNOWN]
    noise = np.random.default_rng(0).normal(scale=NOISE, size=usual.shape)
    noisy = np.float32(usual + noise)
    kept, cleaned = model.reconstruct(usual), cleaner.reconstruct(noisy)
    found = {
        "explained": 1 - float(np.square(kept - usual).mean() / usual.var(axis=0).mean()),
        "cleaned": float(np.square(cleaned - usual).mean() / np.square(noise).mean()),
        "area": float(roc_auc_score(data.y_test == UNKNOWN, -model.score_samples(test))),
    }
    print(f"\n16 numbers an image keep {found['explained']:.1%} of the variance of test images")
    print(f"Of the noise the other one leaves {found['cleaned']:.1%}")
    print(f"Area under the ROC curve for class {UNKNOWN}, never seen: {found['area']:.3f}")
    _draw([usual, kept, noisy, cleaned], test[model.score_samples(test).argsort()], options.output)
    print(f"Picture: {options.output.resolve()}")
    return found


def _draw(rows: list[Array], strange: Array, path: Path) -> None:
    figure = Figure(figsize=(8, 6), layout="constrained")
    titles = [
        "Test images, what 16 numbers keep of them, with noise, and cleaned",
        "The test images that are reconstructed worst",
    ]
    shown = [np.concatenate([row[:SHOWN] for row in rows]), strange[: 2 * SHOWN]]
    both = figure.subplots(2, 1, height_ratios=[2, 1])
    for panel, images, title in zip(both, shown, titles, strict=True):
        plot.image_grid(np.clip(images, 0, 1), columns=SHOWN, ax=panel)
        panel.set_title(title, fontsize="medium")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
