"""What all tests share: a clean environment, and where the shared data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def find_data() -> Path | None:
    """`GANGLION_DATA`, or `shared/data` in a directory above."""
    if "GANGLION_DATA" in os.environ:
        return Path(os.environ["GANGLION_DATA"])
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    return None


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The directory of the shared data sets; skips where there is none."""
    directory = find_data()
    if directory is None or not directory.is_dir():
        pytest.skip(
            "no shared data: set GANGLION_DATA to a directory with fashion-mnist/ and others"
        )
    return directory
