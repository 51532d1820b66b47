"""`python -m studies.mixtures`: plans of size, tokens and mixture of 3 and of 7 domains against SciPy's SLSQP.

Random laws of Shukor et al., additive and joint, with bounds of shares, unique tokens of each domain and epochs. SLSQP
(analytic slopes, ftol 1e-13) starts 50 times from random sizes and mixtures; the best that keeps to all limits counts.
What SLSQP found is kept in `mixtures.json`, problem by problem: a study that was stopped goes on where it was, and a
test compares plans with it anew.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from jaxscale import costs
from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.constrained import FLAT, OK
from jaxscale._allocation.decide import decide
from jaxscale._allocation.decision import LEAST_SHARE, Decision
from jaxscale.laws import shukor_mixture
from jaxscale.limits import read_limits

SAVED = Path(__file__).with_name("mixtures.json")
SEED, STARTS, COUNT = 0, 50, 300
KINDS = {f"{k} domains, {'joint' if joint else 'additive'}": (k, joint) for k in (3, 7) for joint in (False, True)}


class Problems(NamedTuple):
    """Random plans, numbers by name, (count,) each; shares and unique tokens have limits that mostly do not bind."""

    domains: int
    joint: bool
    numbers: dict[str, np.ndarray]

    @classmethod
    def random(cls, count: int, domains: int, joint: bool, seed: int) -> "Problems":
        """Budgets of 1e19 to 1e25 FLOPs; half the domains have bounds or few tokens, and all limits can be kept."""
        rng = np.random.default_rng(seed)
        n = {"E": rng.uniform(0.5, 2, count), "alpha": rng.uniform(0.25, 0.5, count)}
        n |= {"beta": rng.uniform(0.25, 0.5, count), "budget": 10 ** rng.uniform(19, 25, count)}
        n |= {"epochs_max": rng.uniform(1, 8, count)}
        powers = {f"gamma_{x}": rng.uniform(0.3, 1.2, count) for x in "AB"} if joint else {}
        low = rng.dirichlet(np.ones(domains), count) * rng.uniform(0, 0.6, (count, 1))
        high = np.minimum(low + rng.uniform(0.1, 1, (count, domains)), 1.0)
        bounded = rng.random((count, domains)) < 0.3
        tokens = np.sqrt(n["budget"] / 6 * 20)[:, None]  # of twenty for each parameter
        unique = tokens * np.exp(rng.normal(-1, 2, (count, domains)))
        scarce = rng.random((count, domains)) < 0.4
        scarce[:, 0] = bounded[:, 0] = False
        for i in range(domains):
            name = i + 1
            n |= {f"C{name}": np.exp(rng.normal(0, 0.8, count)), f"gamma{name}": rng.uniform(0.1, 0.9, count)}
            for x, size in (("A", 400.0), ("B", 600.0)) if joint else ():
                n[f"{x}{name}"] = (size * np.exp(rng.normal(0, 0.7, count))) ** (1 / powers[f"gamma_{x}"])
            n[f"h{name}_min"] = np.where(bounded[:, i], np.maximum(low[:, i], LEAST_SHARE), LEAST_SHARE)
            n[f"h{name}_max"] = np.where(bounded[:, i], high[:, i], 1e3)
            n[f"U{name}"] = np.where(scarce[:, i], unique[:, i], 1e30)
        if not joint:
            n |= {"A": 400 * np.exp(rng.normal(0, 1, count)), "B": 600 * np.exp(rng.normal(0, 1, count))}
        return cls(domains, joint, n | powers)

    def planned(self) -> tuple[Decision, Answers]:
        """What jaxscale decides."""
        law = shukor_mixture(domains=self.domains, joint=self.joint)
        names = range(1, self.domains + 1)
        asked = {f"h{i}_{end}": 0.5 for i in names for end in ("min", "max")}
        limits, unique = read_limits({**asked, "U": (1e12,) * self.domains, "epochs_max": 2.0})
        decision, values = decide(law, costs.six_nd, limits, unique)
        count = len(self.numbers["E"])
        known = {p.name: p for p in law.parameters}
        columns = []
        for name in decision.names:
            value = self.numbers.get(name, np.full(count, values.natural.get(name, np.nan)))
            columns.append(value if name in known and known[name].transform == "identity" else np.log(value))
        return decision, solve_many(decision, np.column_stack(columns))

    def one(self, i: int) -> "Problem":
        """Number i, for SciPy."""
        n = {name: float(v[i]) for name, v in self.numbers.items()}
        each = {name: np.array([n[f"{name}{k}"] for k in range(1, self.domains + 1)]) for name in ("C", "gamma", "U")}
        ends = [[n[f"h{k}_{end}"] for k in range(1, self.domains + 1)] for end in ("min", "max")]
        sizes = [np.array([n[f"{x}{k}"] for k in range(1, self.domains + 1)]) if self.joint else None for x in "AB"]
        return Problem(n, each["C"], each["gamma"], each["U"], np.array(ends[0]), np.minimum(ends[1], 1), *sizes)


class Problem(NamedTuple):
    """One plan written out in NumPy; z = (log N, h), and D follows from the budget."""

    numbers: dict[str, float]
    C: np.ndarray
    gamma: np.ndarray
    U: np.ndarray
    low: np.ndarray
    high: np.ndarray
    A: np.ndarray | None
    B: np.ndarray | None

    def loss(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and its slopes."""
        n, h = self.numbers, np.maximum(z[1:], 1e-12)
        log_D = np.log(n["budget"] / 6) - z[0]
        worth = self.C * h**self.gamma
        total, slope = worth.sum(), np.zeros(len(z))
        value = n["E"] + 1 / total
        slope[1:] = -worth * self.gamma / h / total**2
        for x, each, log_size, power, sign in (("A", self.A, z[0], n["alpha"], -1), ("B", self.B, log_D, n["beta"], 1)):
            base = n[x] if each is None else (each @ h) ** n[f"gamma_{x}"]
            term = base * np.exp(-power * log_size)
            value += term
            slope[0] += sign * power * term
            if each is not None:
                slope[1:] += term * n[f"gamma_{x}"] * each / (each @ h)
        return value, slope

    def room(self, z: np.ndarray) -> np.ndarray:
        """Logs of the tokens allowed of each domain over those seen."""
        n = self.numbers
        log_D = np.log(n["budget"] / 6) - z[0]
        return np.log(self.U * n["epochs_max"]) - log_D - np.log(np.maximum(z[1:], 1e-12))

    def _room_slopes(self, z: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(self.C)), -np.diag(1 / np.maximum(z[1:], 1e-12))])

    def best(self, starts: int, seed: int) -> float:
        """The least loss that SLSQP finds."""
        rng, top = np.random.default_rng(seed), np.log(self.numbers["budget"] / 6)
        limits = (
            {"type": "eq", "fun": lambda z: z[1:].sum() - 1, "jac": lambda z: np.r_[0.0, np.ones(len(self.C))]},
            {"type": "ineq", "fun": self.room, "jac": self._room_slopes},
        )
        bounds = [(0.0, top), *zip(self.low, self.high, strict=True)]
        found = np.inf
        for _ in range(starts):
            h = rng.dirichlet(np.full(len(self.C), 0.7))
            z = np.r_[rng.uniform(0.3, 0.8) * top, np.clip(h, self.low, self.high)]
            with np.errstate(all="ignore"):
                end = minimize(
                    self.loss, z, jac=True, method="SLSQP", bounds=bounds, constraints=limits,
                    options={"ftol": 1e-13, "maxiter": 300},
                ).x  # fmt: skip
                kept = abs(end[1:].sum() - 1) < 1e-9 and self.room(end).min() > -1e-9
                kept &= bool((end[1:] >= self.low - 1e-9).all() and (end[1:] <= self.high + 1e-9).all())
                found = min(found, self.loss(end)[0]) if kept else found
        return found


class Compared(NamedTuple):
    """By how much plans are worse than SLSQP's best, in logs of the loss, and what else came of both."""

    worse: np.ndarray
    unsolved: int
    slsqp_lost: int


def compare(kind: str, theirs: list[float | None]) -> Compared:
    """Plans of the first random problems of a kind, beside the losses that SLSQP found there, None where it kept to no
    limits."""
    domains, joint = KINDS[kind]
    _, answers = Problems.random(COUNT, domains, joint, SEED).planned()
    best = np.array([np.inf if x is None else x for x in theirs])
    ok = np.isin(answers.status, (OK, FLAT))[: len(best)]
    worse = np.where(ok, answers.value[: len(best)], np.inf) - np.log(best)
    return Compared(worse, int((~ok & np.isfinite(best)).sum()), int((~np.isfinite(best)).sum()))


def kept() -> dict[str, list[float | None]]:
    """The least losses of SLSQP by kind, of the first problems of each."""
    if not SAVED.exists():
        return {kind: [] for kind in KINDS}
    return {kind: list(found) for kind, found in json.loads(SAVED.read_text(encoding="utf-8"))["slsqp"].items()}


def searched(kind: str, found: dict[str, list[float | None]]) -> None:
    """Let SLSQP search the problems of a kind that it has not searched, and keep what it finds."""
    domains, joint = KINDS[kind]
    problems = Problems.random(COUNT, domains, joint, SEED)
    for i in range(len(found[kind]), COUNT):
        best = problems.one(i).best(STARTS, SEED + i)
        found[kind].append(float(best) if np.isfinite(best) else None)
        if i % 10 == 9:
            keep(found)


def keep(found: dict[str, list[float | None]]) -> None:
    """A line for each kind."""
    lines = ",\n".join(f"  {json.dumps(kind)}: {json.dumps(losses)}" for kind, losses in found.items())
    SAVED.write_text(f'{{\n "seed": {SEED},\n "starts": {STARTS},\n "slsqp": {{\n{lines}\n }}\n}}\n', encoding="utf-8")


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    found = kept()
    for kind in parser.parse_args().kinds:
        searched(kind, found)
        seen = compare(kind, found[kind])
        finite = seen.worse[np.isfinite(seen.worse)]
        print(
            f"{kind}: {COUNT} plans, {int((seen.worse > 1e-8).sum())} worse by 1e-8, "
            f"{int((finite < -1e-8).sum())} better, worst {finite.max():.1e}, {seen.unsolved} unsolved, "
            f"SLSQP none in {seen.slsqp_lost}",
            flush=True,
        )


if __name__ == "__main__":
    main()
