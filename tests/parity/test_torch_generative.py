"""Generative models beside PyTorch: the same weights and noise give the same training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import Joint, Objective, Sequential, layers, losses, ops, optimizers  # noqa: E402
from ganglion.estimators.generative.adversarial import (  # noqa: E402
    DiscriminatorLoss,
    GeneratorLoss,
)
from ganglion.estimators.generative.vae import NegativeBound  # noqa: E402
from ganglion.value import Value  # noqa: E402

ROWS, FEATURES, CODE, BATCH = 40, 6, 3, 8
EPSILON = 1e-14  # Keras's Adam, as ours, adds it elsewhere than PyTorch's: too little to matter
RNG = np.random.default_rng(0)
Array = np.ndarray


def network(*parts: layers.Layer, inputs: int, dtype: str) -> Sequential:
    net = Sequential([layers.Input((inputs,)), *parts], dtype=dtype, random_state=0)
    net.set_weights([w + 0.1 * RNG.normal(size=w.shape) for w in net.get_weights()])
    return net


def module(net: Sequential, *activations: Any, dtype: str) -> Any:
    """Dense layers of PyTorch with the weights of a network, and what follows each."""
    weights = net.get_weights()
    parts: list[Any] = []
    for kernel, bias, activation in zip(weights[0::2], weights[1::2], activations, strict=True):
        linear = torch.nn.Linear(*kernel.shape)
        linear.weight.data = tensor(kernel.T, dtype)
        linear.bias.data = tensor(bias, dtype)
        parts += [linear, activation] if activation else [linear]
    return torch.nn.Sequential(*parts)


def tensor(array: Array, dtype: str) -> Any:
    return torch.tensor(array, dtype=getattr(torch, dtype))


def same_weights(net: Sequential, other: Any, dtype: str) -> None:
    wanted = [p.detach().numpy() for p in other.parameters()]
    for got, theirs in zip(net.get_weights(), wanted, strict=True):
        assert_near(got, theirs.T, 10 * PARITY[dtype])


def batches(*arrays: Array) -> Any:
    for start in range(0, ROWS, BATCH):
        yield [array[start : start + BATCH] for array in arrays]


@pytest.mark.parametrize("beta", [1.0, 3.0])
@pytest.mark.parametrize("likelihood", [losses.BernoulliNLL(), losses.GaussianNLL(0.7)], ids=repr)
def test_a_vae_is_trained_alike(
    likelihood: Any, beta: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bernoulli = likelihood.target_kind == "probability"
    ending = layers.Dense(FEATURES, activation="sigmoid" if bernoulli else None)
    encoder = network(layers.Dense(7, "tanh"), layers.Dense(2 * CODE), inputs=FEATURES, dtype=dtype)
    decoder = network(layers.Dense(7, "tanh"), ending, inputs=CODE, dtype=dtype)
    X, noise = RNG.uniform(size=(ROWS, FEATURES)), RNG.normal(size=(ROWS, CODE))
    there = module(encoder, torch.nn.Tanh(), None, dtype=dtype)
    back = module(decoder, torch.nn.Tanh(), torch.nn.Sigmoid() if bernoulli else None, dtype=dtype)
    bound = NegativeBound(likelihood, beta)

    def objective(networks: Any, x: Value, given: Value) -> dict[str, Value]:
        drawn = "ganglion.estimators.generative.vae.drawn_normal"
        with monkeypatch.context() as patched:
            patched.setattr(drawn, lambda mean, wide: mean + ops.exp(0.5 * wide) * given)
            return bound(networks, x)

    joint = Joint(
        {"encoder": encoder, "decoder": decoder},
        [Objective(objective, optimizer=optimizers.Adam(0.01, epsilon=EPSILON))],
        random_state=0,
    )
    joint.fit((X, noise), epochs=10, batch_size=BATCH, shuffle=False, verbose=0)

    weights = [*there.parameters(), *back.parameters()]
    adam = torch.optim.Adam(weights, lr=0.01, eps=EPSILON)
    expected: dict[str, list[float]] = {"loss": [], "reconstruction": [], "divergence": []}
    for _ in range(10):
        found = []
        for x, e in batches(tensor(X, dtype), tensor(noise, dtype)):
            mean, wide = there(x).split(CODE, dim=1)
            y = back(mean + torch.exp(0.5 * wide) * e)
            if bernoulli:
                near = torch.nn.functional.binary_cross_entropy(y, x, reduction="sum") / len(x)
            else:
                near = -torch.distributions.Normal(y, 0.7).log_prob(x).sum() / len(x)
            standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
            own = torch.distributions.Normal(mean, torch.exp(0.5 * wide))
            far = torch.distributions.kl_divergence(own, standard).sum() / len(x)
            loss = near + beta * far
            adam.zero_grad()
            loss.backward()
            adam.step()
            found.append([loss.item(), near.item(), far.item()])
        for name, value in zip(expected, np.mean(found, axis=0), strict=True):
            expected[name].append(value)
    for name, values in expected.items():
        assert_near(np.array(joint.history_[name]), np.array(values), 10 * PARITY[dtype], name=name)
    same_weights(encoder, there, dtype)
    same_weights(decoder, back, dtype)


LOSSES = [("non-saturating", 0.0, 0.1), ("non-saturating", 2.0, 0.0), ("wasserstein", 10.0, 0.0)]


@pytest.mark.parametrize(("loss", "penalty", "smoothing"), LOSSES, ids=str)
def test_a_gan_is_trained_alike(
    loss: str, penalty: float, smoothing: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = network(layers.Dense(7, "tanh"), layers.Dense(FEATURES), inputs=CODE, dtype=dtype)
    leaky = layers.LeakyReLU(0.2)
    discriminator = network(layers.Dense(7), leaky, layers.Dense(1), inputs=FEATURES, dtype=dtype)
    X, share = RNG.uniform(size=(ROWS, FEATURES)), RNG.uniform(size=(ROWS, 1))
    noises = [RNG.normal(size=(ROWS, CODE)) for _ in range(2)]
    makes = module(generator, torch.nn.Tanh(), None, dtype=dtype)
    judges = module(discriminator, torch.nn.LeakyReLU(0.2), None, dtype=dtype)
    wasserstein = loss == "wasserstein"
    of_judge = DiscriminatorLoss(CODE, 0, wasserstein, smoothing, penalty)
    of_maker = GeneratorLoss(CODE, 0, wasserstein)

    def given(function: Any, position: int) -> Any:
        def objective(networks: Any, x: Value, *drawn: Value) -> Any:
            with monkeypatch.context() as patched:
                patched.setattr(ops, "random_normal", lambda shape: drawn[position])
                patched.setattr(ops, "random_uniform", lambda shape: drawn[2])
                return function(networks, x)

        return objective

    def rule() -> optimizers.Adam:
        return optimizers.Adam(0.005, beta_1=0.5, epsilon=EPSILON)

    objectives = [
        Objective(given(of_judge, 0), "discriminator", rule(), name="discriminator_loss"),
        Objective(given(of_maker, 1), "generator", rule(), every=2, name="generator_loss"),
    ]
    joint = Joint(
        {"generator": generator, "discriminator": discriminator}, objectives, random_state=0
    )
    joint.fit((X, *noises, share), epochs=6, batch_size=BATCH, shuffle=False, verbose=0)

    softplus = torch.nn.functional.softplus
    settings = {"lr": 0.005, "betas": (0.5, 0.999), "eps": EPSILON}
    adam = [torch.optim.Adam(m.parameters(), **settings) for m in (judges, makes)]
    step = 0
    for _ in range(6):
        found = []
        for x, first, second, at in batches(*(tensor(a, dtype) for a in (X, *noises, share))):
            fake = makes(first).detach()
            real_says, fake_says = judges(x), judges(fake)
            if wasserstein:
                value = fake_says.mean() - real_says.mean()
            else:
                right = (1 - smoothing) * softplus(-real_says) + smoothing * softplus(real_says)
                value = right.mean() + softplus(fake_says).mean()
            if penalty:
                between = (at * x + (1 - at) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(judges(between).sum(), between, create_graph=True)
                value = value + penalty * ((slope.norm(dim=1) - 1) ** 2).mean()
            update(adam[0], value)
            found.append(value.item())
            step += 1
            if step % 2 == 0:
                says = judges(makes(second))
                update(adam[1], (-says if wasserstein else softplus(-says)).mean())
        expected = np.mean(found)
    got = joint.history_["discriminator_loss"][-1]
    assert_near(np.array(got), np.array(expected), 10 * PARITY[dtype])
    same_weights(generator, makes, dtype)
    same_weights(discriminator, judges, dtype)


def update(rule: Any, loss: Any) -> None:
    rule.zero_grad()
    loss.backward()
    rule.step()


def test_spectral_normalization_is_pytorch_s(dtype: str) -> None:
    """With many iterations, since PyTorch's begin with the other of the two vectors."""
    linear = torch.nn.Linear(5, 4).to(getattr(torch, dtype))
    linear = torch.nn.utils.parametrizations.spectral_norm(linear, n_power_iterations=100)
    (vectors,) = linear.parametrizations.weight
    layer = layers.SpectralNormalization(layers.Dense(4), power_iterations=100)
    net = Sequential([layers.Input((5,)), layer], dtype=dtype)
    original = linear.parametrizations.weight.original
    bias = linear.bias.detach().numpy()
    net.set_weights([original.detach().numpy().T, vectors._u.numpy()[np.newaxis], bias])
    x, seed = RNG.normal(size=(7, 5)), RNG.normal(size=(7, 4))
    y = linear(tensor(x, dtype))
    assert_near(net.forward(x, training=True), y.detach().numpy(), PARITY[dtype])
    y.backward(tensor(seed, dtype))
    net.backward(seed)
    assert_near(net.gradients_[0], original.grad.numpy().T, PARITY[dtype])
    assert_near(net.weights[1][0], vectors._u.numpy(), PARITY[dtype])
