"""The examples, run as a user runs them, reach what they promise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ganglion.examples import digits, fashion_mnist, regression

PNG = b"\x89PNG"


def test_digits_are_recognised(tmp_path, capsys):
    picture = tmp_path / "digits.png"
    scores = digits.main(["--output", str(picture)])
    assert scores["accuracy"] >= 0.97
    assert min(scores.values()) >= 0.96
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    for word in ("accuracy", "precision", "recall", "f1", "Confusion matrix", str(picture)):
        assert word in printed


@pytest.mark.parametrize("seed", [1, 2])
def test_digits_are_recognised_whatever_the_seed(seed, tmp_path):
    scores = digits.main(["--output", str(tmp_path / "digits.png"), "--seed", str(seed)])
    assert scores["accuracy"] >= 0.96


def test_digits_runs_as_a_command(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "ganglion.examples.digits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert (tmp_path / "digits.png").exists()


def test_regression_compares_every_method(tmp_path, capsys):
    picture = tmp_path / "regression.png"
    outcomes = regression.main(["--output", str(picture)])
    assert picture.read_bytes().startswith(PNG)
    assert [outcome.updates for outcome in outcomes[:3]] == [40, 13240, 440]
    printed = capsys.readouterr().out
    for outcome in outcomes:
        assert outcome.method.name in printed
        assert outcome.losses[-1] < outcome.losses[0], outcome.method.name
        assert outcome.r2 > 0.2, outcome.method.name


def test_fashion_mnist_reaches_its_accuracy(data_directory):
    assert fashion_mnist.main(["--data", str(data_directory / "fashion-mnist")]) >= 0.885


def test_fashion_mnist_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        fashion_mnist.main(["--data", str(tmp_path)])
