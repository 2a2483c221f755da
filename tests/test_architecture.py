"""Who may know whom, as CONTRIBUTING.md draws it; and what a file may not hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "ganglion"
SOURCE_SUFFIXES = {".py", ".pyi", ".h", ".cpp", ".cu"}
MAX_LINES = 500

# Folder of cpp/ -> the folders whose headers it may include.
CPP_KNOWS = {
    "core": {"core"},
    "kernels": {"core", "kernels"},
    "program": {"core", "program"},
    "engines": {"core", "kernels", "program", "engines"},
    "training": {"core", "kernels", "engines", "training"},
    "bindings": {"core", "kernels", "program", "engines", "training", "bindings"},
}

# Part of the package -> its level. A part knows its own level and those below.
FOUNDATION, PARTS, NETWORK, ESTIMATORS, LEAVES = range(5)
LEVELS = {
    **dict.fromkeys(
        ["_core", "atomic", "errors", "lines", "optional", "spec", "arguments"], FOUNDATION
    ),
    **dict.fromkeys(["tables", "threads", "engines"], FOUNDATION),
    **dict.fromkeys(["value", "variables", "tracing", "ops", "initializers"], FOUNDATION),
    **dict.fromkeys(["calls", "drawing", "graph", "masks", "nodes"], FOUNDATION),
    **dict.fromkeys(["regularizers", "activations", "schedules", "tensors"], FOUNDATION),
    **dict.fromkeys(["layers", "losses", "optimizers", "metrics", "decorators"], PARTS),
    "gradient_check": NETWORK,
    **dict.fromkeys(
        ["compile", "built", "data", "samples", "passes", "training", "fitting"], NETWORK
    ),
    **dict.fromkeys(["inputs", "frames", "sparse", "source", "streaming", "endings"], NETWORK),
    **dict.fromkeys(["callbacks", "progress", "files", "summary", "network", "keeping"], NETWORK),
    **dict.fromkeys(["bundle", "chain", "chosen", "gate", "model", "showing"], NETWORK),
    **dict.fromkeys(["sequential", "interop", "range_test", "figure", "joint", "epochs"], NETWORK),
    **dict.fromkeys(["transfer", "attribution", "stepping", "generation", "sequences"], NETWORK),
    **dict.fromkeys(
        ["batching", "buckets", "open_steps", "parts", "ragged", "programs", "weights"], NETWORK
    ),
    "estimators": ESTIMATORS,
    **dict.fromkeys(["plot", "datasets", "images", "reports", "examples"], LEAVES),
    "applications": LEAVES,
}


def sources() -> list[Path]:
    folders = ["cpp", "python", "tests", "benchmarks"]
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return sorted(
        path for path in found if path.suffix in SOURCE_SUFFIXES and "__pycache__" not in path.parts
    )


def python_modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(path: Path) -> str:
    """Top-level module or package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """Top-level parts of ganglion that a module imports."""
    package = ["ganglion", *path.relative_to(PACKAGE).parts[:-1]]
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            dotted = [*base, *(node.module.split(".") if node.module else [])]
            targets = [[*dotted, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        else:
            continue
        parts |= {target[1] for target in targets if target[0] == "ganglion" and len(target) > 1}
    return parts & set(LEVELS)


@pytest.mark.parametrize("path", sorted(ROOT.glob("cpp/**/*.[ch]*")), ids=name)
def test_cpp_includes_go_downward(path):
    folder = path.relative_to(ROOT / "cpp").parts[0]
    included = re.findall(r'^#include "([a-z_]+)/', path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(included) <= CPP_KNOWS[folder] | {"pybind11"}


@pytest.mark.parametrize("path", python_modules(), ids=name)
def test_python_imports_go_downward(path):
    part = part_of(path)
    if part == "__init__":  # the face: it shows what there is
        return
    assert part in LEVELS, f"{part} has no level yet: give it one in this test"
    above = {known for known in imported_parts(path) if LEVELS[known] > LEVELS[part]}
    assert not above, f"{part} must not know {sorted(above)}"


@pytest.mark.parametrize("part", ["layers", "losses", "optimizers", "metrics"])
def test_parts_of_a_network_know_only_the_tracing_interface(part):
    for path in (PACKAGE / part).rglob("*.py"):
        others = {known for known in imported_parts(path) if LEVELS[known] >= PARTS}
        # Metrics read a loss's threshold: what stands between yes and no.
        assert others <= {part} | ({"losses"} if part == "metrics" else set()), name(path)
        assert not imported_parts(path) & {"_core", "engines"}, name(path)


def test_nothing_imports_the_leaves_but_the_examples():
    leaves = {part for part, level in LEVELS.items() if level == LEAVES}
    for path in python_modules():
        if part_of(path) not in leaves | {"__init__"}:
            assert not imported_parts(path) & leaves, name(path)


@pytest.mark.parametrize("path", sources(), ids=name)
def test_files_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES, f"over {MAX_LINES} lines: split it by concept"
    assert not re.search(r"/(home|root|Users|work|tmp)/\w", text), "the path of a machine"


def test_the_pure_python_parts_know_scikit_learn_only_where_it_is_meant():
    for path in python_modules():
        if part_of(path) in ("estimators", "examples", "reports"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            roots = {module.partition(".")[0] for module in modules}
            assert not roots & {"sklearn", "scipy", "matplotlib", "tqdm", "safetensors", "onnx"}, (
                name(path)
            )
            if "numba_cuda" not in path.parts:
                assert "numba" not in roots, name(path)


def test_only_the_programs_of_a_network_know_an_engine():
    known = {part_of(path) for path in python_modules() if "engines" in imported_parts(path)}
    assert known <= {"batching", "data", "engines", "joint", "network", "programs"}
