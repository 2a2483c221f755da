"""A capsule network beside the same in PyTorch, whose routing writes down every prediction."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import Sequential, layers, losses, optimizers  # noqa: E402


def squash(s: torch.Tensor) -> torch.Tensor:
    squared = s.square().sum(-1, keepdim=True)
    return s * squared.sqrt() / (1 + squared)


class Capsules(torch.nn.Module):
    """Two convolutions, and routing with the gradient through all of it or its last round alone."""

    def __init__(self, network: Sequential, routings: int, through: bool) -> None:
        super().__init__()
        kernel, bias, primary, primary_bias, weights = network.get_weights()
        self.convolutions = torch.nn.ParameterList()
        for array in (kernel.transpose(3, 2, 0, 1), bias, primary.transpose(3, 2, 0, 1)):
            self.convolutions.append(torch.from_numpy(array.copy()))
        self.convolutions.append(torch.from_numpy(primary_bias.copy()))
        self.weights = torch.nn.Parameter(torch.from_numpy(weights.copy()))
        self.routings, self.through = routings, through

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        kernel, bias, primary, primary_bias = self.convolutions
        y = torch.relu(torch.nn.functional.conv2d(images.permute(0, 3, 1, 2), kernel, bias))
        y = torch.nn.functional.conv2d(y, primary, primary_bias, stride=2).permute(0, 2, 3, 1)
        u = squash(y.reshape(len(images), -1, self.weights.shape[1]))
        predicted = torch.einsum("nik,jkid->nijd", u, self.weights)
        held = predicted if self.through else predicted.detach()
        logits = torch.zeros(predicted.shape[:3], dtype=predicted.dtype)
        for _ in range(self.routings - 1):
            v = squash(torch.einsum("nij,nijd->njd", logits.softmax(2), held))
            logits = logits + torch.einsum("nijd,njd->nij", held, v)
        v = squash(torch.einsum("nij,nijd->njd", logits.softmax(2), predicted))
        return v.square().sum(-1).sqrt()


def margin(lengths: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    present = target * (0.9 - lengths).relu().square()
    absent = (1 - target) * (lengths - 0.1).relu().square()
    return (present + 0.5 * absent).sum(1).mean()


@pytest.mark.parametrize(
    ("routings", "through"), [(1, False), (3, False), (3, True)], ids=["even", "held", "through"]
)
def test_training_of_capsules_beside_pytorch(dtype: str, routings: int, through: bool) -> None:
    draw = np.random.default_rng(0)
    images = draw.normal(size=(10, 16, 9, 9, 1)).astype(dtype)
    target = np.eye(4, dtype=dtype)[draw.integers(0, 4, (10, 16))]
    network = Sequential(
        [
            layers.Conv2D(6, 3, activation="relu"),
            layers.PrimaryCapsule(3, 4, 3, strides=2),
            layers.CapsuleLayer(4, 5, routings, through, kernel_initializer="normal"),
            layers.CapsuleLength(),
        ],
        loss=losses.Margin(),
        optimizer=optimizers.SGD(0.5),
        random_state=0,
        dtype=dtype,
    )
    network.build((None, 9, 9, 1))
    model = Capsules(network, routings, through)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    ours, theirs = [], []
    for batch, classes in zip(images, target, strict=True):
        optimizer.zero_grad()
        loss = margin(model(torch.from_numpy(batch)), torch.from_numpy(classes))
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
        ours.append(network.train_on_batch(batch, classes)["loss"])
    assert_near(ours, theirs, PARITY[dtype])
    assert_near(network.get_weights()[-1], model.weights.detach().numpy(), PARITY[dtype])
