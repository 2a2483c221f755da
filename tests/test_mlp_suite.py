"""scikit-learn's own tests of its multi-layer perceptron, of the installed version, against ours.

The two names are replaced before its test module is imported. What cannot pass is listed in one
place, a table in CONTRIBUTING.md, with the reasons; a test that is listed and passes fails here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sklearn
from sklearn import neural_network

import ganglion

MODULE = "sklearn.neural_network.tests.test_mlp"
CONTRIBUTING = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"

# Some of its tests leave warnings to the eye.
pytestmark = pytest.mark.filterwarnings("default")


def listed() -> list[tuple[str, str, str]]:
    """Name of the test, last version of scikit-learn that has it so, and why it cannot pass."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    section = text.partition("## scikit-learn's own tests")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(test_\w+)` \| up to ([\d.]+) \| (.+) \|$", section, re.MULTILINE)


def applies(version: str) -> bool:
    """Whether the installed scikit-learn is of that minor version or an older one."""

    def minor(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(".")[:2])

    return minor(sklearn.__version__) <= minor(version)


def scikit_learns_tests() -> dict[str, Callable[..., Any]]:
    """The tests of its module, imported with our classes under its names."""
    ours = {"MLPClassifier": ganglion.MLPClassifier, "MLPRegressor": ganglion.MLPRegressor}
    with mock.patch.multiple(neural_network, **ours):
        module = importlib.import_module(MODULE)
    found = {name: value for name, value in vars(module).items() if name.startswith("test_")}
    for name, version, reason in listed():
        if applies(version):
            found[name] = pytest.mark.xfail(reason=reason)(found[name])
    return found


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's fixture, with the value that it has by default."""
    return 42


globals().update(scikit_learns_tests())


def test_the_tests_run_against_ours() -> None:
    assert test_fit.__globals__["MLPClassifier"] is ganglion.MLPClassifier  # noqa: F821
    assert sum(name.startswith("test_") for name in globals()) >= 40
