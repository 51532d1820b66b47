"""Random plans, judged by what they must come to: by scan in one dimension, or by water-filling, without jaxscale.

Both work in long doubles where it matters, since float64 sees a flat minimum to 1e-8 only.
"""

from dataclasses import dataclass

import numpy as np

from jaxscale import costs, limits
from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.constrained import FAILED, FLAT, INFEASIBLE, OK
from jaxscale._allocation.decide import decide
from jaxscale._allocation.decision import Decision
from jaxscale.laws import Law, chinchilla, muennighoff
from jaxscale.laws._math import logsumexp

BOUNDS = ("N_max", "N_min", "D_max", "D_min", "D_per_N_min", "D_per_N_max")
_ENDS = np.array([1, -1, 1, -1, -1, 1])  # which end of a range each one is
_INFINITE = np.where([0, 1, 0, 1, 0, 0], 0, _ENDS) * np.log(1e39)
_OMEGA = 47491.0
_LONG = np.longdouble
_ASIDE = _LONG("1e-2000")  # in a log, into the complex plane


@dataclass
class Problems:
    """Random plans of law theta = (log A, log B, log E, alpha, beta); all else logs. `bounds` is (n, 6), see BOUNDS."""

    theta: np.ndarray
    budget: np.ndarray
    bounds: np.ndarray
    served: np.ndarray
    unique: np.ndarray
    stars: np.ndarray

    @classmethod
    def random(cls, n: int, seed: int) -> "Problems":
        """Budgets of 1e17 to 1e28 FLOPs and up to six limits around the best size, so that some contradict."""
        rng = np.random.default_rng(seed)
        low, high = [3, 4, -1, 0.2, 0.2], [9, 10, 1, 0.6, 0.6]
        theta = rng.uniform(low, high, (n, 5))
        budget = rng.uniform(17, 28, n) * np.log(10)
        a, b, _, alpha, beta = theta.T
        x = (np.log(alpha / beta) + a - b + beta * (budget - np.log(6))) / (alpha + beta)
        y = budget - np.log(6) - x
        centre = np.column_stack([x + 0.5, x - 1.5, y + 0.5, y - 1.5, y - x - 1.5, y - x + 1.5])
        bounds = centre + rng.normal(0, [2, 2, 2, 2, 3, 3], (n, 6))
        bounds = np.clip(bounds, [0, 0, 0, 0, -89, -89], 89)
        bounds = np.where(rng.random((n, 6)) < rng.random(n)[:, None], bounds, _INFINITE)
        served = np.where(rng.random(n) < 0.5, rng.uniform(10, 14, n) * np.log(10), np.log(1e3))
        unique = np.clip(y + rng.normal(-1, 2, n), 1, 80)
        return cls(theta, budget, bounds, served, unique, rng.uniform(0.5, [40, 20], (n, 2)))

    def givens(self, decision, values):
        """What the solver is given, (n, k)."""
        columns = dict(zip(chinchilla.parameter_names, self.theta.T, strict=True))
        columns |= dict(zip(BOUNDS, self.bounds.T, strict=True))
        columns |= {"budget": self.budget, "inference_tokens": self.served, "U": self.unique}
        columns |= dict(zip(("R_D_star", "R_N_star"), np.log(self.stars).T, strict=True))
        n = len(self.budget)
        return np.column_stack([columns.get(k, np.full(n, np.log(values.get(k, 1.0)))) for k in decision.names])


KINDS = {  # law, cost and the limits that give a decision its rows
    "plain": (chinchilla, costs.six_nd, {"N_max": 1e10}),
    "served": (chinchilla, costs.six_nd.with_inference(1e12), {"N_max": 1e10}),
    "counted": (chinchilla, costs.kaplan(_OMEGA), {"N_max": 1e10}),  # the cost is not convex
    "repeated": (muennighoff, costs.six_nd, {"N_max": 1e10, "U": 1e11}),  # nor is this law, and it has kinks
}


def _log_sum(*terms):
    largest = np.maximum.reduce(terms)
    return largest + np.log(sum(np.exp(t - largest) for t in terms))


def _worth(fresh, shown, star):
    """Muennighoff et al.: log of what `shown` is worth of which `fresh` is new."""
    return fresh + np.log1p(-star * np.expm1(-np.expm1(np.maximum(shown - fresh, 0)) / star))


def _without_embeddings(x):
    """log N_ne where N = N_ne + omega N_ne^(1/3), by Newton's method on its cube root."""
    root, size, enough = np.minimum(np.exp(x / 3), np.exp(x - np.log(_OMEGA))), np.exp(x), 4 * np.finfo(_LONG).eps
    for _ in range(60):
        before, root = root, root - (root**3 + _OMEGA * root - size) / (3 * root**2 + _OMEGA)
        parts = (root.real, before.real), (root.imag, before.imag)  # the slope, aside, arrives a step later
        if all(np.all(np.abs(a - b) <= enough * np.abs(a)) for a, b in parts):
            break
    return 3 * np.log(root)


def _golden(function, low, high, steps):
    """Where a function of one valley is least."""
    inner = (3 - np.sqrt(_LONG(5))) / 2
    left, right = low + inner * (high - low), high - inner * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(steps):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = low + inner * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = high - inner * (high - low)
            at_right = function(right)
    return min((low + high) / 2, left, right, key=function)


def scan(problems: Problems, i: int, kind: str) -> tuple[float, float]:
    """(least log loss, log N there): D as large as all limits allow, N by scan.

    The loss falls with D, so along each N the largest D is best; every limit bounds D from above or below. A grid
    finds every valley, and bisection where in it the slope changes sign. The slope is that of a step into the complex
    plane, which no cancellation limits: it tells one point of a plateau from another where no loss does.
    """
    a, b, e, alpha, beta = problems.theta[i].astype(_LONG)
    N_max, N_min, D_max, D_min, least_ratio, most_ratio = problems.bounds[i].astype(_LONG)
    budget, served = problems.budget[i].astype(_LONG), problems.served[i].astype(_LONG)
    six = np.log(_LONG(6))

    def top(x):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if kind == "counted":
                tokens = budget - six - _without_embeddings(x)
            elif kind == "served":
                spare = np.log1p(-np.exp(np.minimum(np.log(_LONG(2)) + served + x - budget, 700)))
                tokens = budget - six - x + np.where(np.isnan(spare), -np.inf, spare)
            else:
                tokens = budget - six - x
        return np.minimum(np.minimum(tokens, D_max), x + most_ratio)

    def gap(x):
        return top(x) - np.maximum(D_min, x + least_ratio)

    def loss(x):
        y = top(x)
        effective = x, y
        if kind == "repeated":
            fresh = np.minimum(problems.unique[i].astype(_LONG), y)
            log_G = (np.log(alpha / beta) + a - b) / (alpha + beta)
            fresh_N = np.minimum(x, log_G + beta / alpha * (log_G + fresh))
            effective = _worth(fresh_N, x, problems.stars[i, 1]), _worth(fresh, y, problems.stars[i, 0])
        return _log_sum(e + 0 * x, a - alpha * effective[0], b - beta * effective[1])

    nothing = np.inf, np.nan
    if N_min > N_max:
        return nothing
    grid = np.linspace(N_min, N_max, 801)
    k = int(np.argmax(gap(grid)))
    inside = _golden(lambda x: -gap(x), grid[max(k - 1, 0)], grid[min(k + 1, 800)], 100)
    inside = max((inside, grid[k]), key=gap)
    if gap(inside) < -1e-11:
        return nothing

    def edge(kept, lost):
        if gap(lost) >= 0:
            return lost
        for _ in range(90):
            middle = (kept + lost) / 2
            kept, lost = (middle, lost) if gap(middle) >= 0 else (kept, middle)
        return kept

    ends = edge(inside, N_min), edge(inside, N_max)
    grid = np.linspace(*ends, 1001)
    heights = loss(grid)
    padded = np.r_[np.inf, heights, np.inf]
    valleys = np.flatnonzero((heights <= padded[:-2]) & (heights <= padded[2:]))
    valleys = valleys[heights[valleys] <= heights.min() + 1e-4][:20]
    low, high = grid[np.maximum(valleys - 1, 0)], grid[np.minimum(valleys + 1, 1000)]
    for _ in range(75):
        middle = (low + high) / 2
        rises = loss(middle + _ASIDE * 1j).imag > 0
        low, high = np.where(rises, low, middle), np.where(rises, middle, high)
    best = int(np.argmin(loss(low)))
    return float(loss(low[best])), float(low[best])


# --- More variables: separable, so that one price of the budget settles everything ------------------------------------


_NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six"}
_COST_POWERS = np.array([1, 1, 0.5, 0.25, 0.5, 0.25])


def _sum_of_powers(k: int) -> Law:
    """E + A1 N^-a1 + A2 D^-a2 + ... of k variables."""
    names = "NDFGHK"[:k]

    def function(p, **logs):
        return logsumexp(p.log_E, *(p[f"log_A{j}"] - p[f"a{j}"] * logs[f"log_{v}"] for j, v in enumerate(names, 1)))

    parameters = ("E", *(f"A{j + 1}" for j in range(k)), *(f"a{j + 1}" for j in range(k)))
    return Law(_NUMBERS[k], function, tuple(names), parameters)


def _log_cost(*logs):
    return sum(p * x for p, x in zip(_COST_POWERS, logs, strict=False))


KINDS |= {
    law.name: (law, costs.CostModel(law.name, _log_cost, variables=tuple("NDFGHK"[:k]), convex=True), {"N_max": 1e10})
    for k, law in ((k, _sum_of_powers(k)) for k in _NUMBERS)
}


@dataclass
class Separable:
    """Random plans of sums of three to six powers, variables within boxes; all in logs but the exponents."""

    log_E: np.ndarray
    log_A: np.ndarray
    powers: np.ndarray
    budget: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def random(cls, n: int, seed: int, k: int) -> "Separable":
        """Of k variables, up to 2 k ends; some contradict the budget or each other."""
        rng = np.random.default_rng(seed)
        log_A, powers = rng.uniform(1, 8, (n, k)), rng.uniform(0.2, 0.6, (n, k))
        budget = rng.uniform(17, 28, n) * np.log(10)
        centre = (budget / _COST_POWERS[:k].sum())[:, None] + rng.normal(0, 3, (n, k))
        asked = rng.random((2, n, k)) < rng.random(n)[:, None] * 0.8
        low = np.where(asked[0], np.maximum(centre - rng.exponential(6, (n, k)), 0), 0.0)
        high = np.where(asked[1], np.clip(centre + rng.normal(4, 4, (n, k)), 0.1, 89), np.log(1e39))
        return cls(rng.uniform(-1, 1, n), log_A, powers, budget, low, high)

    def givens(self, decision, values):
        """What the solver is given, (n, k)."""
        columns = {"E": self.log_E, "budget": self.budget}
        transforms = {p.name: p.transform for p in decision.law.parameters}
        for k, name in enumerate(decision.variables):
            power = self.powers[:, k]
            columns |= {f"A{k + 1}": self.log_A[:, k]}
            columns |= {f"a{k + 1}": np.log(power) if transforms[f"a{k + 1}"] == "log" else power}
            columns |= {f"{name}_min": self.low[:, k], f"{name}_max": self.high[:, k]}
        n = len(self.budget)
        return np.column_stack([columns.get(k, np.full(n, np.log(values.get(k, 1.0)))) for k in decision.names])


def fill(problems: Separable, i: int) -> tuple[float, np.ndarray]:
    """(least log loss, x), inf if there is none: within its ends, each variable gains as much per cost as others."""
    A, a, low, high = (getattr(problems, k)[i].astype(_LONG) for k in ("log_A", "powers", "low", "high"))
    budget, p = problems.budget[i], _COST_POWERS[: len(A)]
    if (low > high).any() or p @ low > budget:
        return np.inf, np.full(len(A), np.nan)

    def at(log_price):
        return np.clip((np.log(a) + A - np.log(p) - log_price) / a, low, high)

    if p @ high <= budget:
        x = high
    else:
        cheap, dear = _LONG(-300), _LONG(300)
        for _ in range(120):
            middle = (cheap + dear) / 2
            cheap, dear = (middle, dear) if p @ at(middle) > budget else (cheap, middle)
        x = at(dear)
    return float(_log_sum(_LONG(problems.log_E[i]), *(A - a * x))), x.astype(float)


# --- Judging ----------------------------------------------------------------------------------------------------------


@dataclass
class Asked:
    """Random problems, and what jaxscale answered."""

    decision: Decision
    problems: Problems | Separable
    givens: np.ndarray
    answers: Answers


@dataclass
class Verdict:
    """What was found wrong: `wrong` names the rule that each wrong answer breaks."""

    asked: Asked
    wrong: dict[int, str]
    feasible: int
    flat: int
    worst: dict[str, float]  # of the feasible ones; N of those that are not flat


def ask(kind: str, count: int, seed: int) -> Asked:
    """Random problems of one of `KINDS` by jaxscale's solver."""
    law, cost, asked = KINDS[kind]
    decision, values = decide(law, cost, *limits.read_limits(asked))
    many = cost.log_cost is _log_cost
    problems = Separable.random(count, seed, len(law.variables)) if many else Problems.random(count, seed)
    givens = problems.givens(decision, values.natural)
    return Asked(decision, problems, givens, solve_many(decision, givens))


def judge(kind: str, count: int, seed: int) -> Verdict:
    """The same, judged by the independent solver, which takes its time over each."""
    asked = ask(kind, count, seed)
    decision, problems, answers = asked.decision, asked.problems, asked.answers
    wrong, distances, feasible, errors = {}, [], 0, []
    size = decision.variables.index("N")
    for i in range(count):
        many = isinstance(problems, Separable)
        least, best = fill(problems, i) if many else scan(problems, i, kind)
        status = answers.status[i]
        if not np.isfinite(least) or status not in (OK, FLAT):
            if (status == INFEASIBLE) == np.isfinite(least) or status == FAILED:
                wrong[i] = f"status {status}, least loss {least}"
            continue
        feasible += 1
        gap = float(answers.value[i] - least)
        errors.append((abs(gap), answers.kkt[i], answers.violation[i]))
        distance = np.abs(answers.x[i] - best).max() if many else abs(answers.x[i, size] - best)
        if status == OK:
            distances.append(distance)
            if distance > 1e-6:
                wrong[i] = f"N off by {distance:.1e} in its log"
        if abs(gap) > 1e-10:
            wrong[i] = f"loss off by {gap:.1e}"
        if answers.kkt[i] > 1e-9 or answers.violation[i] > 1e-9:
            wrong[i] = f"KKT residual {answers.kkt[i]:.1e}, violation {answers.violation[i]:.1e}"
    worst = dict(zip(("loss", "kkt", "violation"), np.max(errors, axis=0), strict=True)) | {"N": max(distances)}
    return Verdict(asked, wrong, feasible, feasible - len(distances), worst)


_FAR = 300.0  # in a log, where no limit is


def possible(kind: str, problems: Problems | Separable, i: int, names) -> bool:
    """Whether the limits named can be kept together, all others left out."""
    budget = problems.budget[i] if "budget" in names else 3 * _FAR
    if isinstance(problems, Separable):
        variables = "NDFGHK"[: problems.low.shape[1]]
        low = [x if f"{v}_min" in names else -_FAR for v, x in zip(variables, problems.low[i], strict=True)]
        high = [x if f"{v}_max" in names else _FAR for v, x in zip(variables, problems.high[i], strict=True)]
        return all(a <= b for a, b in zip(low, high, strict=True)) and _COST_POWERS[: len(low)] @ low <= budget
    assert set(names) <= {"budget", *BOUNDS}
    kept = [x if n in names else np.sign(f) * _FAR for n, x, f in zip(BOUNDS, problems.bounds[i], _ENDS, strict=True)]
    some = Problems(**{name: v[i : i + 1].copy() for name, v in vars(problems).items()})
    some.budget[0], some.bounds[0] = budget, kept
    return bool(np.isfinite(scan(some, 0, kind)[0]))
