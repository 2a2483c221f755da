"""Numbers and tables as the terminal and RESULTS.md show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def figure(value: float | None) -> str:
    """Three digits, or all before the point: ``7.46``, ``84.2``, ``23533``; ``-`` for None."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; all but the first are set to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), "| " + " | ".join(rule) + " |", *map(line, rows)])


def left_out(failures: Mapping[str, Mapping[str, str]]) -> str:
    """Who was not measured, where and why, as lines after a table; empty when all were.

    Parameters
    ----------
    failures : dict of str to dict of str to str
        Row of the table -> name -> reason.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for row, failed in failures.items():
        for failure in failed.items():
            rows.setdefault(failure, []).append(row)
    lines = []
    for (name, why), where in rows.items():
        of = "" if len(where) == len(failures) else f" of {'; '.join(where)}"
        lines.append(f"- {name} left out{of}: {why}")
    return "\n\n" + "\n".join(lines) if lines else ""
