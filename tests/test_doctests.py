"""Every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import ganglion

MODULES = [
    "ganglion",
    *(
        module.name
        for module in pkgutil.walk_packages(ganglion.__path__, "ganglion.")
        if not module.name.endswith("._core")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    monkeypatch.setenv("MPLBACKEND", "Agg")
    module = importlib.import_module(name)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    # What an example defines is a user's, not the module's: it must not join ganglion's registries.
    outcome = doctest.testmod(module, optionflags=options, extraglobs={"__name__": "__main__"})
    assert outcome.failed == 0
