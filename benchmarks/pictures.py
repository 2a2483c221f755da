"""Pictures of results, through matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.text import figure, percent

# Told apart also by those who do not tell red from green (Okabe & Ito, 2008).
COLOURS = {
    "ganglion": "#000000",
    "PyTorch": "#D55E00",
    "torch.compile": "#E69F00",
    "JAX": "#0072B2",
    "Keras": "#56B4E9",
    "scikit-learn": "#009E73",
}


def draw_ratios(result: dict[str, Any], title: str, path: Path) -> None:
    """Bars of each peer's time over ganglion's, row by row, on a logarithmic axis."""
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    rows = [row for row in result["rows"] if "ganglion" in row["microseconds"]]
    names = [
        peer.name
        for peer in PEERS
        if peer.name != "ganglion" and any(peer.name in row["microseconds"] for row in rows)
    ]
    figure_, axes = plt.subplots(
        figsize=(9, 1.2 + 0.16 * len(rows) * (len(names) + 1.2)), layout="constrained"
    )
    height = 1 / (len(names) + 1.2)
    for index, name in enumerate(names):
        axes.barh(0, 0, color=COLOURS[name], label=name)  # for the legend
        for line, row in enumerate(rows):
            if name not in row["microseconds"]:
                continue
            ratio = row["microseconds"][name] / row["microseconds"]["ganglion"]
            middle = line + (index - (len(names) - 1) / 2) * height
            axes.barh(middle, ratio - 1, height * 0.9, left=1, color=COLOURS[name])
            to_left = ratio < 1
            axes.annotate(
                f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}",
                (ratio, middle),
                (-3 if to_left else 3, 0),
                textcoords="offset points",
                ha="right" if to_left else "left",
                va="center",
                fontsize=7,
            )
    labels = []
    for row in rows:
        own = row["microseconds"]["ganglion"]
        share = percent(row["flops"] / (own * 1e-6) / result["peak"])
        labels.append(f"{row['case']}\nganglion {figure(own)} µs, {share} of peak")
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xscale("log")
    axes.margins(x=0.08)
    axes.axvline(1, color=COLOURS["ganglion"], linewidth=1)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}×")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("time over ganglion's: right of the line, ganglion is faster")
    figure_.legend(
        loc="outside upper center", ncols=len(names), frameon=False, fontsize=8, title=title
    )
    figure_.savefig(path, dpi=150)
    plt.close(figure_)


def draw_growth(result: dict[str, Any], fixed: Mapping[str, str], path: Path) -> None:
    """A step's time in three panels, logarithmic both ways, above the line of the peak."""
    from matplotlib import pyplot as plt

    counts = result["threads"]
    figure_, panels = plt.subplots(1, 3, figsize=(12, 4.4), sharey=True, layout="constrained")
    for axes, (panel, points) in zip(panels, result["panels"].items(), strict=True):
        at = [point["at"] for point in points]
        for line in result["lines"]:
            name, _, threads = line.rpartition(", ")
            known = [p for p in points if line in p["microseconds"]]
            axes.plot(
                [p["at"] for p in known],
                [p["microseconds"][line] for p in known],
                color=COLOURS[name],
                linestyle="-" if int(threads) == counts[-1] else "--",
                linewidth=2 if name == "ganglion" else 1.3,
                marker="o",
                markersize=3.5,
                label=f"{name}, {threads} thread{'s' * (threads != '1')}",
            )
        for threads, style in zip(counts, ("--", "-")[-len(counts) :], strict=True):
            peak = result["peak"][str(threads)]
            axes.plot(
                at,
                [1e6 * point["flops"] / peak for point in points],
                color="0.6",
                linestyle=style,
                linewidth=1,
                label=f"products at peak, {threads} thread{'s' * (threads > 1)}",
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(at, [str(number) for number in at], fontsize=8)
        axes.minorticks_off()
        axes.set_xlabel(f"{panel}  ({fixed[panel]})")
        axes.grid(color="0.92", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("microseconds a step")
    figure_.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False
    )
    figure_.savefig(path, dpi=150)
    plt.close(figure_)
