"""Networks of PyTorch and scikit-learn, through their own ONNX exporters, into ganglion."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from ganglion import Sequential  # noqa: E402

DIFFERENCE = 1e-5

# The two exporters, and operators old and new.
EXPORTS = [(False, 14), (False, 17), (True, 18), (True, 20)]
ACTIVATIONS = [
    nn.ReLU(), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Softsign(),
    nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.ELU(0.5), nn.SELU(), nn.CELU(),
    nn.LeakyReLU(0.1), nn.PReLU(), nn.PReLU(4), nn.Softplus(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(),
    nn.Softmax(1), nn.LogSoftmax(1),
]  # fmt: skip


class Mixed(nn.Module):
    """Branches of every kind, and normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
        self.batch, self.layer = nn.BatchNorm1d(8), nn.LayerNorm(8)
        self.joined, self.gate, self.last = (
            nn.Linear(16, 8, bias=False),
            nn.Linear(8, 8),
            nn.Linear(8, 2),
        )
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        h = torch.relu(self.first(x.view(x.size(0), -1)))
        h = h + self.batch(torch.tanh(self.second(h)))
        h = torch.cat([h, self.layer(h)], 1)
        h = self.dropout(nn.functional.silu(self.joined(h)))
        return self.last(h * torch.sigmoid(self.gate(h)) / 2.0)


def assert_read(module: Any, shape: tuple[int, ...], dynamo: bool, opset: int, path: Path) -> Any:
    if dynamo:
        pytest.importorskip("onnxscript")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    module = module.eval()
    with torch.no_grad():
        for buffer in module.buffers():
            if buffer.dtype.is_floating_point:
                buffer += 0.5
    x = torch.randn(5, *shape)
    options: dict[str, Any] = (
        {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "verbose": False}
        if dynamo
        else {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]}
    )
    torch.onnx.export(
        module, (x,), path, dynamo=dynamo, opset_version=opset, external_data=False, **options
    )
    net = Sequential.from_onnx(path)
    np.testing.assert_allclose(net.predict(x.numpy()), module(x).detach().numpy(), atol=DIFFERENCE)
    return net


@pytest.mark.filterwarnings("ignore")  # of the exporters
@pytest.mark.parametrize(("dynamo", "opset"), EXPORTS)
def test_pytorch(dynamo: bool, opset: int, tmp_path: Path) -> None:
    net = assert_read(Mixed(), (2, 3), dynamo, opset, tmp_path / "net.onnx")
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == [
        *("Input", "Flatten", "Dense", "Residual", "Branches", "Dense", "Branches"),
        *("Rescaling", "Dense"),
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("dynamo", "opset"), EXPORTS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activation_of_pytorch(activation: Any, dynamo: bool, opset: int, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(6, 4), activation)
    assert_read(module, (6,), dynamo, opset, tmp_path / "net.onnx")


class Recurrent(nn.Module):
    """Two recurrent layers, and one more behind all steps or the last."""

    def __init__(self, kind: Any, both: bool, last: bool) -> None:
        super().__init__()
        settings = {"num_layers": 2, "batch_first": True, "bidirectional": both}
        self.loops, self.dense = kind(4, 3, **settings), nn.Linear(6 if both else 3, 2)
        self.last = last

    def forward(self, x: Any) -> Any:
        y, _ = self.loops(x)
        return self.dense(y[:, -1] if self.last else y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("both", "last"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrence_of_pytorch(kind: Any, both: bool, last: bool, tmp_path: Path) -> None:
    # The other exporter writes a node for each step.
    module = Recurrent(kind, both, last)
    net = assert_read(module, (5, 4), False, 17, tmp_path / "net.onnx")
    inner = "Bidirectional" if both else {"RNN": "SimpleRNN"}.get(kind.__name__, kind.__name__)
    assert [type(layer).__name__ for layer in net.layers] == ["Input", inner, inner, "Dense"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [2, 3])
def test_classifier_of_scikit_learn(classes: int, tmp_path: Path) -> None:
    convert = pytest.importorskip("skl2onnx").to_onnx
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    network = MLPClassifier([5, 6], activation="tanh", max_iter=5, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(X, np.arange(60) % classes)
    (tmp_path / "net.onnx").write_bytes(convert(model, X).SerializeToString())
    net = Sequential.from_onnx(tmp_path / "net.onnx")
    np.testing.assert_allclose(net.predict(X), model.predict_proba(X), atol=DIFFERENCE)
