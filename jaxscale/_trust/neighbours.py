"""How far residuals may go with those of the nearest runs, of many tables at once: told without a tree of each."""

import numpy as np

_STEPS = 16  # places in the order along the diagonal up to which neighbours are looked for
_SLACK = 1e-9  # of squares, for rounding, which differs among processors


def correlation_at_most(points: np.ndarray, real: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """What the rank correlation of each run's residual with its nearest neighbour's does not exceed, (tables,).

    Distances are those of `neighbour_correlation`. Runs are looked at in their order along the diagonal, in which none
    that is far apart is near. Where several are as near but for rounding, as many are of a regular design, and of the
    few runs whose neighbour may lie further off in that order, the worst is taken.

    Args:
        points: (tables, 2, rows).
        real: which rows are runs, (tables, rows).
        ranks: of residuals, centred, (tables, rows); zero where there is no run.
    """
    tables, rows = real.shape
    count = real.sum(axis=1)
    each = np.ascontiguousarray(np.swapaxes(points, 1, 2))  # columns are summed as those of one table are
    off = (each - (each.sum(axis=1) / count[:, None])[:, None]) * real[..., None]
    spread = np.sqrt((off * off).sum(axis=1) / count[:, None])
    scaled = points / np.where(spread > 0, spread, 1.0)[..., None]
    along = np.where(real, scaled[:, 0] + scaled[:, 1], np.inf)
    order = np.argsort(along, axis=1)
    along, x, y, ranks = (np.take_along_axis(v, order, axis=1) for v in (along, scaled[:, 0], scaled[:, 1], ranks))
    x[~np.isfinite(along)] = np.inf
    least, square, unsure = np.full((tables, rows), np.inf), [], np.zeros((tables, rows), bool)
    with np.errstate(invalid="ignore"):  # rows that are no runs
        for step in range(1, min(_STEPS, rows - 1) + 1):
            d, e = x[:, step:] - x[:, :-step], y[:, step:] - y[:, :-step]
            d *= d
            e *= e
            d += e
            np.fmin(least[:, :-step], d, out=least[:, :-step])
            np.fmin(least[:, step:], d, out=least[:, step:])
            square.append(d)
        step = len(square)
        apart = (along[:, step:] - along[:, :-step]) ** 2 * (0.5 - _SLACK)  # runs further on are no nearer than that
        unsure[:, :-step] |= least[:, :-step] > apart
        unsure[:, step:] |= least[:, step:] > apart
    nearest, mine, other = least * (1 + _SLACK), [], []
    for step, d in enumerate(square, 1):
        for here, there in ((0, step), (step, 0)):
            table, row = np.divmod(np.flatnonzero(d <= nearest[:, here : here + rows - step]), rows - step)
            mine.append(table * rows + row + here)
            other.append(table * rows + row + there)
    run, near = np.concatenate(mine), np.concatenate(other)
    known = np.isfinite(least.ravel()[run]) & ~unsure.ravel()[run]
    run, rank = run[known], ranks.ravel()[near[known]]
    most = np.where(unsure, np.abs(ranks) * (count[:, None] - 1) / 2, -np.inf).ravel()  # of the product
    size = np.where(unsure, (count[:, None] - 1) / 2, 0.0).ravel()  # of the neighbour's rank, at most and at least
    smallest = np.where(unsure, 0.0, np.inf).ravel()
    signed = np.zeros(tables * rows)
    np.maximum.at(most, run, ranks.ravel()[run] * rank)
    np.maximum.at(size, run, np.abs(rank))
    np.minimum.at(smallest, run, np.abs(rank))
    signed[run] = rank
    alone = np.bincount(run, minlength=tables * rows) == 1
    # The sum of neighbours' ranks is known of those that are, and at most as large as their sizes of the others.
    total = np.abs(np.where(alone, signed, 0.0).reshape(real.shape).sum(axis=1))
    total += np.where(alone, 0.0, size).reshape(real.shape).sum(axis=1)
    smallest, most = (np.where(np.isfinite(v), v, 0.0).reshape(real.shape) for v in (smallest, most))
    with np.errstate(divide="ignore", invalid="ignore"):
        varied = np.maximum((smallest**2).sum(axis=1) - total**2 / count, 0.0)
        return np.maximum(most.sum(axis=1), 0.0) / np.sqrt((ranks**2).sum(axis=1) * varied)
