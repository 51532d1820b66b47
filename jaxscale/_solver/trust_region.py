"""A slow and careful way down from one start: a trust region whose steps come from orthogonal factors."""

import jax.numpy as jnp
import numpy as np

from jaxscale._problem.problem import Problem
from jaxscale._problem.slopes import slopes_of
from jaxscale._problem.stack import Stack

_MOST_STEPS = 3000
_TOLERANCE = 1e-15


def descend(problem: Problem, start: np.ndarray) -> np.ndarray:
    """Where a trust region leads from free values (free,); the start itself where it leads nowhere. Call under float64.

    `damped_newton` solves normal equations, which square the condition number, and its first step may leap to where the
    law is flat. This one (Branch, Coleman & Li 1999, SIAM J. Sci. Comput. 21, in SciPy, scaled as by Moré 1978) does
    neither, and takes hundreds of steps, one after the other. The misfit of each run is taken as half the square of its
    root, so that any objective of one stage is a sum of squares; priors are further runs.
    """
    from scipy.optimize import least_squares  # a tenth of a second that few fits need

    stack, prior = Stack.of([problem]), problem.loss.prior
    weights = problem.points.weights[: problem.count]

    def at(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals whose squares are twice the objective, and their slopes."""
        residuals, jacobian = (x[0, : problem.count] for x in slopes_of(stack, free[None])[:2])
        found = problem.loss.misfit(jnp.asarray(residuals), jnp.asarray(weights))
        misfit, psi, inner = (np.asarray(x) for x in found)
        off = np.sign(residuals) * np.sqrt(2 * misfit)
        slope = np.where(off != 0, psi / np.where(off != 0, off, 1.0), np.sqrt(inner))
        rows = slope[:, None] * jacobian
        if prior is not None:
            root = np.sqrt(prior.weight)
            off, rows = np.append(off, root * (free - prior.centre)), np.vstack([rows, np.diag(root)])
        return off, rows

    try:
        with np.errstate(all="ignore"):  # trials may overflow
            return least_squares(
                lambda free: at(free)[0],
                start,
                lambda free: at(free)[1],
                bounds=(problem.lower, problem.upper),
                x_scale="jac",
                xtol=_TOLERANCE,
                ftol=_TOLERANCE,
                gtol=_TOLERANCE,
                max_nfev=_MOST_STEPS,
            ).x
    except (ValueError, np.linalg.LinAlgError):  # the law or its slopes are not finite there
        return start
