"""The optimum of a joint fit of groups: how well the runs determine it, and how sure its values are."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from jaxscale._fitting.pooling.arrowhead import Arrowhead
from jaxscale._problem.stack import stacks_of
from jaxscale._problem.units import in_plain_counts
from jaxscale._trust.covariance import LEAST_ROOM, Covariance
from jaxscale._trust.dispersion import Scatter
from jaxscale._trust.identification import Identification, identify
from jaxscale._trust.linearization import Linearization, linearize_all
from jaxscale._trust.optimum import Optimum


class JointOptimum:
    """Everything about a joint fit that follows from where it ended: free values (groups, p), centres (k,)."""

    def __init__(self, arrowhead: Arrowhead, free: np.ndarray, centre: np.ndarray):
        self.arrowhead, self.free, self.centre = arrowhead, free, centre
        parts, first = [], 0
        for stack in stacks_of(arrowhead.problems):
            parts += linearize_all(stack, free[first : first + len(stack)])
            first += len(stack)
        self.at: list[Linearization] = parts
        self.held = np.array([at.held for at in parts])

    @property
    def own_parameters(self) -> int:
        """Centres and what groups have for themselves; offsets are not counted."""
        count, p = self.free.shape
        return len(self.centre) + count * (p - len(self.centre))

    def _all_runs(self, parameters: int) -> Scatter:
        """The runs of all groups side by side, with that many parameters fitted to them."""
        parts = zip(*((at.residuals, at.psi, at.weights) for at in self.at), strict=True)
        residuals, psi, weights = (np.concatenate(x) for x in parts)
        return Scatter(residuals, psi, weights, self.at[0].loss._replace(prior=None), parameters)

    @cached_property
    def pooled(self) -> Scatter:
        """The runs of all groups side by side."""
        return self._all_runs(round(self.parameters))

    @cached_property
    def parameters(self) -> float:
        """Parameters fitted in all; an offset counts as much as the runs, and not its width, determine it."""
        partly_pooled = self.arrowhead.partly_pooled
        if not partly_pooled.any():
            return float(self.own_parameters)
        inverse, along, schur = self._inverted(self.information(self._all_runs(self.own_parameters).expected_weights))
        variance = np.diagonal(inverse, axis1=1, axis2=2)[:, partly_pooled].copy()
        variance += np.einsum("gik,kl,gil->gi", along[:, partly_pooled], np.linalg.inv(schur), along[:, partly_pooled])
        return float(self.own_parameters + np.sum(1 - np.clip(self.arrowhead.noise * variance, 0, 1)))

    @cached_property
    def noise(self) -> float:
        """What half a squared standard normal value weighs in the objective."""
        return self.pooled.dispersion

    @cached_property
    def gradient_norm(self) -> float:
        """As for a fit of its own: the largest cosine between a column and the scores, over groups and centres."""
        arrowhead, columns = self.arrowhead, list(self.arrowhead.columns)
        off = arrowhead.own(self.free, self.centre) - arrowhead.target
        off_centre = self.centre - arrowhead.prior.centre
        largest, gradient = 0.0, arrowhead.prior.weight * off_centre
        size, psi = arrowhead.prior.weight.copy(), float(arrowhead.prior.weight @ off_centre**2)
        for k, at in enumerate(self.at):
            slope = at.jacobian.T @ at.psi
            norms = np.linalg.norm(at.jacobian, axis=0)
            gradient += slope[columns]
            size += norms[columns] ** 2
            mine = at.psi @ at.psi + arrowhead.weighed @ off[k] ** 2
            psi += mine
            moved = slope * arrowhead.size + arrowhead.weighed * off[k]
            length = np.sqrt((norms * arrowhead.size) ** 2 + arrowhead.weighed) * np.sqrt(mine)
            counts = ~self.held[k] & (arrowhead.size > 0) & (length > 0)
            largest = max(largest, float(np.max(np.abs(moved[counts]) / length[counts], initial=0.0)))
        fixed = self.held[:, columns].all(axis=0) & (arrowhead.widths == 0)
        total = np.sqrt(size * psi)
        counts = ~fixed & (total > 0)
        return max(largest, float(np.max(np.abs(gradient[counts]) / total[counts], initial=0.0)))

    def information(self, bread: np.ndarray) -> np.ndarray:
        """Curvature of each group's part of the objective, (groups, p, p), where `bread` (runs,) is what each run adds
        to the slope of psi; priors of the centres and the weight of offsets are left out."""
        each = np.split(bread, np.cumsum([len(at.weights) for at in self.at])[:-1])
        return np.array([j.T @ (j * b[:, None]) for j, b in zip(self._slopes, each, strict=True)])

    @cached_property
    def _slopes(self) -> list[np.ndarray]:
        """Jacobians, zero where a bound holds the value."""
        return [np.where(at.held, 0.0, at.jacobian) for at in self.at]

    def _inverted(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the arrowhead: inverses of the groups (groups, p, p), those times the sides (groups, p, k), and the Schur
        complement of the centres (k, k)."""
        group, between, _ = self.arrowhead.blocks(information)
        out = (self.arrowhead.size == 0) | (self.held & ~self.arrowhead.partly_pooled)
        group = group + np.where(out, 1.0, 0.0)[..., None] * np.eye(group.shape[-1])
        scale = np.sqrt(np.diagonal(group, axis1=1, axis2=2))
        scale = np.where(scale > 0, scale, 1.0)
        inverse = np.linalg.pinv(group / scale[:, :, None] / scale[:, None, :], rcond=1e-13, hermitian=True)
        inverse = inverse / scale[:, :, None] / scale[:, None, :]
        along = inverse @ between
        schur = self._information_on_centres(information).sum(axis=0) + np.diag(self.arrowhead.prior.weight)
        # A centre that a bound holds is known.
        still = self.held[:, list(self.arrowhead.columns)].all(axis=0) & (self.arrowhead.widths == 0)
        schur = np.where(still[:, None] | still, np.diag(np.where(still, 1.0, 0.0)), schur)
        return np.where(out[..., None] | out[:, None, :], 0.0, inverse), along, schur

    def _information_on_centres(self, information: np.ndarray) -> np.ndarray:
        """The information on the centres that each group's runs hold, (groups, k, k): its part of the Schur complement.

        K (1 + W K)^-1, where K is what it says of its own values and W how far those lie apart; the arrowhead itself
        would lose the digits that W and K differ by.
        """
        columns = list(self.arrowhead.columns)
        rest = [c for c in range(len(self.arrowhead.size)) if c not in columns]
        own = information[:, rest][:, :, rest] + np.diag(self.arrowhead.weighed[rest])
        inner = np.linalg.pinv(own, rcond=1e-13, hermitian=True)
        side = information[:, rest][:, :, columns]
        known = information[:, columns][:, :, columns] - np.swapaxes(side, 1, 2) @ inner @ side
        return np.linalg.solve(
            np.eye(len(columns)) + known @ np.diag(self.arrowhead.widths**2) / self.arrowhead.noise, known
        )

    @cached_property
    def covariances(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Sandwich covariance of every group's free values (groups, p, p) and of the centres (k, k), all groups' runs
        counted; the weight of an offset or a prior counts as one observation. None where the centres are not
        determined."""
        arrowhead = self.arrowhead
        inverse, along, schur = self._inverted(self.information(self.pooled.bread_weights))
        tight = np.diagonal(schur)
        if not np.all(tight > 0) or not np.linalg.cond(schur / np.sqrt(np.outer(tight, tight))) < 1e12:
            return None
        centres = np.linalg.inv(schur)
        answer = arrowhead.size[:, None] * along - arrowhead.select  # of free values to centres moved back
        psi = [at.psi for at in self.at]
        if not self.pooled.far_below_noise:  # as `powell_covariance` does
            room = (np.maximum(1 - h, LEAST_ROOM) for h in self.leverage)
            psi = [x / h for x, h in zip(psi, room, strict=True)]
        pulls = [j * x[:, None] for j, x in zip(self._slopes, psi, strict=True)]
        scores = np.array([pull.T @ pull for pull in pulls])
        scores = scores + self._dispersion * np.diag(np.where(arrowhead.partly_pooled, 0.0, arrowhead.weighed))
        partly_pooled = np.flatnonzero(arrowhead.partly_pooled)
        spread = np.einsum("gik,gij,gjl->gkl", answer, scores, answer)
        spread += arrowhead.noise**2 * np.einsum("gjk,gjl->gkl", along[:, partly_pooled], along[:, partly_pooled])
        total = spread.sum(axis=0) + self._dispersion * np.diag(arrowhead.prior.weight)
        others = total - spread
        back = answer @ centres
        own = inverse * np.outer(arrowhead.size, arrowhead.size) + back @ np.swapaxes(answer, 1, 2)
        found = own @ scores @ np.swapaxes(own, 1, 2) + back @ others @ np.swapaxes(back, 1, 2)
        told = arrowhead.noise * (
            arrowhead.size[:, None] * inverse[:, :, partly_pooled] + back @ np.swapaxes(along[:, partly_pooled], 1, 2)
        )
        found += told @ np.swapaxes(told, 1, 2)
        found = np.where(self.held[..., None] | self.held[:, None, :], 0.0, found)
        return (found + np.swapaxes(found, 1, 2)) / 2, centres @ total @ centres

    @property
    def leverage(self) -> list[np.ndarray]:
        """Diagonal of the hat matrix of all runs, offsets and priors, by group, (runs,)."""
        bread = self.pooled.expected_weights
        inverse, along, schur = self._inverted(self.information(bread))
        answer = self.arrowhead.size[:, None] * along - self.arrowhead.select
        own = inverse * np.outer(self.arrowhead.size, self.arrowhead.size)
        own = own + answer @ np.linalg.pinv(schur, hermitian=True) @ np.swapaxes(answer, 1, 2)
        each = np.split(bread, np.cumsum([len(at.weights) for at in self.at])[:-1])
        return [b * np.einsum("ni,ij,nj->n", j, o, j) for b, j, o in zip(each, self._slopes, own, strict=True)]

    def widths_of(self, weight: np.ndarray) -> np.ndarray:
        """Widths of priors from their weights in the objective; 0 where there is none."""
        return np.sqrt(self._dispersion / np.where(weight > 0, weight, 1.0)) * (weight > 0)

    @property
    def _dispersion(self) -> float:
        """What the weight of a prior is in its own units, see `Noise`; 0 without priors."""
        noise = self.arrowhead.problems[0].noise
        return 0.0 if noise is None else noise.dispersion

    def group(self, number: int) -> "GroupOptimum":
        """The part of one group."""
        problem = self.arrowhead.problems[number]
        return GroupOptimum(problem, self.free[number], self.at[number], joint=self, number=number)

    @cached_property
    def identifications(self) -> list[Identification]:
        """Of every group, what the others know of the parameters in common counted as further runs."""
        arrowhead, columns = self.arrowhead, list(self.arrowhead.columns)
        m1, _ = self.pooled.moments
        each = self._information_on_centres(self.information(self.pooled.expected_weights))
        one, apart = np.eye(len(columns)), np.diag(arrowhead.widths**2) / arrowhead.noise
        found = []
        for k, at in enumerate(self.at):
            others = each.sum(axis=0) - each[k] + np.diag(arrowhead.prior.weight)
            others = np.linalg.solve(one + others @ apart, others) / m1
            sizes, directions = np.linalg.eigh((others + others.T) / 2)
            rows = np.zeros((len(columns), len(arrowhead.size)))
            rows[:, columns] = np.sqrt(np.maximum(sizes, 0))[:, None] * directions.T
            more = replace(
                at,
                jacobian=np.concatenate([at.jacobian, rows]),
                weights=np.concatenate([at.weights, np.full(len(columns), 1.0)]),
            )
            found.append(identify(more, in_plain_counts(arrowhead.problems[k], self.free[k])))
        return found


@dataclass(frozen=True, eq=False)
class GroupOptimum(Optimum):
    """One group's part of a joint optimum: what follows from it takes the runs of the other groups into account."""

    joint: JointOptimum
    number: int

    @property
    def alone(self) -> bool:
        return False

    @property
    def freedom(self) -> int:
        return self.joint.pooled.freedom

    @property
    def gradient_norm(self) -> float:
        return self.joint.gradient_norm

    @cached_property
    def identification(self) -> Identification:
        return self.joint.identifications[self.number]

    @cached_property
    def covariance(self) -> Covariance | None:
        if self.joint.covariances is None:
            return None
        label = "powell_sandwich" if self.joint.pooled.far_below_noise else "leverage_sandwich"
        return Covariance(self.at.names, self.joint.covariances[0][self.number], label)
