"""A round of a generative adversarial network, against PyTorch: same weights, same noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import Joint, Objective, Sequential, layers, ops, optimizers

torch = pytest.importorskip("torch")
nn = torch.nn

LATENT, FEATURES, BATCH = 5, 7, 16
RATES = {"discriminator": 2e-3, "generator": 1e-3}
EPSILON = 1e-14  # Keras's Adam, as ours, adds it elsewhere than PyTorch's: too little to matter


def networks() -> dict[str, Sequential]:
    """With batch normalisation in one, whose statistics the other's objective must leave alone."""
    nets = {
        "generator": Sequential(
            [
                layers.Dense(12, use_bias=False),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
                layers.ReLU(),
                layers.Dense(FEATURES, activation="tanh"),
            ],
            random_state=0,
            dtype="float64",
        ),
        "discriminator": Sequential(
            [layers.Dense(12), layers.LeakyReLU(0.2), layers.Dense(1)],
            random_state=1,
            dtype="float64",
        ),
    }
    nets["generator"].build((None, LATENT))
    nets["discriminator"].build((None, FEATURES))
    return nets


def mirrored(nets: dict[str, Sequential]) -> dict[str, Any]:
    """Return PyTorch's networks with the same weights."""
    modules = {
        "generator": nn.Sequential(
            nn.Linear(LATENT, 12, bias=False),
            nn.BatchNorm1d(12),
            nn.ReLU(),
            nn.Linear(12, FEATURES),
            nn.Tanh(),
        ),
        "discriminator": nn.Sequential(
            nn.Linear(FEATURES, 12), nn.LeakyReLU(0.2), nn.Linear(12, 1)
        ),
    }
    for name, module in modules.items():
        module.double()
        copy(nets[name].get_weights(), module)
    return modules


def trained(module: Any) -> list[Any]:
    """Return its trained weights, kernels as ours are."""
    return [
        p.detach().numpy().T if p.ndim == 2 else p.detach().numpy() for p in module.parameters()
    ]


def copy(weights: list[np.ndarray], module: Any) -> None:
    ours = iter(weights)
    with torch.no_grad():
        for layer in module:
            if not list(layer.parameters()):
                continue
            layer.weight.copy_(torch.tensor(next(ours).T))
            if layer.bias is not None:
                layer.bias.copy_(torch.tensor(next(ours)))
            if isinstance(layer, nn.BatchNorm1d):
                layer.running_mean.copy_(torch.tensor(next(ours)))
                layer.running_var.copy_(torch.tensor(next(ours)))


def judge(networks: Any, x: Any, z: Any) -> Any:
    true = networks.discriminator(x)
    made = networks.discriminator(networks.generator(z))
    return ops.mean(ops.softplus(-true)) + ops.mean(ops.softplus(made))


def deceive(networks: Any, x: Any, z: Any) -> Any:
    return ops.mean(ops.softplus(-networks.discriminator(networks.generator(z))))


def torch_rounds(modules: dict[str, Any], X: np.ndarray, Z: np.ndarray) -> dict[str, list[float]]:
    made_by, judged_by = modules["generator"], modules["discriminator"]
    rules = {
        name: torch.optim.Adam(modules[name].parameters(), rate, (0.5, 0.999), eps=EPSILON)
        for name, rate in RATES.items()
    }
    softplus = nn.functional.softplus
    losses: dict[str, list[float]] = {"judge": [], "deceive": []}
    for start in range(0, len(X), BATCH):
        x, z = (torch.tensor(array[start : start + BATCH]) for array in (X, Z))
        with torch.no_grad():
            made = made_by(z)
        loss = softplus(-judged_by(x)).mean() + softplus(judged_by(made)).mean()
        rules["discriminator"].zero_grad()
        loss.backward()
        rules["discriminator"].step()
        losses["judge"].append(float(loss.detach()))
        loss = softplus(-judged_by(made_by(z))).mean()
        rules["generator"].zero_grad()
        loss.backward()
        rules["generator"].step()
        losses["deceive"].append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("rounds", [1, 20])
def test_rounds_of_both_networks(rounds: int) -> None:
    generator = np.random.default_rng(0)
    X = np.tanh(generator.normal(size=(rounds * BATCH, FEATURES)))
    Z = generator.normal(size=(rounds * BATCH, LATENT))
    nets = networks()
    modules = mirrored(nets)
    functions = {"discriminator": judge, "generator": deceive}
    joint = Joint(
        nets,
        [
            Objective(functions[name], name, optimizers.Adam(rate, beta_1=0.5, epsilon=EPSILON))
            for name, rate in RATES.items()
        ],
        random_state=0,
    )
    joint.fit((X, Z), batch_size=BATCH, shuffle=False)
    losses = torch_rounds(modules, X, Z)
    for name, values in losses.items():
        np.testing.assert_allclose(joint.history_[name], [np.mean(values)], rtol=1e-10)
    for name, module in modules.items():
        ours = [nets[name].weights[i] for i in trained_positions(nets[name])]
        for found, expected in zip(ours, trained(module), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)


def trained_positions(net: Sequential) -> list[int]:
    return [net.weight_names.index(name) for name in net.trainable_weight_names]
