"""The generative models that are measured, in PyTorch: the same layers, the usual loop."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.generators import BATCH, GAN_BETA, GAN_RATE, LATENT, PENALTY, STEPS, VAE_RATE, Array

SIDE, FILTERS = 7, (32, 64)  # of the smallest images, and of the two convolutions


def down(activation: nn.Module, outputs: int) -> nn.Sequential:
    """Two convolutions and a linear layer: encoder and discriminator."""
    few, many = FILTERS
    return nn.Sequential(
        nn.Conv2d(1, few, 4, 2, 1),
        activation,
        nn.Conv2d(few, many, 4, 2, 1),
        activation,
        nn.Flatten(),
        nn.Linear(SIDE * SIDE * many, outputs),
    )


def up(inputs: int, normalized: bool) -> nn.Sequential:
    """A linear layer and two transposed convolutions: decoder and generator, to logits."""
    few, many = FILTERS
    wide = SIDE * SIDE * many
    norms = [nn.BatchNorm1d(wide, eps=1e-3), nn.BatchNorm2d(few, eps=1e-3)] if normalized else []
    return nn.Sequential(
        nn.Linear(inputs, wide, bias=not normalized),
        *norms[:1],
        nn.ReLU(),
        nn.Unflatten(1, (many, SIDE, SIDE)),
        nn.ConvTranspose2d(many, few, 4, 2, 1, bias=not normalized),
        *norms[1:],
        nn.ReLU(),
        nn.ConvTranspose2d(few, 1, 4, 2, 1),
    )


class Model:
    """See `benchmarks.generators.Generator`."""

    def __init__(self, kind: str, threads: int, seed: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.kind, self.latent = kind, LATENT[kind]
        gan = kind != "vae"
        self.steps = 0
        self.front = down(nn.LeakyReLU(0.2) if gan else nn.ReLU(), 1 if gan else 2 * self.latent)
        self.back = up(self.latent, normalized=gan)
        for part in (*self.front.modules(), *self.back.modules()):
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        for network in (self.front, self.back):
            network.to(memory_format=torch.channels_last)
        if gan:
            self.rules = [self._adam(net, GAN_RATE, GAN_BETA) for net in (self.front, self.back)]
        else:
            self.rules = [self._adam(nn.ModuleList([self.front, self.back]), VAE_RATE, 0.9)]

    @staticmethod
    def _adam(network: nn.Module, rate: float, beta: float) -> torch.optim.Adam:
        return torch.optim.Adam(
            network.parameters(), rate, betas=(beta, 0.999), eps=1e-7, fused=True
        )

    def train(self, X: Array, epochs: int) -> None:
        images = torch.from_numpy(X)[:, None].contiguous(memory_format=torch.channels_last)
        steps = {"vae": self._vae_step, "gan": self._gan_step, "wgan": self._wgan_step}
        step = steps[self.kind]
        for network in (self.front, self.back):
            network.train()
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).split(BATCH[self.kind]):
                step(images[rows])

    def _vae_step(self, x: torch.Tensor) -> None:
        near, far = self._parts(x)
        self._update(0, (near.sum() + far.sum()) / len(x))

    def _parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, wide = self.front(x).chunk(2, dim=1)
        logits = self.back(mean + torch.exp(0.5 * wide) * torch.randn_like(mean))
        near = functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
        far = 0.5 * (mean.square() + wide.exp() - 1 - wide)
        return near.flatten(1).sum(dim=1), far.sum(dim=1)

    def _gan_step(self, x: torch.Tensor) -> None:
        softplus = functional.softplus
        real, fake = self.front(x), self.front(self._made(len(x)).detach())
        self._update(0, softplus(-real).mean() + softplus(fake).mean())
        self._update(1, softplus(-self.front(self._made(len(x)))).mean())

    def _wgan_step(self, x: torch.Tensor) -> None:
        made = self._made(len(x)).detach()
        share = torch.rand(len(x), 1, 1, 1)
        between = (share * x + (1 - share) * made).requires_grad_()
        (slope,) = torch.autograd.grad(self.front(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        self._update(0, self.front(made).mean() - self.front(x).mean() + PENALTY * penalty)
        self.steps += 1
        if self.steps % STEPS == 0:
            self._update(1, -self.front(self._made(len(x))).mean())

    def _made(self, count: int) -> torch.Tensor:
        return torch.sigmoid(self.back(torch.randn(count, self.latent)))

    def _update(self, which: int, loss: torch.Tensor) -> None:
        self.rules[which].zero_grad(set_to_none=True)
        loss.backward()
        self.rules[which].step()

    @torch.inference_mode()
    def sample(self, count: int) -> Array:
        self.back.eval()
        codes = torch.randn(count, self.latent, generator=torch.Generator().manual_seed(0))
        return torch.sigmoid(self.back(codes))[:, 0].numpy()

    @torch.inference_mode()
    def bound(self, X: Array) -> float:
        total = 0.0
        for rows in np.array_split(X, math.ceil(len(X) / 1000)):
            near, far = self._parts(torch.from_numpy(rows)[:, None])
            total -= float(near.sum() + far.sum())
        return total / len(X)
