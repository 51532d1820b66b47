"""Where resampled fits end, nearly: Huber's objective minimised on a law bent as it is at the fit, all draws of a table
side by side. From there few steps on the law itself are left, and these are nearly Newton's."""

from typing import NamedTuple

import numpy as np

from jaxscale._problem.losses import HuberLoss
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack
from jaxscale._solver.solve import NEAR
from jaxscale._trust.left_out import solved_positive
from jaxscale.optim import OUTER_SHARE, RUNNING, weigh

_NUDGE = 0.1  # of the size of the residuals: by how much directions are followed for second derivatives
_TOLERANCE = 1e-6  # relative decrease that float32 can hardly tell from none
_MOST_STEPS = 12
_FEW = 0.05  # share of the draws below which the law itself goes on
_AT_ONCE = 1 << 17  # weights of draws that are worked on together, so that they stay in a core's cache
_STILL_GOING = 0.75  # share of the draws at work below which those that have ended are let go


class Bent(NamedTuple):
    """A law taken as quadratic at the optimum of a table, in directions that the runs tell apart equally well.

    residuals: (n,). slopes: (n, p). bends: (n, p (p + 1) / 2), second derivatives, upper triangle row by row.
    to_free: (p, p), what the directions are in free values. delta: of Huber's objective.
    """

    residuals: np.ndarray
    slopes: np.ndarray
    bends: np.ndarray
    to_free: np.ndarray
    delta: float


def bent_laws(stack: Stack, best: np.ndarray) -> list[Bent | None]:
    """The law of each table at its optimum, (tables, free); None where it is not smooth there, a bound holds, or the
    objective is another one. Call under float64."""
    plain = np.array([_is_plain(p.loss) and not p.at_bound(x).any() for p, x in zip(stack.problems, best, strict=True)])
    residuals, slopes, _, weights = slopes_of(stack, best)
    used = weights > 0
    size = np.array([np.median(np.abs(x[y])) if y.any() else 0.0 for x, y in zip(residuals, used, strict=True)])
    plain &= np.isfinite(slopes).all(axis=(1, 2)) & (size > 0)
    if not plain.any():
        return [None] * len(stack)
    heavy = np.where(plain[:, None, None], slopes * np.sqrt(weights)[..., None], 0.0)
    factor = np.linalg.qr(heavy, mode="r")
    lengths, diagonal = np.linalg.norm(heavy, axis=1), np.abs(np.diagonal(factor, axis1=1, axis2=2))
    plain &= (diagonal > 1e-6 * lengths).all(axis=1)
    to_free = np.linalg.inv(np.where(plain[:, None, None], factor, np.eye(best.shape[1])))
    bends = np.empty((*slopes.shape, best.shape[1]), np.float32)
    nudge = _NUDGE * size[:, None]
    for j in range(best.shape[1]):
        ahead, behind = (slopes_of(stack, best + sign * nudge * to_free[..., j])[1] for sign in (1, -1))
        bends[..., j] = (ahead - behind) @ to_free / (2 * nudge[..., None])
    slopes = slopes @ to_free
    plain &= np.isfinite(bends).all(axis=(1, 2, 3))
    first, second = np.triu_indices(best.shape[1])
    bends = (bends[..., first, second] + bends[..., second, first]) / 2
    count = [p.count for p in stack.problems]
    return [
        Bent(residuals[k, :n], slopes[k, :n], bends[k, :n], to_free[k], float(stack.problems[k].loss.size))
        if plain[k]
        else None
        for k, n in enumerate(count)
    ]


def _is_plain(loss: object) -> bool:
    return isinstance(loss, HuberLoss) and loss.prior is None and loss.overestimate == 1 and np.isfinite(loss.delta)


def ends_ahead(bent: Bent, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much the free values of each draw, weights (draws, >= n), are off the optimum, (draws, p), and what the
    law's bend adds there to the curvature of the objective, (draws, p, p)."""
    n, p = bent.slopes.shape
    at_once = max(16, _AT_ONCE // n)
    parts = [_descend(bent, weights[k : k + at_once, :n].astype(np.float32)) for k in range(0, len(weights), at_once)]
    moved, bend = (np.nan_to_num(np.concatenate(x, axis=-1)) for x in zip(*parts, strict=True))
    to_square, from_free = _places(p), np.linalg.inv(bent.to_free)
    turned = bend[to_square.ravel()].T @ np.kron(from_free, from_free)
    return moved.T @ bent.to_free.T, turned.reshape(-1, p, p)


def _places(p: int) -> np.ndarray:
    """Position in the upper triangle, row by row, of each entry of a symmetric matrix, (p, p)."""
    place = np.zeros((p, p), int)
    first, second = np.triu_indices(p)
    place[first, second] = place[second, first] = np.arange(len(first))
    return place


def _descend(bent: Bent, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each draw ends in the directions of `bent`, (p, draws), and sums of psi times its bends there, by damped
    Newton steps as in `jaxscale.optim`; slopes in their curvature are those at the optimum of all runs."""
    p, draws = bent.slopes.shape[1], len(weights)
    first, second = np.triu_indices(p)
    place = _places(p)
    corner = np.diag(place)
    residuals, slopes, bends = (x.astype(np.float32) for x in bent[:3])
    halved = np.where(first == second, np.float32(0.5), np.float32(1.0))
    basis = np.concatenate([slopes, bends * halved, residuals[:, None]], axis=1).T.copy()
    turned = np.concatenate([slopes, bends], axis=1).T.copy()
    products, delta = (slopes[:, first] * slopes[:, second]).T.copy(), np.float32(bent.delta)
    ended, bent_there = np.zeros((p, draws), np.float32), np.zeros((len(first), draws), np.float32)
    left, trial, few = np.arange(draws), np.zeros((p, draws), np.float32), _FEW * draws
    best, predicted, streak = np.full(draws, np.inf), np.ones(draws), np.zeros(draws)
    damping = np.full(draws, NEAR)
    point, gradient = trial, np.zeros_like(trial)
    curved, bend = (np.zeros((len(first), draws), np.float32) for _ in range(2))
    off_, share_, score_ = (np.empty_like(weights) for _ in range(3))
    with np.errstate(all="ignore"):
        for step in range(_MOST_STEPS):
            count = len(weights)
            off, share, score = off_[:count], share_[:count], score_[:count]
            moved = np.concatenate([trial, trial[first] * trial[second], np.ones((1, count), np.float32)])
            np.matmul(moved.T, basis, out=off)
            np.abs(off, out=share)
            np.maximum(share, delta, out=share)
            np.divide(delta, share, out=share)
            np.multiply(share, off, out=score)
            psi = np.multiply(score, weights)
            value = np.einsum("ij,ij->i", psi, off) - 0.5 * np.einsum("ij,ij->i", psi, score)
            inner = np.floor(share, out=score)
            share *= np.minimum(OUTER_SHARE, 1e6 * damping).astype(np.float32)[:, None]
            np.maximum(inner, share, out=inner)
            inner *= weights
            curved_here, sums = products @ inner.T, turned @ psi.T
            bent_here = sums[p:]
            slope = sums[:p] + (bent_here[place] * trial).sum(axis=1)

            better, damping, streak, status = weigh(
                value, best, predicted, damping, streak, np.isfinite(value), _TOLERANCE, np
            )
            if better.all():
                best, point, gradient, curved, bend = value, trial, slope, curved_here, bent_here
            else:
                best, point, gradient, curved, bend = (
                    np.where(better, *pair)
                    for pair in (
                        (value, best),
                        (trial, point),
                        (slope, gradient),
                        (curved_here, curved),
                        (bent_here, bend),
                    )
                )
            whole = (curved + bend)[place]
            damped = whole.copy()
            damped[np.arange(p), np.arange(p)] += damping.astype(np.float32) * curved[corner]
            move = -solved_positive(damped, gradient)
            promise = -((gradient + 0.5 * (whole * move).sum(axis=1)) * move).sum(axis=0)
            usable = (promise > 0) & np.isfinite(move).all(axis=0)
            damping = np.where(usable, damping, 10 * damping)
            predicted = np.where(usable, promise, 1.0)
            trial = np.where(usable, point + move, point)
            going = (status == RUNNING) & ~((predicted <= _TOLERANCE * best) & (damping < 1))
            last = step + 1 == _MOST_STEPS or going.sum() < few
            if last or going.mean() < _STILL_GOING:
                out = ~going | last
                ended[:, left[out]], bent_there[:, left[out]] = trial[:, out], bend[:, out]
                if last:
                    break
                weights, left = weights[going], left[going]
                best, predicted, streak, damping = (x[going] for x in (best, predicted, streak, damping))
                trial, point, gradient, curved, bend = (x[:, going] for x in (trial, point, gradient, curved, bend))
    return ended.astype(float), bent_there.astype(float)
