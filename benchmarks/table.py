"""A training step beside every peer: the table of networks and batches."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine, text
from benchmarks.cases import CASES, Case
from benchmarks.peers import PEERS, Peer
from benchmarks.process import race
from benchmarks.timing import medians
from benchmarks.training import Training, job

TITLE = "Training"


def add_options(parser: argparse.ArgumentParser) -> None:
    names = "; ".join(f"{number} {case.name}" for number, case in enumerate(CASES, 1))
    parser.add_argument(
        "--cases",
        type=int,
        nargs="+",
        metavar="N",
        choices=range(1, len(CASES) + 1),
        help=f"rows, by number: {names}",
    )


def chosen_peers(options: argparse.Namespace) -> tuple[list[Peer], dict[str, str]]:
    """Those asked for that are installed, and why others of them are not measured."""
    wanted = [peer for peer in PEERS if not options.peers or peer.name.lower() in options.peers]
    missing = {peer.name: peer.missing for peer in wanted if peer.missing}
    return [peer for peer in wanted if not peer.missing], missing


def compare(
    task: type, case: Case, options: argparse.Namespace, rounds: int = 5, **arguments: Any
) -> dict[str, Any]:
    """One row: microseconds a unit of each peer, median and all turns, and who failed."""
    peers, failures = chosen_peers(options)
    jobs = {peer.name: job(task, peer.module, options.threads, **arguments) for peer in peers}
    measured, failed = race(jobs, seconds=options.seconds, rounds=rounds)
    row = {
        "case": case.name,
        "microseconds": {name: 1e6 * time for name, time in medians(measured).items()},
        "turns": {
            name: [round(1e6 * time, 3) for time in times] for name, times in measured.items()
        },
        "failures": {**failures, **failed},
    }
    print(f"{case.name}: {row['microseconds']}", file=sys.stderr)
    return row


def ratio(row: dict[str, Any]) -> tuple[float, str] | None:
    """The best peer's time over ganglion's, and which peer that is."""
    others = {name: t for name, t in row["microseconds"].items() if name != "ganglion"}
    if not others or "ganglion" not in row["microseconds"]:
        return None
    best = min(others, key=lambda name: others[name])
    return others[best] / row["microseconds"]["ganglion"], best


def measure(options: argparse.Namespace) -> dict[str, Any]:
    cases = [CASES[number - 1] for number in options.cases or range(1, len(CASES) + 1)]
    return {
        "threads": options.threads,
        "peak": machine.peak(options.threads),
        "rows": [
            {**compare(Training, case, options, **case.arguments), "flops": case.flops}
            for case in cases
        ],
    }


def rows_beside(result: dict[str, Any], first: str) -> str:
    """The rows with a column for each peer, the ratio, its peer, and the share of the peak."""
    names = [
        peer.name
        for peer in PEERS
        if any(peer.name in row["microseconds"] for row in result["rows"])
    ]
    lines = []
    for row in result["rows"]:
        own = row["microseconds"].get("ganglion")
        found = ratio(row)
        lines.append(
            [
                row["case"],
                *(text.figure(row["microseconds"].get(name)) for name in names),
                f"{found[0]:.2f}" if found else "-",
                found[1] if found else "-",
                text.percent(row["flops"] / (own * 1e-6) / result["peak"] if own else None),
            ]
        )
    header = [first, *names, "ratio", "best peer", "peak"]
    failures = {row["case"]: row["failures"] for row in result["rows"]}
    return text.table(header, lines) + text.left_out(failures)


def show(result: dict[str, Any]) -> str:
    return (
        f"Microseconds a step, median, {_threads(result)}. Ratio: the best peer's time over "
        "ganglion's, above one where ganglion is faster. Peak: the share of "
        f"{result['peak'] / 1e9:.0f} GFLOP/s, what as many threads reach that do nothing but "
        "multiply-adds in registers, that ganglion's products alone come to.\n\n"
        + rows_beside(result, "network, batch")
    )


def draw(result: dict[str, Any], path: Path) -> None:
    from benchmarks.pictures import draw_ratios

    draw_ratios(result, f"A training step, {_threads(result)}", path)


def _threads(result: dict[str, Any]) -> str:
    return "1 thread" if result["threads"] == 1 else f"{result['threads']} threads"
