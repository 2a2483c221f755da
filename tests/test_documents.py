"""README and CONTRIBUTING say what is so: their commands, their code, the files they point at."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", read(document), re.MULTILINE | re.DOTALL)


def test_the_readme_begins_with_the_two_commands():
    assert [block.strip() for block in blocks("README.md", "sh")[:2]] == [
        'pip install ".[sklearn]" && python -m ganglion.examples.digits',
        'pip install ".[test]" && pytest',
    ]


def test_the_first_example_of_the_readme_is_short():
    lines = [line for line in blocks("README.md", "python")[0].splitlines() if line.strip()]
    assert len(lines) <= 12


@pytest.mark.parametrize(
    "code", blocks("README.md", "python"), ids=["first", "estimator", "network", "graph", "text"]
)
def test_the_code_of_the_readme_runs(code, capsys):
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_first_example_of_the_readme_learns(capsys):
    exec(compile(blocks("README.md", "python")[0], "README.md", "exec"), {"__name__": "readme"})
    assert float(capsys.readouterr().out) > 0.9


def test_the_layer_of_contributing_is_short_and_trains():
    code = blocks("CONTRIBUTING.md", "python")[0]
    body = code[code.index("class ") : code.index("\n\n\nnet = ")]
    assert len([line for line in body.splitlines() if line.strip()]) < 15
    namespace = {"__name__": "contributing"}
    exec(compile(code, "CONTRIBUTING.md", "exec"), namespace)
    X = np.random.default_rng(0).normal(size=(200, 3))
    net = namespace["net"].fit(X, X[:, :1], epochs=20, batch_size=20, verbose=0)
    assert net.history_["loss"][-1] < net.history_["loss"][0]


def pieces_of_a_primitive() -> list[tuple[str, str]]:
    """Each file that CONTRIBUTING names for a new primitive, and the lines it shows of it."""
    section = read("CONTRIBUTING.md").partition("## Add a primitive")[2].partition("\n## ")[0]
    return re.findall(r"`([\w/.-]+)`[^`]*:\n\n```\w+\n(.*?)```", section, re.DOTALL)


def test_contributing_shows_every_piece_of_a_primitive():
    assert len(pieces_of_a_primitive()) == 7


@pytest.mark.parametrize(("file", "shown"), pieces_of_a_primitive(), ids=lambda text: text[:40])
def test_the_pieces_of_a_primitive_stand_where_contributing_says(file, shown):
    lines = [line.strip() for line in read(file).splitlines()]
    assert [line for line in shown.splitlines() if line.strip() not in lines] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_are_pointed_at_exist(document):
    text = read(document)
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:cpp|python|tests|benchmarks|\.ci)/[\w./-]+)`", text)
    folder = (ROOT / document).parent
    assert [path for path in linked if not (folder / path).exists()] == []
    assert [path for path in named if not (ROOT / path).exists()] == []
