"""The package as installed: its version, what importing it costs and loads, what it ships."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import pkgutil
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

import ganglion

# Libraries that load when they are first used, never with ganglion itself.
LAZY = [
    *("sklearn", "scipy", "matplotlib", "tqdm", "safetensors", "pandas", "polars"),
    *("onnx", "optuna", "keras", "torch", "PIL", "numba"),
]
PACKAGE = Path(ganglion.__file__).parent
# The modules that a user takes names from.
PUBLIC = [
    "ganglion.activations",
    "ganglion.callbacks",
    "ganglion.initializers",
    "ganglion.layers",
    "ganglion.losses",
    "ganglion.metrics",
    "ganglion.ops",
    "ganglion.optimizers",
    "ganglion.plot",
    "ganglion.regularizers",
    "ganglion.schedules",
]


def run_python(code: str) -> str:
    """Standard output of a new interpreter."""
    # Compiled modules are kept, as they are by default: measuring must not compile them each time.
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules() -> list[str]:
    """Names of ganglion's modules."""
    walked = pkgutil.walk_packages(ganglion.__path__, "ganglion.")
    return [module.name for module in walked if not module.name.endswith("._core")]


def test_the_version_is_that_of_the_distribution():
    assert ganglion.__version__ == importlib.metadata.version("ganglion")


def test_importing_loads_nothing_but_numpy():
    code = f"""
        import sys, ganglion
        print(*[name for name in {LAZY} if name in sys.modules])
    """
    assert run_python(code).split() == []


def test_importing_costs_at_most_40_ms_over_numpy():
    code = """
        import time, numpy
        started = time.thread_time()
        import ganglion
        print(time.thread_time() - started)
    """
    # Processor time, and the least of several: a busy machine can only make it more. This thread's
    # alone: those OpenBLAS starts with NumPy spin for a tenth of a second after.
    assert min(float(run_python(code)) for _ in range(7)) <= 0.040


@pytest.mark.parametrize(
    ("hidden", "use", "named"),
    [
        ("sklearn", "ganglion.NeuralClassifier", "scikit-learn"),
        ("sklearn", "import_module('ganglion.estimators')", "ganglion[sklearn]"),
        ("sklearn", "ganglion.inspect_data", "scikit-learn"),
        ("matplotlib", "ganglion.plot.learning_curves({'loss': [1.0]})", "ganglion[plot]"),
        ("PIL", "ganglion.ImageFolder('nowhere')", "ganglion[images]"),
        ("optuna", "ganglion.callbacks.OptunaPruning(None)", "ganglion[search]"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(hidden, use, named):
    code = f"""
        import sys
        from importlib import import_module
        sys.modules[{hidden!r}] = None
        import ganglion, ganglion.plot
        try:
            {use}
        except ImportError as error:
            print(error)
    """
    message = run_python(code)
    assert named in message
    assert "pip install" in message


def test_everything_in_all_exists():
    for name in ganglion.__all__:
        assert getattr(ganglion, name) is not None


@pytest.mark.parametrize("name", ["ganglion", *PUBLIC])
def test_help_and_completion_show_what_is_public(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = ganglion.no_such_thing


@pytest.mark.parametrize("name", modules())
def test_everything_public_has_a_docstring(name):
    if name.startswith("ganglion.engines.numba_cuda."):
        pytest.importorskip("numba.cuda")
    module = importlib.import_module(name)
    assert module.__doc__, name
    bare = []
    for owner_name, owner in vars(module).items():
        if owner_name.startswith("_") or getattr(owner, "__module__", None) != name:
            continue
        if not inspect.isclass(owner) and not inspect.isfunction(owner):
            continue
        if not inspect.getdoc(owner):
            bare.append(owner_name)
        if inspect.isclass(owner):
            bare += [
                f"{owner_name}.{method}"
                for method, function in vars(owner).items()
                if not method.startswith("_")
                and isinstance(function, (type(test_everything_in_all_exists), property))
                and not inspect.getdoc(getattr(owner, method))
            ]
    assert bare == []


def test_the_wheel_holds_the_extension_its_types_and_nothing_of_the_tests():
    files = [str(file) for file in importlib.metadata.files("ganglion") or []]
    if not any(file.startswith("ganglion/") for file in files):
        pytest.skip("an editable install: there is no wheel to look into")
    assert "ganglion/py.typed" in files
    assert "ganglion/_core.pyi" in files
    assert sum("ganglion/_core." in file and not file.endswith(".pyi") for file in files) == 1
    assert any(file.endswith("LICENSE") for file in files)
    outside = {file.split("/")[0] for file in files} - {"ganglion"}
    assert all(part.endswith(".dist-info") for part in outside), outside


def test_a_wheel_of_the_package_is_under_5_mb():
    files = [file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < 5e6
