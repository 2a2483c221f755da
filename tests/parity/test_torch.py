"""What Keras lacks, beside PyTorch and scikit-learn; and a whole training beside plain PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tolerances import PARITY, assert_near  # noqa: E402
from traced import Traced  # noqa: E402

from ganglion import Sequential, layers, losses, optimizers, schedules  # noqa: E402


@pytest.mark.parametrize("fraction", [0.3, 0.5])
def test_one_cycle(fraction: float) -> None:
    steps = 40
    ours = schedules.OneCycle(0.1, steps, fraction, 10.0, 100.0)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, steps, pct_start=fraction, div_factor=10.0, final_div_factor=100.0
    )
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < steps:
            theirs.step()
    np.testing.assert_allclose(ours(np.arange(steps)), expected, rtol=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile(quantile: float) -> None:
    judge = pytest.importorskip("sklearn.metrics").mean_pinball_loss
    draw = np.random.default_rng(0)
    target, prediction = draw.normal(size=(2, 50, 3))
    traced = Traced(losses.Quantile(quantile), [(None, 3), (None, 3)])
    expected = judge(target, prediction, alpha=quantile)
    assert traced.run(target, prediction)[0].mean() == pytest.approx(expected, rel=1e-13)


def test_fifty_steps_of_adam_beside_pytorch(dtype: str) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(50, 32, 20)), draw.integers(0, 3, (50, 32))
    net = Sequential(
        [
            layers.Dense(64, activation="gelu"),
            layers.LayerNormalization(epsilon=1e-5),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.AdamW(1e-2, weight_decay=0.1, epsilon=1e-8),
        random_state=0,
        dtype=dtype,
    )
    net.build((None, 20))
    model = torch.nn.Sequential(
        torch.nn.Linear(20, 64), torch.nn.GELU(), torch.nn.LayerNorm(64), torch.nn.Linear(64, 3)
    ).to(getattr(torch, dtype))
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), net.get_weights(), strict=True):
            parameter.copy_(torch.from_numpy(weight.T.copy()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    ours, theirs = [], []
    for batch, labels in zip(x, y, strict=True):
        optimizer.zero_grad()
        logits = model(torch.tensor(batch, dtype=getattr(torch, dtype)))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        theirs.append(loss.item())
        ours.append(net.train_on_batch(batch, labels)["loss"])
        optimizer.step()
    tolerance = max(PARITY[dtype], 1e-5)  # the two place epsilon differently
    assert_near(ours, theirs, tolerance)


def test_weights_of_a_model(dtype: str) -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.PReLU(8),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(8, 6, bias=False),
        torch.nn.LayerNorm(6),
        torch.nn.Linear(6, 3),
        torch.nn.Softmax(1),
    ).to(getattr(torch, dtype))
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor += torch.rand_like(tensor)
    net = Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.PReLU(),
            layers.Dropout(0.5),
            layers.Dense(6, use_bias=False),
            layers.LayerNormalization(epsilon=1e-5),
            layers.Dense(3, activation="softmax"),
        ],
        dtype=dtype,
    )
    net.load_state_dict(model.state_dict())
    x = torch.randn(20, 5, dtype=getattr(torch, dtype))
    assert_near(net.predict(x.numpy()), model.eval()(x).detach().numpy(), 1e-5)


def test_weights_in_bfloat16() -> None:
    model = torch.nn.Linear(3, 2).bfloat16()
    net = Sequential([layers.Input((3,)), layers.Dense(2)])
    net.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(net.get_weights()[0], model.weight.detach().float().numpy().T)


class Encoder(torch.nn.Module):
    """Attention of a sequence to itself between normalisations, in PyTorch's own layer."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.before = torch.nn.LayerNorm(8)
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.after = torch.nn.Linear(8, 3)
        self.causal = causal

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        hidden = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        y = self.attention(
            y, y, y, key_padding_mask=padding, attn_mask=hidden if self.causal else None
        )[0]
        return self.after(x + y)


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_weights_of_attention(causal: bool, dtype: str) -> None:
    model = Encoder(causal).to(getattr(torch, dtype)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.rand_like(weight)
    attention = layers.MultiHeadAttention(2, 4, causal=causal)
    inner = [layers.LayerNormalization(epsilon=1e-5), attention]
    net = Sequential([layers.Masking(), layers.Residual(inner), layers.Dense(3)], dtype=dtype)
    net.build((None, 5, 8))
    net.load_state_dict(model.state_dict())
    counted = np.arange(5) < np.array([5, 2, 3])[:, None]
    x = np.where(counted[..., None], np.random.default_rng(0).normal(size=(3, 5, 8)), 0)
    with torch.no_grad():
        there = model(torch.tensor(x.astype(dtype)), torch.tensor(~counted)).numpy()
    assert_near(net.predict(x)[counted], there[counted], PARITY[dtype])
    wrong = {**model.state_dict(), "attention.out_proj.weight": torch.ones(4, 8)}
    with pytest.raises(ValueError, match=r"'attention.out_proj.weight' has shape \(4, 8\)"):
        net.load_state_dict(wrong)


def convolutional(dtype: str) -> torch.nn.Sequential:
    """Every kind of convolution, and features of a flattened image."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, (3, 2), padding="same", groups=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 8, 3, groups=4),  # depthwise
        torch.nn.Conv2d(8, 8, 2, groups=8, bias=False),  # these two are separable
        torch.nn.Conv2d(8, 3, 1),
        torch.nn.ConvTranspose2d(3, 5, 3, stride=2),
        torch.nn.Flatten(),
        torch.nn.BatchNorm1d(5 * 9 * 7),
        torch.nn.Tanh(),
        torch.nn.Linear(5 * 9 * 7, 2),
    ).to(getattr(torch, dtype))


def test_weights_of_convolutions(dtype: str) -> None:
    model = convolutional(dtype).eval()
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for weight in [*model.parameters(), *model.buffers()]:
            if weight.is_floating_point():
                weight.copy_(torch.tensor(draw.uniform(0.1, 0.5, tuple(weight.shape))))
    net = Sequential(
        [
            layers.Conv2D(4, (3, 2), padding="same", groups=2, activation="relu"),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.SeparableConv2D(3, 2),
            layers.Conv2DTranspose(5, 3, strides=2),
            layers.Flatten(),
            layers.BatchNormalization(epsilon=1e-5),
            layers.Activation("tanh"),
            layers.Dense(2),
        ],
        dtype=dtype,
    )
    net.build((None, 7, 6, 2))
    net.load_state_dict(model.state_dict())
    x = draw.normal(size=(3, 7, 6, 2)).astype(dtype)
    there = model(torch.tensor(np.moveaxis(x, 3, 1).copy())).detach().numpy()
    assert_near(net.predict(x), there, PARITY[dtype])
