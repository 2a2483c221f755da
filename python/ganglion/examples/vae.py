"""Learn what images look like, and draw new ones: a variational autoencoder.

Pixels are drawn black or white with their brightness as the probability, so that the bound that is
trained says how many nats a picture of yes and no costs at most. Handwritten digits, which ship
with scikit-learn; with ``--data`` the images of MNIST or Fashion-MNIST, on which 20 epochs reach a
bound of some -238 nats on the test images.
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

from ganglion import VAE, plot, schedules

Array = NDArray[Any]
LATENT_DIM, BATCH_SIZE = 20, 128
EPOCHS, MANY_EPOCHS = 6, 300
# Rows and columns of the grids in the picture, and samples in the other two parts.
SIDE, POINTS, PAIRS = 10, 3000, 8


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print the bound on test images, and draw samples and codes.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        ``bound``, the evidence lower bound a test image in nats, and its part ``divergence``.
    """
    command = Command("vae", __doc__)
    command.add_images()
    command.add_output("vae.png")
    command.add_epochs(None)
    command.add_seed()
    options = command.parse_args(arguments)

    data = command.read_images(options.data)
    draw = np.random.default_rng(0)
    train, test = (
        (draw.uniform(size=images.shape) < images).astype(np.uint8)
        for images in (data.X_train, data.X_test)
    )
    epochs = options.epochs or (MANY_EPOCHS if options.data is None else EPOCHS)
    steps = epochs * -(-len(train) // BATCH_SIZE)
    model = VAE(
        LATENT_DIM,
        learning_rate=schedules.CosineDecay(2e-3, decay_steps=steps),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        random_state=options.seed,
        verbose="auto",
    ).fit(train, X_val=test)

    found = {
        "bound": model.score(test),
        "divergence": model.history_["val_divergence"][-1],
    }
    print(f"\nBound on test images: {found['bound']:.2f} nats an image")
    print(f"Of it the divergence of the codes takes {found['divergence']:.2f}")
    _draw(model, test, data.y_test, options.output)
    print(f"Picture: {options.output.resolve()}")
    return found


def _draw(model: VAE, test: Array, labels: Array, path: Path) -> None:
    figure = Figure(figsize=(16, 5), layout="constrained")
    samples, between, codes = figure.subplots(1, 3)
    plot.image_grid(model.sample(SIDE * SIDE, random_state=0), columns=SIDE, ax=samples)
    samples.set_title("new images", fontsize="medium")
    plot.image_grid(_between(model, test[: 2 * PAIRS]), columns=SIDE, ax=between)
    between.set_title("from one test image, left, to another, right", fontsize="medium")
    plot.latent_space(model, test[:POINTS], labels[:POINTS], ax=codes)
    codes.set_title("codes of test images, by class", fontsize="medium")
    figure.savefig(path, dpi=110)


def _between(model: VAE, images: Array) -> Array:
    """Return pairs of images with what the codes between theirs stand for, row by row."""
    codes = model.transform(images)
    share = np.linspace(0, 1, SIDE - 2)[:, np.newaxis]
    rows = []
    for first in range(0, len(images), 2):
        path = (1 - share) * codes[first] + share * codes[first + 1]
        rows += [images[first : first + 1], model.decode(path), images[first + 1 : first + 2]]
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
