"""Keras runs on PyTorch here; everything in this directory carries the marker `parity`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["KERAS_BACKEND"] = "torch"

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.parity)
            # Warnings of the libraries compared with are not ours to mend.
            for category in ("DeprecationWarning", "FutureWarning", "UserWarning", "SyntaxWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}:(keras|torch).*"))


@pytest.fixture(params=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> str:
    """Both precisions; Keras is told which."""
    keras = pytest.importorskip("keras")
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    return str(request.param)
