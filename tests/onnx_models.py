"""ONNX models run by ONNX Runtime, which the tests of both directions share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

Array = np.ndarray


def run(model: Path | Any, *arrays: Array) -> list[Array]:
    """The outputs of a model, given as a file or as what the library makes of one."""
    content = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def operators(model: Path | Any) -> list[str]:
    """The kinds of the nodes, in order."""
    loaded = onnx.load(model) if isinstance(model, Path) else model
    return [node.op_type for node in loaded.graph.node]
