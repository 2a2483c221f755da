"""``make_pipeline(StandardScaler(), MLPClassifier())`` on real data, beside scikit-learn's own."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import data, text
from benchmarks.process import PAUSE, START_LIMIT, Job, Worker
from benchmarks.timing import Failed

TITLE = "In a pipeline"


@dataclass(frozen=True)
class Case:
    """A data set, and the settings that differ from the defaults: fewer epochs for more data."""

    name: str
    settings: dict[str, Any]


CASES = [
    Case("digits", {}),
    Case("adult", {"max_iter": 30}),
    Case("fashion-mnist", {"max_iter": 10}),
]


@dataclass(frozen=True)
class Candidate:
    """Whose classifier, the number type of the data, and settings that only it has."""

    name: str
    library: str
    dtype: str
    settings: dict[str, Any]


CANDIDATES = [
    Candidate("scikit-learn", "sklearn.neural_network", "float64", {}),
    Candidate("ganglion", "ganglion", "float64", {}),
    Candidate('ganglion, dtype="float32"', "ganglion", "float64", {"dtype": "float32"}),
    Candidate("scikit-learn, float32 data", "sklearn.neural_network", "float32", {}),
    Candidate("ganglion, float32 data", "ganglion", "float32", {}),
]


class Fitting:
    """A task of a worker: fits the pipeline anew for each seed."""

    def __init__(
        self,
        library: str,
        case: str,
        directory: str | None,
        dtype: str,
        settings: Mapping[str, Any],
        threads: int,
    ) -> None:
        import importlib

        import threadpoolctl

        threadpoolctl.threadpool_limits(threads)
        self.classifier = importlib.import_module(library).MLPClassifier
        self.settings = settings
        read = {"digits": data.digits, "adult": data.adult, "fashion-mnist": data.fashion_mnist}
        X, self.y, X_test, self.y_test = read[case](*([] if directory is None else [directory]))
        self.X, self.X_test = X.astype(dtype), X_test.astype(dtype)

    def fit(self, seed: int) -> None:
        classifier = self.classifier(random_state=seed, **self.settings)
        self.model = make_pipeline(StandardScaler(), classifier).fit(self.X, self.y)

    def found(self) -> dict[str, float]:
        classifier = self.model[-1]
        return {
            "accuracy": float((self.model.predict(self.X_test) == self.y_test).mean()),
            "epochs": int(classifier.n_iter_),
            "loss": float(classifier.loss_),
            "scaling": self._scaling(),
        }

    def _scaling(self) -> float:
        """Seconds of the pipeline's first step, which is scikit-learn's in all."""
        started = time.perf_counter()
        StandardScaler().fit_transform(self.X)
        return time.perf_counter() - started


def add_options(parser: argparse.ArgumentParser) -> None:
    names = [case.name for case in CASES]
    parser.add_argument("--data", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--fits", type=int, default=5, help="of each candidate, a seed each")


def _chosen(options: argparse.Namespace) -> list[Candidate]:
    wanted = options.peers or ["scikit-learn", "ganglion"]
    return [one for one in CANDIDATES if one.name.partition(",")[0] in wanted]


def _directory(case: Case) -> str | None:
    if case.name == "digits":
        return None
    directory = data.find_data(case.name)
    if directory is None or not directory.is_dir():
        raise SystemExit(f"[pipeline] no {case.name}: set GANGLION_DATA, or give other --data")
    return str(directory)


def compare(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each fit, candidates in turns, and what the fits led to."""
    runs: dict[str, list[dict[str, float]]] = {}
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for one in _chosen(options):
            arguments = {
                "library": one.library,
                "case": case.name,
                "directory": _directory(case),
                "dtype": one.dtype,
                "settings": {**case.settings, **one.settings},
            }
            job = Job(f"{__name__}:{Fitting.__name__}", arguments, options.threads)
            workers[one.name] = stack.enter_context(Worker(job))
        for seed in range(-1, options.fits):  # seed -1 loads and warms up, and does not count
            for name, worker in workers.items():
                if name in failures:
                    continue
                try:
                    if seed < 0:
                        worker.receive()
                    taken = worker.call("fit", max(seed, 0), pause=PAUSE, limit=START_LIMIT)
                    found = {"seconds": taken["call"], **worker.call("found")["value"]}
                except Failed as failure:
                    failures[name] = str(failure)
                    continue
                if seed >= 0:
                    runs.setdefault(name, []).append(found)
                    print(case.name, name, found, file=sys.stderr)
    return {"case": case.name, "settings": case.settings, "runs": runs, "failures": failures}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rows = [compare(case, options) for case in CASES if case.name in options.data]
    return {"threads": options.threads, "rows": rows}


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def show(result: dict[str, Any]) -> str:
    parts = [
        "Seconds of `make_pipeline(StandardScaler(), MLPClassifier(...)).fit(X, y)`, medians of "
        f"fits with a seed each, threads: {result['threads']}. Settings are the defaults, but for "
        "the epochs named. The ratio is scikit-learn's time on the same data over the row's; "
        "scaling is the pipeline's first step, scikit-learn's in all, and a part of the seconds."
    ]
    for row in result["rows"]:
        parts.append(f"**{row['case']}** {_settings(row['settings'])}\n\n{_table(row)}")
    return "\n\n".join(parts)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in settings.items())


def _table(row: Mapping[str, Any]) -> str:
    lines = []
    for one in CANDIDATES:
        runs = row["runs"].get(one.name)
        if not runs:
            continue
        beside = row["runs"].get(_peer(one).name)
        seconds = _median(runs, "seconds")
        lines.append(
            [
                one.name,
                text.figure(seconds),
                text.figure(_median(beside, "seconds") / seconds if beside else None),
                f"{_median(runs, 'accuracy'):.4f}",
                f"{_median(runs, 'epochs'):.0f}",
                text.figure(_median(runs, "scaling")),
            ]
        )
    header = ["", "seconds", "ratio", "test accuracy", "epochs", "scaling"]
    return text.table(header, lines) + text.left_out({"all": row["failures"]})


def _peer(candidate: Candidate) -> Candidate:
    """scikit-learn's on data of the same number type."""
    return next(one for one in CANDIDATES if one.dtype == candidate.dtype)
