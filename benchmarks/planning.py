"""Planning, timed and judged: `python -m benchmarks.planning`.

Many draws under five limits against SLSQP and, where it is installed, CVXPY's geometric programming; and thousands of
random plans against exact answers, on seeds that no test uses.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from scipy.optimize import minimize

import jaxscale as js
from benchmarks.rows import Row, timed
from jaxscale._allocation.constrained import INFEASIBLE

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))  # the exact answers are shared with the tests

LIMITS = {"N_max": 1e11, "D_max": 5e12, "D_per_N": (12, 40)}
CAP = 6 * 1e11 * 4e12  # the fifth limit, in FLOPs, given as days
# Bootstrap standard errors of theta = (log A, log B, log E, alpha, beta) for Epoch's 240 runs, and its correlations.
_ERRORS = np.array([0.2549, 0.4250, 0.01485, 0.01521, 0.02077])
_CORRELATIONS = np.array(
    [
        [1, -0.1595, 0.629, 0.9994, -0.1663],
        [-0.1595, 1, 0.6451, -0.1689, 0.9997],
        [0.629, 0.6451, 1, 0.6237, 0.642],
        [0.9994, -0.1689, 0.6237, 1, -0.1761],
        [-0.1663, 0.9997, 0.642, -0.1761, 1],
    ]
)


def draws_of_a_fit(count: int) -> js.Draws:
    """Gaussian draws as the bootstrap of Epoch's runs gives them."""
    instance = js.laws.chinchilla.published["besiroglu_converged"]
    theta = js.laws.chinchilla.theta(instance.params)
    spread = _CORRELATIONS * np.outer(_ERRORS, _ERRORS)
    drawn = np.random.default_rng(0).multivariate_normal(theta, spread, size=count, check_valid="ignore")
    return js.Draws(js.laws.chinchilla, instance.params, theta, drawn, "pairs", 0, 0.9, None, None, "")


def _limits():
    devices, peak, mfu = 4096.0, 989e12, 0.4
    return [LIMITS, js.limits.days(CAP / (devices * peak * mfu * 86400), devices, "h100", mfu=mfu, peak=peak)]


class Rival:
    """One problem as written for SciPy with care: log loss in (log N, log D), gradients by hand, linear limits."""

    rows = np.array([[1, 1], [1, 0], [0, 1], [1, -1], [-1, 1], [1, 1]], float)

    def __init__(self, theta: np.ndarray, log_budget: float):
        self.a, self.b, self.e, self.alpha, self.beta = theta
        low, high = LIMITS["D_per_N"]
        ends = [log_budget - np.log(6), *np.log([LIMITS["N_max"], LIMITS["D_max"], 1 / low, high]), np.log(CAP / 6)]
        self.ends = np.array(ends)
        self.limits = {"type": "ineq", "fun": lambda z: self.ends - self.rows @ z, "jac": lambda z: -self.rows}

    def value_and_slope(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Log loss and its gradient."""
        terms = np.array([self.a - self.alpha * z[0], self.b - self.beta * z[1], self.e])
        top = terms.max()
        shares = np.exp(terms - top)
        total = shares.sum()
        return top + np.log(total), np.array([-self.alpha * shares[0], -self.beta * shares[1]]) / total

    @property
    def guess(self) -> np.ndarray:
        """Where one starts who knows nothing: 20 tokens for each parameter."""
        log_N = 0.5 * (self.ends[0] - np.log(20))
        return np.array([log_N, log_N + np.log(20)])

    def solve(self, start: np.ndarray):
        """SLSQP at a tolerance at which its answers are right."""
        options = {"ftol": 1e-13, "maxiter": 200}
        return minimize(
            self.value_and_slope, start, jac=True, method="SLSQP", constraints=[self.limits], options=options
        )


def many_draws(budgets: int = 1000, draws: int = 4000, sample: int = 400, repeats: int = 3) -> list[Row]:
    """Every draw planned for every budget, five limits; SLSQP on a sample of the same problems, before and after."""
    source, targets = draws_of_a_fit(draws), np.geomspace(1e20, 1e26, budgets)
    count = budgets * draws
    js.frontier(source, targets, limits=_limits())  # compiles what so many plans are made by
    plan = js.frontier(source.law.published["besiroglu_converged"], targets, limits=_limits())
    known = [np.log([row.N, row.D]) for row in plan.rows]
    rng = np.random.default_rng(1)
    problems = [
        (Rival(source.draws[rng.integers(draws)], np.log(targets[k])), known[k])
        for k in rng.integers(budgets, size=sample)
    ]

    def per_plan() -> np.ndarray:
        """Seconds of SLSQP for one, from 20 tokens for each parameter, and from the answer of the published law."""
        marks = [time.process_time()]
        for start in (lambda problem, _: problem.guess, lambda _, answer: answer):
            for problem, answer in problems:
                problem.solve(start(problem, answer))
            marks.append(time.process_time())
        return np.diff(marks) / sample

    rows = []
    for _ in range(repeats):
        before = per_plan()
        begin, cpu = time.perf_counter(), time.process_time()
        whole = js.frontier(source, targets, limits=_limits())
        wall, used = time.perf_counter() - begin, time.process_time() - cpu
        guessed, warm = count * (before + per_plan()) / 2
        good = sum(row.status == "ok" for row in whole.rows)
        outcome = f"{good} of {budgets} budgets ok; {used / count * 1e6:.2f} us of CPU a plan"
        outcome += f"; in CPU time {guessed / used:.0f}x and {warm / used:.0f}x less than SLSQP"
        job = f"{budgets} budgets x {draws} draws, 5 limits"
        rows.append(Row(job, "jaxscale frontier", outcome, wall, None, guessed / wall))
        for name, seconds in (("20 tokens a parameter", guessed), ("a near answer", warm)):
            rows.append(Row(job, f"SLSQP from {name}", f"{seconds / count * 1e6:.0f} us a plan", seconds))
    return rows


def agreement(sample: int = 400, starts: int = 5) -> list[Row]:
    """The same problems one by one: jaxscale's answers against SLSQP's from several starts, and geometric programming's
    if it is there."""
    source, targets = draws_of_a_fit(sample), np.geomspace(1e20, 1e26, 7)
    law = js.laws.chinchilla
    rng = np.random.default_rng(2)
    cvxpy = _cvxpy()
    losses, sizes, programs, seconds, certificates = [], [], [], [], []
    for k, theta in enumerate(source.draws[:sample]):
        budget = float(rng.choice(targets))
        params = dict(zip(law.parameter_names, law.natural(theta).values(), strict=True))
        point = js.Draws(law, params, theta, theta[None], "pairs", 0, 0.9, None, None, "")
        row = js.frontier(point, budget, limits=_limits()).rows[0]
        certificates.append((row.certificate["kkt"], row.certificate["violation"]))
        problem, mine = Rival(theta, np.log(budget)), np.log([row.N, row.D])
        found = [problem.solve(mine + rng.normal(0, 2, 2)) for _ in range(starts)]
        kept = [f for f in found if (problem.ends - problem.rows @ f.x).min() > -1e-10]
        best = min(kept, key=lambda f: f.fun) if kept else problem.solve(mine)
        losses.append(np.log(row.loss) - best.fun)
        sizes.append(abs(mine[0] - best.x[0]))
        if cvxpy is not None and k < 100:
            begin = time.perf_counter()
            programs.append(np.log(row.loss / _geometric_program(cvxpy, params, budget)))
            seconds.append(time.perf_counter() - begin)
    kkt, violation = np.max(certificates, axis=0)
    outcome = f"log loss above theirs by {max(losses):.0e} at most, N* apart by {max(sizes):.0e}"
    outcome += f"; KKT residual {kkt:.0e}, limits kept to {max(violation, 0):.0e}"
    rows = [Row(f"{sample} plans", f"SLSQP from {starts} starts", outcome, 0.0)]
    if programs:
        outcome = f"log loss above theirs by {max(programs):.0e} at most, below by {-min(programs):.0e}"
        rows.append(Row(f"{len(programs)} plans", "CVXPY geometric program", outcome, float(np.mean(seconds))))
    return rows


def _cvxpy():
    try:
        import cvxpy
    except ImportError:
        return None
    return cvxpy


def _geometric_program(cp, params: dict[str, float], budget: float) -> float:
    """Least loss; in units of 1e9 parameters and 1e11 tokens, where the solver is at ease."""
    N, D = cp.Variable(pos=True), cp.Variable(pos=True)
    A, B = params["A"] * 1e9 ** -params["alpha"], params["B"] * 1e11 ** -params["beta"]
    low, high = LIMITS["D_per_N"]
    limits = [min(budget, CAP) >= 6e20 * N * D, LIMITS["N_max"] >= 1e9 * N, LIMITS["D_max"] >= 1e11 * D]
    limits += [low * N / D <= 100, high >= D / N * 100]
    loss = params["E"] + A * N ** -params["alpha"] + B * D ** -params["beta"]
    return cp.Problem(cp.Minimize(loss), limits).solve(gp=True, solver=cp.CLARABEL)


def random_plans(convex: int = 5000, others: int = 5000, seed: int = 20_000) -> list[Row]:
    """Random plans, convex or not, against exact answers: how many are wrong, and whether each conflict is minimal."""
    from random_plans import judge, possible

    from jaxscale._allocation.answers import conflict

    rows = []
    shares = {"plain": convex // 2, "served": convex // 4}
    shares |= dict.fromkeys(("three", "four", "five", "six"), convex // 16)
    shares |= {"repeated": others * 4 // 5, "counted": others // 5}
    with jax.enable_x64(True):
        for kind, count in shares.items():
            begin = time.perf_counter()
            found = judge(kind, count, seed)
            asked = found.asked
            for i, why in list(found.wrong.items())[:5]:
                print(f"  {kind} {i}: {why}", file=sys.stderr)
            infeasible = np.flatnonzero(asked.answers.status == INFEASIBLE)[:100]
            minimal = 0
            for i in infeasible:
                names = conflict(asked.decision, asked.givens[i], asked.answers.blame[i])
                smaller = [[other for other in names if other != name] for name in names]
                minimal += not possible(kind, asked.problems, i, names) and all(
                    possible(kind, asked.problems, i, rest) for rest in smaller
                )
            outcome = f"{len(found.wrong)} wrong; {found.feasible} feasible, {found.flat} flat"
            outcome += "; at worst "
            outcome += ", ".join(f"{name} {value:.0e}" for name, value in found.worst.items())
            outcome += f"; {minimal} of {len(infeasible)} conflicts minimal"
            rows.append(Row(f"{count} random plans", kind, outcome, time.perf_counter() - begin))
    return rows


def compilation() -> list[Row]:
    """Seconds of the first plan of draws under limits, in this process."""
    begin, cpu = time.perf_counter(), time.process_time()
    js.frontier(draws_of_a_fit(16), [1e22, 1e24], limits=_limits())
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    _, run, _ = timed(lambda: js.frontier(draws_of_a_fit(16), [1e22, 1e24], limits=_limits()))
    return [Row("first plan of draws, 5 limits", "jaxscale frontier", f"{used:.1f} s of CPU", run, wall - run)]


def main() -> int:
    """Run all of it, or what is named, and print a line for each."""
    jobs = {"compilation": compilation, "draws": many_draws, "agreement": agreement, "random": random_plans}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("jobs", nargs="*", default=list(jobs), choices=list(jobs))
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    options = parser.parse_args()
    rows = []
    for name in options.jobs:
        for row in jobs[name]():
            rows.append(row)
            compiled = "" if row.compile is None else f", compile {row.compile:.2g} s"
            faster = "" if row.ratio is None else f" | {row.ratio:.0f}x"
            print(f"{row.job} | {row.method} | {row.outcome} | {row.run:.3g} s{compiled}{faster}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
