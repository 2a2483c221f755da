"""Time to accuracy: seconds of training until a share of Fashion-MNIST's test set is right."""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import text
from benchmarks.cases import ACCURACY, Goal
from benchmarks.data import fashion_mnist, find_data
from benchmarks.process import PAUSE, START_LIMIT, Worker
from benchmarks.table import chosen_peers
from benchmarks.timing import Failed
from benchmarks.training import job, make_model

TITLE = "Time to accuracy"


class Learning:
    """A task that is trained epoch by epoch, and tested between them."""

    def __init__(
        self,
        peer: str,
        directory: str,
        widths: list[int],
        batch_size: int,
        threads: int,
        images: str,
        recurrent: str,
        activation: str,
    ) -> None:
        self.X, self.y, self.X_test, self.y_test = fashion_mnist(directory)
        self.model = make_model(
            peer,
            widths,
            batch_size,
            threads,
            images=images,
            recurrent=recurrent,
            activation=activation,
        )

    def start(self, seed: int) -> None:
        self.model.start(self.X, self.y, seed)

    def epoch(self) -> None:
        self.model.train(1)

    def accuracy(self) -> float:
        X = self.X_test.reshape(-1, *self.model.X.shape[1:])  # images, where the peer takes images
        return float((self.model.predict(X).argmax(axis=1) == self.y_test).mean())


def run_seed(worker: Worker, seed: int, goal: Goal) -> dict[str, Any]:
    """Train until the goal; return seconds of training so far and accuracy by epoch."""
    worker.call("start", seed)
    total, seconds, accuracies = 0.0, [], []
    for _ in range(goal.epochs):
        total += worker.call("epoch", pause=PAUSE)["call"]
        seconds.append(total)
        accuracies.append(worker.call("accuracy")["value"])
        if accuracies[-1] >= goal.accuracy:
            break
    reached = accuracies[-1] >= goal.accuracy
    return {"seconds": seconds, "accuracies": accuracies, "reached": reached}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", choices=ACCURACY, default="dense")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--data",
        type=Path,
        default=find_data("fashion-mnist"),
        help="directory with the four IDX files",
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    if options.data is None or not options.data.is_dir():
        raise SystemExit("[accuracy] no Fashion-MNIST: set --data or GANGLION_DATA")
    peers, failures = chosen_peers(options)
    goal = ACCURACY[options.network]
    arguments = {"directory": str(options.data), **goal.case.arguments}
    del arguments["steps"]  # an epoch is the whole training set
    runs: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        workers = {
            peer.name: stack.enter_context(
                Worker(job(Learning, peer.module, options.threads, **arguments))
            )
            for peer in peers
        }
        for seed in range(-1, options.seeds):  # seed -1 compiles, and does not count
            for name, worker in workers.items():
                if name in failures:
                    continue
                try:
                    if seed < 0:
                        worker.receive()
                        worker.call("start", 0)
                        worker.call("epoch", limit=START_LIMIT)
                        worker.call("accuracy", limit=START_LIMIT)
                    else:
                        found = run_seed(worker, seed, goal)
                        runs.setdefault(name, []).append(found)
                        print(
                            name, seed, found["seconds"][-1], found["accuracies"], file=sys.stderr
                        )
                except Failed as failure:
                    failures[name] = str(failure)
    return {
        "network": options.network,
        "threads": options.threads,
        "runs": runs,
        "failures": failures,
    }


def show(result: dict[str, Any]) -> str:
    goal = ACCURACY[result["network"]]
    rows = []
    for name, runs in result["runs"].items():
        reached = [run["seconds"][-1] for run in runs if run["reached"]]
        epochs = [len(run["seconds"]) for run in runs if run["reached"]]
        an_epoch = statistics.median(run["seconds"][-1] / len(run["seconds"]) for run in runs)
        rows.append(
            [
                name,
                text.figure(statistics.median(reached)) if reached else "-",
                f"{text.figure(min(reached))} to {text.figure(max(reached))}" if reached else "-",
                f"{len(reached)} of {len(runs)}",
                f"{statistics.median(epochs):.0f}" if epochs else "-",
                text.figure(an_epoch),
            ]
        )
    header = ["", "seconds", "range", "seeds", "epochs", "seconds an epoch"]
    return (
        f"Seconds of training until {goal.accuracy} of Fashion-MNIST's test set are right, at the "
        f"end of an epoch (what testing takes is not counted), threads: {result['threads']}. "
        f"{goal.case.name}, Adam with a rate of 0.001; all but scikit-learn start from the same "
        f"weights. Median and range of the seeds that got there within {goal.epochs} epochs.\n\n"
        + text.table(header, rows)
        + text.left_out({"all": result["failures"]})
    )
