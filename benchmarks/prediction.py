"""Predicting 1, 32 and 10,000 rows beside every peer, from NumPy to NumPy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.cases import PREDICTIONS
from benchmarks.table import compare, rows_beside
from benchmarks.training import Prediction

TITLE = "Prediction"


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rows = []
    for case in PREDICTIONS:
        arguments: dict[str, Any] = {"widths": case.widths, "batch_size": case.batch_size}
        row = compare(Prediction, case, options, **arguments)
        rows.append({**row, "flops": case.batch_size * case.prediction_flops})
    return {"threads": options.threads, "peak": machine.peak(options.threads), "rows": rows}


def show(result: dict[str, Any]) -> str:
    return (
        "Microseconds a call, median, from an array of NumPy's to the probabilities in another, "
        f"threads: {result['threads']}. PyTorch through a frozen trace, JAX and Keras through a "
        "jitted function that has the weights as constants, scikit-learn's `predict_proba`.\n\n"
        + rows_beside(result, "network, rows")
    )


def draw(result: dict[str, Any], path: Path) -> None:
    from benchmarks.pictures import draw_ratios

    draw_ratios(result, f"Prediction, threads: {result['threads']}", path)
