"""Print RESULTS.md from the files of a directory, with the notes of NOTES.md."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.machine import describe, disturbance

HERE = Path(__file__).resolve().parent
# Written by hand: what falls short, what was tried, where the time goes.
NOTES = HERE / "NOTES.md"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="where `all` wrote its files")


def render(directory: Path, commands: Mapping[str, ModuleType]) -> str:
    """Markdown: environment, a section for each command, a subsection for each of its files."""
    results = {
        path: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(directory.glob("*.json"))
    }
    if not results:
        raise SystemExit(f"[report] no results in {directory}")
    parts = [
        "# Results",
        "Written by `python -m benchmarks report`; how it is measured stands in "
        "[README.md](README.md).",
        *_environments(results),
    ]
    if NOTES.exists():
        parts.append(NOTES.read_text(encoding="utf-8").strip())
    for name, module in commands.items():
        found = {path: r for path, r in results.items() if r["command"] == name}
        if found:
            parts.append(f"## {module.TITLE}")
        for path, result in found.items():
            if len(found) > 1:
                parts.append(f"### {_variant(result)}")
            parts += [module.show(result), disturbance(result)]
            picture = path.with_suffix(".png")
            if picture.exists():
                link = os.path.relpath(picture.resolve(), HERE)
                parts.append(f"![{module.TITLE}, {_variant(result)}]({Path(link).as_posix()})")
    return "\n\n".join(part for part in parts if part)


def _variant(result: dict[str, Any]) -> str:
    threads = result.get("threads", [])
    counts = threads if isinstance(threads, list) else [threads]
    named = " and ".join(map(str, counts)) + (" thread" if counts == [1] else " threads")
    return f"{named}, {result['environment']['instructions']} kernels"


def _environments(results: Mapping[Path, dict[str, Any]]) -> list[str]:
    """Each environment once, with the parts measured in it unless it is the only one."""
    seen: dict[str, list[str]] = {}
    for path, result in results.items():
        comparable = {**result["environment"], "instructions": ""}
        seen.setdefault(json.dumps(comparable), []).append(path.stem)
    parts = []
    for names in seen.values():
        found = next(r["environment"] for p, r in results.items() if p.stem == names[0])
        where = "" if len(seen) == 1 else f"{', '.join(names)}:  \n"
        parts.append(where + describe(found))
    return parts
