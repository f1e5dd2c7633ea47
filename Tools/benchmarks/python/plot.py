"""Draws bars of the medians, with lines from the smallest to the largest value: a file for each workload.

    plot.py FILE DIRECTORY
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# The same input gives the same file.
matplotlib.rcParams["svg.hashsalt"] = "agent-journal"
# Text stays text.
matplotlib.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot  # noqa: E402

OURS, LIMIT, PEER = "#2b6cb0", "#a0aec0", "#dd9b4f"


PEERS = ("SQLite", "Redis", "JSON lines", "lines of JSON", "SalamanderDB", "ChromaDB")
LIMITS = ("bare", "write and fdatasync")


def colour(name: str) -> str:
    if any(limit in name for limit in LIMITS):
        return LIMIT
    return PEER if any(peer in name for peer in PEERS) else OURS


def whole(series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are named for themselves rather than as a part of the one before."""
    return [one for one in series if one["values"] and not one["name"].startswith("- ")]


def draw(workload: dict[str, Any], summary: str, directory: Path) -> Path | None:
    series = whole(workload["series"])
    units = sorted({one["unit"] for one in series}, key=[one["unit"] for one in series].index)
    groups = [[one for one in series if one["unit"] == unit] for unit in units]
    # Bars of our own alone compare nothing.
    groups = [group for group in groups if any(colour(one["name"]) != OURS for one in group)]
    if not groups:
        return None
    heights = [0.32 * len(group) + 0.6 for group in groups]
    figure, axes = pyplot.subplots(
        len(groups), 1, figsize=(9, sum(heights) + 0.6), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, group in zip(axes[:, 0], groups):
        medians = [statistics.median(one["values"]) for one in group]
        below = [median - min(one["values"]) for median, one in zip(medians, group)]
        above = [max(one["values"]) - median for median, one in zip(medians, group)]
        places = range(len(group))
        axis.barh(
            places,
            medians,
            xerr=[below, above],
            color=[colour(one["name"]) for one in group],
            error_kw={"elinewidth": 1, "capsize": 2, "ecolor": "#444444"},
        )
        axis.set_yticks(places, [one["name"] for one in group], fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel(group[0]["unit"], fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
        axis.set_xlim(0, max(max(one["values"]) for one in group) * 1.18)
        for place, median, one in zip(places, medians, group):
            axis.annotate(
                f"{median:,.0f}" if median >= 100 else f"{median:.3g}",
                (max(one["values"]), place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.suptitle(f"{workload['workload']}: median, smallest and largest of the rounds", fontsize=10)
    figure.text(0.01, 0.0, summary, fontsize=6, va="bottom", color="#666666")
    path = directory / f"{workload['workload']}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    directory = Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    environment = results["environment"]
    summary = (
        f"{environment['cores']} cores ({environment['processor']}), {environment['file_system']}, "
        f"fdatasync of 4 KiB {environment['sync_microseconds']:.0f} µs"
    )
    for workload in results["workloads"]:
        path = draw(workload, summary, directory)
        if path:
            print(path)


if __name__ == "__main__":
    main()
