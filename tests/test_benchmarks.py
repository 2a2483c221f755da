"""The benchmarks run, on a small part of what they measure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "command",
    [
        ["table", "--cases", "1"],
        ["table", "--cases", "9"],
        ["table", "--cases", "10"],
        ["table", "--cases", "13"],
        ["predict"],
        ["capsules", "--cases", "1"],
    ],
    ids=["table", "images", "last state", "each step", "predict", "capsules"],
)
def test_benchmark_runs_alone(command: list[str], tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    options = ["--peers", "ganglion", "--threads", "1", "--seconds", "0.1", "--json", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(target.read_text(encoding="utf-8"))["rows"][0]
    assert row["microseconds"]["ganglion"] > 0
    assert row["case"] in done.stdout


def test_the_benchmark_of_pipelines_runs(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    options = ["--data", "digits", "--fits", "1", "--peers", "ganglion", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "pipeline", *options, "--json", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(target.read_text(encoding="utf-8"))["rows"]
    assert row["failures"] == {}
    assert all(run["accuracy"] > 0.9 for runs in row["runs"].values() for run in runs)
    assert "digits" in done.stdout


def test_the_benchmark_of_time_to_accuracy_runs(digits_as_mnist: Path, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    options = ["--network", "convolutional", "--data", str(digits_as_mnist), "--seeds", "1"]
    options += ["--peers", "ganglion", "--threads", "1", "--json", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "accuracy", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(target.read_text(encoding="utf-8"))
    assert result["failures"] == {}
    (run,) = result["runs"]["ganglion"]
    assert run["accuracies"][-1] >= 0.9
    assert "1 of 1" in done.stdout


@pytest.mark.parametrize("kind", ["vae", "wgan"])
def test_the_benchmark_of_generative_models_runs(
    kind: str, digits_as_mnist: Path, tmp_path: Path
) -> None:
    target = tmp_path / "result.json"
    options = ["--kind", kind, "--data", str(digits_as_mnist), "--epochs", "2", "--rows", "200"]
    options += ["--peers", "ganglion", "--threads", "1", "--json", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "generative", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(target.read_text(encoding="utf-8"))
    assert result["failures"] == {}
    (run,) = result["runs"]["ganglion"]
    assert run["seconds"] > 0 and ("bound" in run) == (kind == "vae")
    assert "seconds an epoch" in done.stdout
