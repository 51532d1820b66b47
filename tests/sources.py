"""What plans are made from in tests: published constants with the bootstrap covariance of the runs behind them."""

from types import SimpleNamespace

import numpy as np

from jaxscale.laws import chinchilla

BESIROGLU = chinchilla.published["besiroglu_converged"]
# Bootstrap covariance of theta = (log A, log B, log E, alpha, beta) for the 240 runs behind these constants.
COVARIANCE = np.array(
    [
        [0.06498446, -0.01728303, 0.00238120, 0.00387541, -0.00088033],
        [-0.01728303, 0.18058909, 0.00407068, -0.00109151, 0.00882244],
        [0.00238120, 0.00407068, 0.00022052, 0.00014087, 0.00019802],
        [0.00387541, -0.00109151, 0.00014087, 0.00023141, -0.00005562],
        [-0.00088033, 0.00882244, 0.00019802, -0.00005562, 0.00043129],
    ]
)


def fit_like(covariance=COVARIANCE, names=chinchilla.parameter_names, **more):
    """A source that carries what a fit does."""
    carried = SimpleNamespace(names=names, matrix=covariance, method="bootstrap")
    return SimpleNamespace(law=chinchilla, params=BESIROGLU.params, covariance=carried, **more)


def draws_like(count, covariance=COVARIANCE, seed=0, **more):
    """Gaussian draws of theta around the constants."""
    rng = np.random.default_rng(seed)
    draws = rng.multivariate_normal(chinchilla.theta(BESIROGLU.params), covariance, size=count, check_valid="ignore")
    return SimpleNamespace(law=chinchilla, params=BESIROGLU.params, draws=draws, **more)
