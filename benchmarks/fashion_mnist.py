"""Accuracy on Fashion-MNIST, 784-256-128-10, Adam, 10 epochs, 5 seeds: ganglion beside PyTorch.

Run as `python -m benchmarks.fashion_mnist DIRECTORY` with the four IDX files in DIRECTORY. Both
start from the defaults of Keras (Glorot uniform kernels, zero biases), see the same pixels in
[0, 1] and batches of 128 in an order of their own.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ganglion import Sequential, datasets, layers, optimizers

Array = np.ndarray
WIDTHS = (784, 256, 128, 10)
BATCH, EPOCHS, RATE = 128, 10, 1e-3


def train_ganglion(x: Array, y: Array, x_test: Array, y_test: Array, seed: int) -> float:
    """Accuracy on the test set after training with this seed."""
    hidden = [layers.Dense(width, activation="relu") for width in WIDTHS[1:-1]]
    net = Sequential(
        [*hidden, layers.Dense(WIDTHS[-1], activation="softmax")],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(RATE),
        metrics=["accuracy"],
        random_state=seed,
    )
    net.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    return float(net.evaluate(x_test, y_test)["accuracy"])


def train_torch(x: Array, y: Array, x_test: Array, y_test: Array, seed: int) -> float:
    """The same network, start and schedule in PyTorch (Adam's epsilon is Keras's 1e-7)."""
    import torch

    torch.manual_seed(seed)
    parts: list[torch.nn.Module] = []
    for inputs, outputs in zip(WIDTHS, WIDTHS[1:], strict=False):
        layer = torch.nn.Linear(inputs, outputs)
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        parts += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, eps=1e-7)
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        predicted = net(torch.from_numpy(x_test)).argmax(dim=1).numpy()
    return float((predicted == y_test).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    data = datasets.read_mnist(arguments.directory)
    x, x_test = (
        (images.reshape(len(images), -1) / 255).astype(np.float32)
        for images in (data.X_train, data.X_test)
    )
    y, y_test = (labels.astype(np.int64) for labels in (data.y_train, data.y_test))
    for name, train in (("ganglion", train_ganglion), ("PyTorch", train_torch)):
        start = time.perf_counter()
        scores = [train(x, y, x_test, y_test, seed) for seed in range(arguments.seeds)]
        seconds = (time.perf_counter() - start) / arguments.seeds
        listed = " ".join(f"{score:.4f}" for score in scores)
        print(
            f"{name:9s} mean {np.mean(scores):.4f}  deviation {np.std(scores, ddof=1):.4f}  "
            f"{seconds:.1f} s a seed  ({listed})"
        )


if __name__ == "__main__":
    main()
