"""`python -m studies.valleys`: plans of 500 laws that are not convex, against dense grids.

Laws of two variables are Chinchilla's with a ripple, a saturating term or a kink; those of three have a ripple or a
kink in the third. Limits are none, ends of N and D, a forbidden ring, a forbidden band of D / N, an equality of D / N,
of N, or a circle that must be kept to; the aim is the least loss of a budget, or the least cost to reach a loss.

The grid knows nothing of the planner: it lies over N and D (over all three), and where limits or the budget leave a
curve or its edge is drawn by its own formula, point by point.

Each plan is written to `valleys.json` beside this file as it is judged, and a later call goes on with those missing;
`--again` begins anew, `--table` prints what is there.
"""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import jaxscale as js
from jaxscale.laws import Law

RESULTS = Path(__file__).with_name("valleys.json")
TRUTH = js.laws.chinchilla.published["besiroglu"].params
E, A, B, ALPHA, BETA = (TRUTH[name] for name in ("E", "A", "B", "alpha", "beta"))
WORSE = 1e-6  # so much above the grid counts as worse, relative to the loss or the cost
PLANNED = "ok", "flat"
LIMITS = ("none", "ends", "ring", "band", "equal ratio", "equal size", "circle")
_LARGEST = np.log(1e16)


def _two(xp, kind, a, w, p, N, D):
    plain = E + A * N**-ALPHA + B * D**-BETA
    if kind == "ripple in N":
        return plain + a * xp.sin(w * xp.log(N) + p)
    if kind == "ripple in D / N":
        return plain + a * xp.sin(w * xp.log(D / N) + p)
    if kind == "kinks in D":
        return plain + a * xp.abs(xp.sin(w * xp.log(D) + p))
    if kind == "kinks in both":
        return plain + a * (xp.abs(xp.sin(w * xp.log(N))) + xp.abs(xp.cos(w * xp.log(D) + p)))
    return E + A * N**-ALPHA + xp.maximum(B * D**-BETA, a) + 0.2 * a * xp.cos(w * xp.log(N / D) + p)  # saturating


KINDS = ("ripple in N", "ripple in D / N", "saturating", "kinks in D", "kinks in both")


def _law(kind: str) -> Law:
    def loss(a, w, p, *, N, D):
        return _two(jnp, kind, a, w, p, N, D)

    return Law.from_loss(loss, name=kind.replace(" ", "_").replace("/", "per"))


def _three(xp, kink, a, w, p, N, D, S):
    third = 0.3 * (xp.log(S) - 1.5) ** 2 / 40
    wave = xp.abs(xp.sin(w * xp.log(S) + p)) if kink else xp.sin(w * xp.log(S) + p)
    return E + A * N**-ALPHA + B * D**-BETA + third + a * wave + 0.3 * a * xp.sin(w * xp.log(N))


def _law_of_three(kink: bool) -> Law:
    def loss(a, w, p, *, N, D, S):
        return _three(jnp, kink, a, w, p, N, D, S)

    return Law.from_loss(loss, name="three_kinked" if kink else "three")


LAWS = {kind: _law(kind) for kind in KINDS}
OF_THREE = {kink: _law_of_three(kink) for kink in (False, True)}


@dataclass(frozen=True)
class Case:
    """A plan to make: the law's kind and numbers, the limits and theirs, and the budget or the loss to reach."""

    kind: str
    numbers: dict[str, float]
    limit: str
    ends: dict[str, float]
    budget: float
    reach: float | None = None

    @property
    def limits(self):
        e = self.ends
        if self.limit == "ring":
            return [js.Limit(_ring, "ring", {k: e[k] for k in ("N0", "D0", "r")})]
        if self.limit == "circle":
            values = {k: e[k] for k in ("N0", "D0", "r")}
            return [js.Limit(_ring, "outside", values), js.Limit(_not_ring, "inside", values)]
        if self.limit == "band":
            return [js.Limit(_band, "band", {k: e[k] for k in ("low", "high")})]
        if self.limit == "equal ratio":
            return {"D_per_N": (e["low"], e["low"])}
        if self.limit == "equal size":
            return {"N_min": e["N0"], "N_max": e["N0"]}
        return {"N_max": e["N0"], "D_max": e["D1"]} if self.limit == "ends" else None

    @classmethod
    def random(cls, rng: np.random.Generator, kind: str, limit: str, reach: bool) -> "Case":
        numbers = {"a": rng.uniform(0.005, 0.05), "w": rng.uniform(0.5, 4.0), "p": rng.uniform(0, 6.0)}
        budget = 10 ** rng.uniform(20, 26)
        # Near where Chinchilla's law would plan, so that limits cut what matters.
        size = (budget / 6 / 20) ** 0.5
        low = 20 * np.exp(rng.uniform(-2, 1))
        ends = {
            "N0": size * np.exp(rng.uniform(-2, 2)), "D0": 20 * size * np.exp(rng.uniform(-2, 2)),
            "D1": 20 * size * np.exp(rng.uniform(-1, 4)), "r": np.exp(rng.uniform(0.5, 3)), "low": low,
            "high": low * np.exp(rng.uniform(0.3, 3)),
        }  # fmt: skip
        wanted = None
        if reach:
            wanted = float(_two(np, kind, **numbers, N=size, D=20 * size))
        return cls(kind, numbers, limit, ends, budget, wanted)

    # --- The grid ---

    def loss(self, x, y):
        with np.errstate(over="ignore"):
            return _two(np, self.kind, **self.numbers, N=np.exp(x), D=np.exp(y))

    def kept(self, x, y, slack=1e-12):
        e = {k: np.log(v) for k, v in self.ends.items()}
        ok = (x >= 0) & (y >= 0) & (x <= _LARGEST * 2)
        if self.reach is None:
            ok &= x + y + np.log(6) <= np.log(self.budget) + slack
        else:
            ok &= self.loss(x, y) <= self.reach * (1 + slack)
        if self.limit == "ends":
            return ok & (x <= e["N0"] + slack) & (y <= e["D1"] + slack)
        if self.limit == "ring":
            return ok & (np.hypot(x - e["N0"], y - e["D0"]) >= e["r"] - slack)
        if self.limit == "circle":
            return ok & (np.abs(np.hypot(x - e["N0"], y - e["D0"]) - e["r"]) <= 1e-9)
        if self.limit == "band":
            return ok & ((y - x <= e["low"] + slack) | (y - x >= e["high"] - slack))
        if self.limit == "equal ratio":
            return ok & (np.abs(y - x - e["low"]) <= 1e-9)
        return ok & (np.abs(x - e["N0"]) <= 1e-9) if self.limit == "equal size" else ok

    def curves(self):
        """Points of all edges: the budget or the loss to reach, and the limits' own."""
        e, t = {k: np.log(v) for k, v in self.ends.items()}, np.linspace(0, 70, 200_001)
        if self.reach is None:
            yield t, np.log(self.budget / 6) - t
        if self.limit == "ends":
            yield np.full_like(t, e["N0"]), t
            yield t, np.full_like(t, e["D1"])
        if self.limit in ("ring", "circle"):
            angle = np.linspace(0, 2 * np.pi, len(t))
            yield e["N0"] + e["r"] * np.cos(angle), e["D0"] + e["r"] * np.sin(angle)
        if self.limit in ("band", "equal ratio"):
            yield t, t + e["low"]
            yield t, t + e["high"]
        if self.limit == "equal size":
            yield np.full_like(t, e["N0"]), t
        # Corners: of the budget with a limit's line.
        total = np.log(self.budget / 6)
        if self.limit == "ends":
            yield np.array([e["N0"], total - e["D1"], e["N0"]]), np.array([total - e["N0"], e["D1"], e["D1"]])
        if self.limit in ("band", "equal ratio"):
            lines = np.array([e["low"], e["high"]])
            yield (total - lines) / 2, (total + lines) / 2
        if self.limit == "equal size":
            yield np.array([e["N0"]]), np.array([total - e["N0"]])
        if self.limit in ("ring", "circle"):  # x + y = total on the circle
            middle = (e["N0"] + total - e["D0"]) / 2
            half = e["r"] ** 2 / 2 - (middle - e["N0"]) ** 2
            if half >= 0:
                x = middle + np.sqrt(half) * np.array([-1, 1])
                yield x, total - x

    def aim(self, x, y):
        return self.loss(x, y) if self.reach is None else np.log(6) + x + y

    def on_a_grid(self) -> float:
        """The least loss, or log cost; infinite if no point is allowed."""
        least = np.inf
        pieces = list(self.curves())
        line = np.linspace(0, 65, 1301)
        pieces.append(tuple(v.ravel() for v in np.meshgrid(line, line)))
        if self.reach is not None:
            pieces += self._crossings(pieces)
        for x, y in pieces:
            ok = self.kept(x, y)
            if ok.any():
                least = min(least, float(self.aim(x[ok], y[ok]).min()))
        return least

    def _crossings(self, pieces):
        """Where along each curve, and along lines of one size, the loss to reach is met: by bisection."""
        t = np.linspace(0, 65, 2001)
        lines = [(x, y) for x, y in pieces[:-1] if len(x) > 1000]
        if self.limit in ("none", "ends", "ring", "band"):
            lines += [(np.full_like(t, x), t) for x in np.linspace(0, 65, 1301)]
        for x, y in lines:
            over = self.loss(x, y) > self.reach
            k = np.flatnonzero(over[1:] != over[:-1])
            left, right = np.stack([x[k], y[k]]), np.stack([x[k + 1], y[k + 1]])
            bad = over[k]
            for _ in range(50):
                middle = (left + right) / 2
                same = (self.loss(*middle) > self.reach) == bad
                left, right = np.where(same, middle, left), np.where(same, right, middle)
            yield np.where(bad, right, left)


@dataclass(frozen=True)
class OfThree:
    """Three variables, with 6 N D S^.3 as the budget."""

    kink: bool
    numbers: dict[str, float]
    budget: float
    largest: float

    def on_a_grid(self) -> float:
        x, s = np.meshgrid(np.linspace(0, 62, 2481), np.linspace(-6, 6, 1201), indexing="ij")
        y = np.minimum(np.log(self.budget / 6) - x - 0.3 * s, np.log(self.largest))
        ok = y >= 0
        loss = _three(np, self.kink, **self.numbers, N=np.exp(x[ok]), D=np.exp(y[ok]), S=np.exp(s[ok]))
        return float(loss.min())


def _ring(log_N, log_D, log_N0, log_D0, log_r):
    return log_r**2 - (log_N - log_N0) ** 2 - (log_D - log_D0) ** 2


def _not_ring(log_N, log_D, log_N0, log_D0, log_r):
    return (log_N - log_N0) ** 2 + (log_D - log_D0) ** 2 - log_r**2


def _band(log_N, log_D, log_low, log_high):
    return (log_D - log_N - log_low) * (log_high - log_D + log_N)


def _spent(log_N, log_D, log_S):
    return jnp.log(6.0) + log_N + log_D + 0.3 * log_S


COST = js.CostModel("three", _spent, variables=("N", "D", "S"), convex=True)


@dataclass(frozen=True)
class Judged:
    """What came of a case: the status, and how far the plan lies above the grid; nan where either has none."""

    case: "Case | OfThree"
    status: str
    above: float
    possible: bool

    @property
    def planned(self) -> bool:
        return self.status in PLANNED


def judge(case: "Case | OfThree") -> Judged:
    """The plan beside the grid."""
    least = case.on_a_grid()
    if isinstance(case, OfThree):
        law = OF_THREE[case.kink].at(**case.numbers)
        limits = {"D_max": case.largest, "S_min": np.exp(-6), "S_max": np.exp(6)}
        (row,) = js.frontier(law, case.budget, cost=COST, limits=limits).rows
        got = row.loss
    else:
        law = LAWS[case.kind].at(**case.numbers)
        aim = {"budgets": case.budget} if case.reach is None else {"reach_loss": case.reach}
        (row,) = js.frontier(law, limits=case.limits, **aim).rows
        got = row.loss if case.reach is None else np.log(row.cost)
        if np.isfinite(got):  # what the plan says is so
            x, y = np.log(row.N), np.log(row.D)
            assert case.kept(x, y, 1e-9), case
    return Judged(case, row.status, (got - least) / abs(least), bool(np.isfinite(least)))


def cases(count: int, seed: int = 0) -> list["Case | OfThree"]:
    """Of each kind about as many: seven in ten within a budget, fifteen in a hundred to reach a loss, or of three."""
    rng = np.random.default_rng([20261129, seed])
    out: list[Case | OfThree] = []
    for k in range(count):
        if k % 20 in (3, 9, 15):
            numbers = {"a": rng.uniform(0.005, 0.05), "w": rng.uniform(0.5, 4.0), "p": rng.uniform(0, 6.0)}
            out.append(OfThree(k % 40 > 19, numbers, 10 ** rng.uniform(20, 26), 10 ** rng.uniform(10, 14)))
            continue
        kind, limit = KINDS[rng.integers(len(KINDS))], LIMITS[rng.integers(len(LIMITS))]
        out.append(Case.random(rng, kind, limit, k % 20 in (1, 7, 13)))
    return out


# --- What was found ---


def written() -> dict[str, Any]:
    """By "seed number": the status, how far above the grid (none where either has none), and whether a plan exists."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["plans"] if RESULTS.exists() else {}


def write(plans: dict[str, Any]) -> None:
    """Keep them, a line each."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(plan)}" for name, plan in plans.items())
    RESULTS.write_text(f'{{\n "worse": {WORSE},\n "plans": {{\n{lines}\n }}\n}}\n', encoding="utf-8")


def table(plans: dict[str, Any]) -> str:
    """What the plans came to, in three lines."""
    judged = list(plans.values())
    above = np.array([x for _, x, _ in judged if x is not None])
    lost = sum(possible and status not in PLANNED for status, _, possible in judged)
    return (
        f"{len(judged)} plans: {dict(Counter(status for status, _, _ in judged))}\n"
        f"the grid has points in {sum(possible for _, _, possible in judged)}; of these not planned: {lost}\n"
        f"above the grid by more than {WORSE:g}: {(above > WORSE).sum()}; largest {above.max():.2g}; "
        f"below it by up to {-above.min():.2g}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.valleys", description=__doc__)
    parser.add_argument("--plans", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first plan (default 0)")
    parser.add_argument("--again", action="store_true", help="make plans that were written, too")
    parser.add_argument("--table", action="store_true", help="print what was written and stop")
    options = parser.parse_args()
    plans = {} if options.again else written()
    if not options.table:
        begin = time.process_time()
        for number, case in enumerate(cases(options.plans, options.seed)):
            name = f"{options.seed} {number}"
            if number < options.first or name in plans:
                continue
            one = judge(case)
            above = float(f"{one.above:.3g}") if np.isfinite(one.above) else None
            plans[name] = (one.status, above, one.possible)
            write(plans)
            if one.above > WORSE or one.possible != one.planned:
                print(number, one, flush=True)
        print(f"{time.process_time() - begin:.0f} s of CPU")
    print(table(plans))
    return 0


if __name__ == "__main__":
    sys.exit(main())
