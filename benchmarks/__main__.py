"""``python -m benchmarks [COMMAND]``; without a command, the table of training steps."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks import (
    accuracy,
    capsules,
    convolutions,
    cuda,
    everything,
    footprint,
    generative,
    gpu,
    growth,
    machine,
    memory,
    pipeline,
    prediction,
    products,
    report,
    table,
)
from benchmarks.peers import PEERS

# Of the columns, those of `products` among them.
NAMES = [*(peer.name.lower() for peer in PEERS), "openblas"]

COMMANDS: dict[str, ModuleType] = {
    "table": table,
    "predict": prediction,
    "products": products,
    "convolutions": convolutions,
    "capsules": capsules,
    "gpu": gpu,
    "cuda": cuda,
    "memory": memory,
    "growth": growth,
    "accuracy": accuracy,
    "pipeline": pipeline,
    "generative": generative,
    "footprint": footprint,
}


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        command.add_argument(
            "--threads",
            type=int,
            default=machine.processors(),
            choices=range(1, machine.processors() + 1),
        )
        command.add_argument(
            "--peers", nargs="+", type=str.lower, choices=NAMES, help="only these columns"
        )
        command.add_argument("--seconds", type=float, default=1.5, help="for each candidate")
        command.add_argument("--json", type=Path, metavar="FILE", help="write the result")
        if hasattr(module, "draw"):
            command.add_argument("--png", type=Path, metavar="FILE", help="draw the result")
        module.add_options(command)
    for name, module in (("all", everything), ("report", report)):
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_options(commands.add_parser(name, help=summary, description=module.__doc__))
    return top


def run(module: ModuleType, options: argparse.Namespace) -> None:
    """Measure, print, and write what was asked for."""
    found = machine.environment()
    print(machine.describe(found), file=sys.stderr)
    others = machine.Others()
    result: dict[str, Any] = {"command": options.command, "environment": found}
    result.update(module.measure(options))
    result["others"] = others.share()
    parts = [machine.describe(found), module.show(result), machine.disturbance(result)]
    print("\n" + "\n\n".join(part for part in parts if part))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if getattr(options, "png", None):
        module.draw(result, options.png)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    known = {*COMMANDS, "all", "report", "-h", "--help"}
    options = parser().parse_args(given if given and given[0] in known else ["table", *given])
    if options.command == "all":
        everything.run(options)
    elif options.command == "report":
        print(report.render(options.directory, COMMANDS))
    else:
        run(COMMANDS[options.command], options)


if __name__ == "__main__":
    main()
