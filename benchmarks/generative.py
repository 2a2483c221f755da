"""Generative models on Fashion-MNIST: seconds an epoch, a VAE's bound, a GAN's samples judged."""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import text
from benchmarks.data import fashion_mnist, find_data
from benchmarks.generators import KINDS, Array, Generator
from benchmarks.judge import Judge
from benchmarks.process import PAUSE, Worker
from benchmarks.timing import Failed
from benchmarks.training import job

TITLE = "Generative models"
MODULES = {"ganglion": "benchmarks.generators", "pytorch": "benchmarks.generators_pytorch"}
# Of a turn, at most: a whole training; and samples that are judged.
LIMIT, JUDGED = 3600.0, 10_000


class Generating:
    """A generative model that is trained, epoch by epoch, and what becomes of it."""

    def __init__(self, peer: str, kind: str, directory: str, rows: int, threads: int) -> None:
        self.make, self.kind, self.threads = importlib.import_module(peer).Model, kind, threads
        X, _, X_test, _ = fashion_mnist(directory)
        self.X = X[:rows].reshape(-1, 28, 28)
        self.X_test = X_test.reshape(-1, 28, 28)
        if kind == "vae":  # of yes and no
            draw = np.random.default_rng(0)
            self.X, self.X_test = (
                (draw.uniform(size=images.shape) < images).astype(np.float32)
                for images in (self.X, self.X_test)
            )

    def start(self, seed: int) -> None:
        self.model: Generator = self.make(self.kind, self.threads, seed)

    def train(self, epochs: int) -> None:
        self.model.train(self.X, epochs)

    def bound(self) -> float:
        return self.model.bound(self.X_test)

    def samples(self, path: str) -> None:
        """Write samples where the parent, which judges them, can read them."""
        np.save(path, self.model.sample(JUDGED))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, default="vae")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=60_000, help="images that are trained on")
    parser.add_argument("--data", type=Path, default=find_data("fashion-mnist"))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    if options.data is None or not options.data.is_dir():
        raise SystemExit("[generative] no Fashion-MNIST: set --data or GANGLION_DATA")
    peers = [name for name in MODULES if not options.peers or name in options.peers]
    arguments = {"kind": options.kind, "directory": str(options.data), "rows": options.rows}
    judge = Judge(str(options.data)) if options.kind != "vae" else None
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                Worker(job(Generating, MODULES[name], options.threads, **arguments))
            )
            for name in peers
        }
        for worker in workers.values():
            worker.receive()
        for seed in range(options.seeds):
            for name in peers:
                try:
                    run = _run(workers[name], seed, options.epochs, judge)
                except Failed as failure:
                    failures[name] = str(failure)
                    continue
                runs[name].append(run)
                print(name, seed, run, file=sys.stderr)
    return {
        "kind": options.kind,
        "threads": options.threads,
        "epochs": options.epochs,
        "rows": options.rows,
        "runs": runs,
        "real": judge.of_real() if judge else None,
        "failures": failures,
    }


def _run(worker: Worker, seed: int, epochs: int, judge: Judge | None) -> dict[str, Any]:
    worker.call("start", seed)
    worker.call("train", 1, limit=LIMIT)  # compiles, and is not counted
    turns = [worker.call("train", 1, pause=PAUSE, limit=LIMIT)["call"] for _ in range(epochs - 1)]
    run: dict[str, Any] = {"seconds": statistics.median(turns) if turns else None}
    if judge is None:
        return {**run, "bound": worker.call("bound", limit=LIMIT)["value"]}
    with judge.file() as path:
        worker.call("samples", path, limit=LIMIT)
        samples: Array = np.load(path)
    return {**run, **judge.of(samples)}


def show(result: dict[str, Any]) -> str:
    rows = []
    names = ["seconds"] + (["bound"] if result["kind"] == "vae" else ["entropy", "distance"])
    for peer, runs in result["runs"].items():
        if runs:
            rows.append([peer, *(_range([run[name] for run in runs]) for name in names)])
            if result["kind"] != "vae":
                collapsed = sum(run["collapsed"] for run in runs)
                rows[-1].append(f"{collapsed} of {len(runs)}")
    setting = (
        f"{result['rows']} images of Fashion-MNIST, {result['epochs']} epochs, threads: "
        f"{result['threads']}. Median and range over {len(next(iter(result['runs'].values())))} "
        "seeds."
    )
    if result["kind"] == "vae":
        header = ["vae", "seconds an epoch", "bound on test images, nats"]
        return f"{setting}\n\n" + text.table(header, rows)
    real = result["real"]
    rows.append(
        ["test images", "", text.figure(real["entropy"]), text.figure(real["distance"]), ""]
    )
    header = [
        result["kind"],
        "seconds an epoch",
        "entropy of classes",
        "Fréchet distance",
        "collapsed",
    ]
    return (
        f"{setting} A classifier that was trained on real images judges 10,000 samples: the "
        "entropy of the classes it takes them for, in nats (all alike: 2.30), and the Fréchet "
        "distance of its features to those of training images. A run counts as collapsed where "
        "the entropy is below that of five classes, 1.61.\n\n" + text.table(header, rows)
    )


def _range(values: list[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    middle = text.figure(statistics.median(found))
    if len(found) == 1:
        return middle
    return f"{middle} ({text.figure(min(found))} to {text.figure(max(found))})"
