"""Where the parts of a graph stand: in layers from above to below, with few arrows that cross.

After Sugiyama, Tagawa & Toda (1981): each node stands below all it reads, arrows that pass layers
get a place in each, places are ordered by the mean of their neighbours' until fewer crossings are
not found, and then moved towards them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_SWEEPS = 8
# How much more arrows want to be straight that pass layers, and those that are the only ones at
# both ends, than others.
_PASSING, _ONLY = 12.0, 4.0
# Moves at most, and of how many inches the last of them are.
_MOVES, _SETTLED = 300, 0.002
# Arrows that are less aside than that are made straight; less than half of a gap.
_NEARLY = 0.15


@dataclass(eq=False)
class Place:
    """A place in a layer: of a node, or of an arrow that passes by.

    Attributes
    ----------
    width : float
        What it takes.
    rank : int
        Its layer, from 0.
    above, below : list of Place
        What arrows come from, and go to.
    is_passed : bool
        Whether an arrow only passes.
    x : float
        Its middle.
    """

    width: float
    rank: int
    above: list[Place] = field(default_factory=list)
    below: list[Place] = field(default_factory=list)
    is_passed: bool = False
    x: float = 0.0


def join(upper: Place, lower: Place) -> None:
    """Let an arrow go from a place to one of the next layer."""
    upper.below.append(lower)
    lower.above.append(upper)


def arrange(places: Sequence[Place], gap: float) -> list[list[Place]]:
    """Return the places layer by layer, from left to right, and set their ``x``.

    Parameters
    ----------
    places : sequence of Place
        Joined from layer to layer.
    gap : float
        Between two of a layer.
    """
    ranks: list[list[Place]] = [[] for _ in range(max(place.rank for place in places) + 1)]
    for place in places:
        ranks[place.rank].append(place)
    best = [list(rank) for rank in ranks]
    fewest = _crossings(best)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        _order(ranks, downwards=sweep % 2 == 0)
        _swap(ranks)
        count = _crossings(ranks)
        if count < fewest:
            best, fewest = [list(rank) for rank in ranks], count
    _move(best, gap)
    _straighten(best)
    return best


def _positions(rank: Sequence[Place]) -> dict[Place, int]:
    return {place: index for index, place in enumerate(rank)}


def _order(ranks: list[list[Place]], downwards: bool) -> None:
    """Sort each layer by where the neighbours in the one before stand, on average."""
    last = len(ranks) - 1
    for index in range(1, last + 1) if downwards else range(last - 1, -1, -1):
        fixed = _positions(ranks[index - 1 if downwards else index + 1])
        own = _positions(ranks[index])

        def mean(
            place: Place, fixed: dict[Place, int] = fixed, own: dict[Place, int] = own
        ) -> float:
            seen = place.above if downwards else place.below
            return sum(fixed[one] for one in seen) / len(seen) if seen else own[place]

        ranks[index].sort(key=mean)


def _swap(ranks: list[list[Place]]) -> None:
    """Swap neighbours while that leaves fewer crossings."""
    for index, rank in enumerate(ranks):
        around = [ranks[other] for other in (index - 1, index + 1) if 0 <= other < len(ranks)]
        fixed = {place: at for other in around for at, place in enumerate(other)}
        improved = True
        while improved:
            improved = False
            for at in range(len(rank) - 1):
                left, right = rank[at : at + 2]
                change = sum(
                    (fixed[b] < fixed[a]) - (fixed[a] < fixed[b])
                    for ends in ((left.above, right.above), (left.below, right.below))
                    for a in ends[0]
                    for b in ends[1]
                )
                if change > 0:
                    rank[at], rank[at + 1] = right, left
                    improved = True


def _crossings(ranks: Sequence[Sequence[Place]]) -> int:
    count = 0
    for upper, lower in zip(ranks, ranks[1:], strict=False):
        fixed = _positions(lower)
        ends = [fixed[place] for one in upper for place in sorted(one.below, key=fixed.__getitem__)]
        count += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return count


def _move(ranks: Sequence[Sequence[Place]], gap: float) -> None:
    """Set the middles: near those of the neighbours, none over another."""
    for rank in ranks:
        _settle(rank, [(0.0, 1.0)] * len(rank), gap)
    for _ in range(_MOVES):
        before = [place.x for rank in ranks for place in rank]
        for index in [*range(1, len(ranks)), *range(len(ranks) - 2, -1, -1)]:
            wanted = []
            for place in ranks[index]:
                seen = [(one.x, _straightness(place, one)) for one in place.above + place.below]
                total = sum(weight for _, weight in seen)
                mean = sum(x * weight for x, weight in seen) / total if seen else place.x
                wanted.append((mean, total or 1.0))
            _settle(ranks[index], wanted, gap)
        after = (place.x for rank in ranks for place in rank)
        if max(abs(a - b) for a, b in zip(before, after, strict=True)) < _SETTLED:
            break


def _straighten(ranks: Sequence[Sequence[Place]]) -> None:
    """Let arrows that are all but straight be so."""
    runs: dict[Place, list[Place]] = {}
    for rank in ranks:
        for place in rank:
            for one in place.above:
                run = runs.get(one, [])
                near = max((abs(other.x - place.x) for other in run), default=_NEARLY)
                if one is run[-1] and _straightness(one, place) > 1 and near < _NEARLY:
                    run.append(place)
                    runs[place] = run
            runs.setdefault(place, [place])
    for place, run in runs.items():
        if place is run[0]:
            middle = sum(one.x for one in run) / len(run)
            for one in run:
                one.x = middle


def _straightness(one: Place, other: Place) -> float:
    """Return how much an arrow wants to be straight: most of all where it only passes."""
    if one.is_passed and other.is_passed:
        return _PASSING
    upper, lower = (one, other) if one.rank < other.rank else (other, one)
    return _ONLY if len(upper.below) == len(lower.above) == 1 else 1.0


def _settle(rank: Sequence[Place], wanted: Sequence[tuple[float, float]], gap: float) -> None:
    """Move the places of a layer as near to where they want to be as their widths allow.

    ``wanted`` has a middle and its weight for each. The least squares of the distances: neighbours
    that would overlap stand side by side around the mean of what they want (pool adjacent
    violators).
    """
    offsets, edge = [], 0.0
    for place in rank:
        offsets.append(edge + place.width / 2)
        edge += place.width + gap
    blocks: list[tuple[float, float, int]] = []  # sum of weighted wishes, of weights, places
    for (wish, weight), offset in zip(wanted, offsets, strict=True):
        block = (weight * (wish - offset), weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    starts = [total / weight for total, weight, count in blocks for _ in range(count)]
    for place, start, offset in zip(rank, starts, offsets, strict=True):
        place.x = start + offset
