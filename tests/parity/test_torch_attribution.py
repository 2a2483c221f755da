"""Saliency and Grad-CAM of a convolutional network beside PyTorch, on the same weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import Sequential, attribution, layers  # noqa: E402


@pytest.fixture(scope="module")
def net() -> Sequential:
    """Two convolutions, with pooling between them and behind."""
    return Sequential(
        [
            layers.Input((12, 10, 2)),
            layers.Conv2D(6, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu", name="maps"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ],
        dtype="float64",
        random_state=1,
    )


def theirs(net: Sequential, X: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's saliency, and its Grad-CAM of the second convolution."""
    weights = [torch.from_numpy(weight) for weight in net.get_weights()]
    first, first_bias, second, second_bias, dense, dense_bias = weights
    x = torch.from_numpy(X).requires_grad_()
    y = torch.conv2d(x.permute(0, 3, 1, 2), first.permute(3, 2, 0, 1), first_bias, padding=1)
    y = torch.max_pool2d(torch.relu(y), 2)
    maps = torch.relu(torch.conv2d(y, second.permute(3, 2, 0, 1), second_bias))
    pooled = torch.nn.functional.avg_pool2d(maps, 2).permute(0, 2, 3, 1)
    scores = pooled.reshape(len(X), -1) @ dense + dense_bias
    d_x, d_maps = torch.autograd.grad(scores[:, target].sum(), [x, maps])
    alpha = d_maps.mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((alpha * maps).sum(dim=1))
    return d_x.abs().amax(dim=-1).numpy(), cam.detach().numpy()


@pytest.mark.parametrize("target", [0, 1, 2])
def test_saliency_and_grad_cam(net, target):
    X = np.random.default_rng(0).normal(size=(9, 12, 10, 2))
    saliency, cam = theirs(net, X, target)
    assert cam.max() > 0
    assert_near(attribution.saliency(net, X, target), saliency, PARITY["float64"])
    assert_near(attribution.grad_cam(net, X, target=target), cam, PARITY["float64"])
