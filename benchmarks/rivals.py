"""What people would use instead of jaxscale for a Chinchilla fit, each as they would write it with care."""

import numpy as np
from scipy.optimize import least_squares, minimize

DELTA = 1e-3


class Misfit:
    """Sum of Huber(1e-3) on log residuals of the Chinchilla law, in NumPy; theta = (a, b, e, alpha, beta)."""

    def __init__(self, size, tokens, loss, weights=None):
        self.log_n, self.log_d, self.log_loss = np.log(size), np.log(tokens), np.log(loss)
        self.weights = np.ones(len(loss)) if weights is None else weights

    def _parts(self, theta):
        a, b, e, alpha, beta = theta
        terms = np.stack([a - alpha * self.log_n, b - beta * self.log_d, np.full_like(self.log_n, e)])
        top = terms.max(axis=0)
        shares = np.exp(terms - top)
        total = shares.sum(axis=0)
        a, b, e = shares / total
        return top + np.log(total) - self.log_loss, (a, b, e, -a * self.log_n, -b * self.log_d)

    def value(self, theta):
        """The objective alone, for solvers that difference it."""
        residual, _ = self._parts(theta)
        clipped = np.clip(residual, -DELTA, DELTA)
        return float(np.sum(self.weights * clipped * (residual - 0.5 * clipped)))

    def value_and_gradient(self, theta):
        """The objective and its analytic gradient."""
        residual, slopes = self._parts(theta)
        clipped = np.clip(residual, -DELTA, DELTA)
        psi = self.weights * clipped
        return float(np.sum(psi * (residual - 0.5 * clipped))), np.array([column @ psi for column in slopes])

    def residual(self, theta):
        """Log predicted - log observed, (n_runs,)."""
        return self._parts(theta)[0]


class OwnMisfit(Misfit):
    """The same sum for another law: `log_and_slopes(exp(theta), variables)` gives log loss and its slopes by theta."""

    def __init__(self, log_and_slopes, variables, loss, weights):
        self.law, self.variables, self.log_loss, self.weights = log_and_slopes, variables, np.log(loss), weights

    def _parts(self, theta):
        log_predicted, slopes = self.law(np.exp(theta), self.variables)
        return log_predicted - self.log_loss, slopes


def scipy_tight(misfit, start):
    """L-BFGS-B with the analytic gradient and tolerances at rounding."""
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000, "maxfun": 5000}
    return minimize(misfit.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).fun


def scipy_bfgs(misfit, start):
    """BFGS with the analytic gradient, to the loosest power of ten at which refits of resampled sets from the optimum
    of all runs end within 1e-9 of the least objective that is known: at 1e-7 4 of 240 end above, by default 111."""
    options = {"gtol": 1e-8, "maxiter": 2000}
    return minimize(misfit.value_and_gradient, start, jac=True, method="BFGS", options=options).fun


def scipy_defaults(misfit, start):
    """L-BFGS-B with differences for a gradient and default tolerances: the recipe of the published notebooks."""
    return minimize(misfit.value, start, method="L-BFGS-B").fun


def scipy_least_squares(misfit, start):
    """`least_squares` with its Huber loss; it minimises the same sum."""
    found = least_squares(misfit.residual, start, loss="huber", f_scale=DELTA, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return misfit.value(found.x)


GOOD_STARTS = np.array([
    (5.0, 5.0, 0.5, 0.3, 0.3),
    (6.0, 7.0, 0.5, 0.35, 0.35),
    (8.0, 8.0, 0.5, 0.45, 0.4),
    (4.0, 9.0, 0.3, 0.25, 0.45),
])  # fmt: skip


def optimistix_lm(misfit, starts):
    """Objectives that optimistix's Levenberg-Marquardt reaches from all starts at once, on residuals whose squares sum
    to the objective."""
    import jax
    import jax.numpy as jnp
    import optimistix as optx

    with jax.enable_x64(True):
        log_n, log_d, log_loss, weights = map(
            jnp.asarray, (misfit.log_n, misfit.log_d, misfit.log_loss, misfit.weights)
        )

        def residual(theta, _):
            a, b, e, alpha, beta = theta
            terms = jnp.stack([a - alpha * log_n, b - beta * log_d, e + 0 * log_n])
            r = jax.nn.logsumexp(terms, axis=0) - log_loss
            size = jnp.maximum(jnp.abs(r), 1e-300)
            huber = jnp.where(size <= DELTA, 0.5 * size**2, DELTA * (size - 0.5 * DELTA))
            return jnp.sign(r) * jnp.sqrt(2 * weights * huber)

        def solve(start):
            solver = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-14)
            return optx.least_squares(residual, solver, start, max_steps=500, throw=False).value

        found = jax.jit(jax.vmap(solve))(jnp.asarray(starts))
    return np.array([misfit.value(theta) for theta in np.asarray(found)])
