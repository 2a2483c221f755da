"""Recurrent layers with the weights of PyTorch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

STEPS, FEATURES, UNITS = 6, 3, 4
KINDS = {"RNN": layers.SimpleRNN, "LSTM": layers.LSTM, "GRU": layers.GRU}


def ours(kind: Any, both: bool, sequences: bool, **settings: Any) -> Any:
    layer = kind(UNITS, return_sequences=sequences, **settings)
    return layers.Bidirectional(layer) if both else layer


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no_bias"])
@pytest.mark.parametrize("both", [False, True], ids=["one", "bidirectional"])
@pytest.mark.parametrize("name", KINDS)
def test_two_layers_and_a_head(name: str, both: bool, bias: bool, dtype: str) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            module = getattr(torch.nn, name)
            self.rnn = module(FEATURES, UNITS, 2, bias=bias, batch_first=True, bidirectional=both)
            self.head = torch.nn.Linear(UNITS * (1 + both), 2)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x)[0])

    model = Model().to(getattr(torch, dtype))
    chain = [ours(KINDS[name], both, True, use_bias=bias) for _ in range(2)]
    net = Sequential([*chain, layers.Dense(2)], dtype=dtype)
    net.build((None, STEPS, FEATURES))
    net.load_state_dict(model.state_dict())
    x = np.random.default_rng(0).normal(size=(5, STEPS, FEATURES))
    expected = model(torch.tensor(x, dtype=getattr(torch, dtype))).detach().numpy()
    assert_near(net.predict(x), expected, PARITY[dtype])


def network(layer: Any) -> Sequential:
    net = Sequential([layer])
    net.build((None, STEPS, FEATURES))
    return net


@pytest.mark.parametrize(
    ("layer", "module", "message"),
    [
        (layers.LSTM(4), torch.nn.LSTM(FEATURES, 5), r"'weight_ih_l0' has shape \(20, 3\), and"),
        (layers.LSTM(4), torch.nn.LSTM(2, 4), r"needs \(16, 3\), outputs first"),
        (layers.LSTM(4), torch.nn.LSTM(FEATURES, 4, bias=False), "needs .*'bias_ih'"),
        (layers.LSTM(4), torch.nn.LSTM(FEATURES, 4, 2), "the dict has 2, '_l0', '_l1'"),
        (layers.LSTM(4), torch.nn.LSTM(FEATURES, 4, proj_size=2), "'weight_hr'"),
        (layers.GRU(4, reset_after=False), torch.nn.GRU(FEATURES, 4), "reset_after=False"),
    ],
    ids=["units", "features", "bias", "layers", "projection", "reset"],
)
def test_what_does_not_fit_is_named(layer: Any, module: Any, message: str) -> None:
    net = network(layer)
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.load_state_dict(module.state_dict())
    for got, wanted in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_states_that_are_kept_stay() -> None:
    chain = [layers.Input((STEPS, FEATURES), batch_size=2), layers.LSTM(4, stateful=True)]
    net = Sequential(chain)
    net.build((None, STEPS, FEATURES))
    net.predict(np.ones((2, STEPS, FEATURES)))
    kept = net.get_weights()[3:]
    net.load_state_dict(torch.nn.LSTM(FEATURES, 4).state_dict())
    for got, wanted in zip(net.get_weights()[3:], kept, strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.any()
