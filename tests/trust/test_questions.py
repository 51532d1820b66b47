"""Questions that wait for robust fits: answered in their order, whatever each needs on its way."""

import numpy as np

from jaxscale._trust.questions import answered, together
from jaxscale._trust.robust_fits import Asked, robust_fits

rng = np.random.default_rng(2)
COLUMNS, VALUES, WEIGHTS = rng.standard_normal((30, 2)), rng.standard_normal(30), np.ones(30)


def question(rounds: int, each: int):
    """The sum of the coefficients of fits that go on from what the round before left."""
    total, left = 0.0, VALUES
    for _ in range(rounds):
        fits = yield [Asked(COLUMNS, left + k, WEIGHTS) for k in range(each)]
        assert len(fits) == each
        total += sum(float(fit.found.sum()) for fit in fits)
        left = fits[0].left if fits else left
    return total


def alone(rounds: int, each: int) -> float:
    """The same, one fit after another."""
    total, left = 0.0, VALUES
    for _ in range(rounds):
        fits = [robust_fits(COLUMNS, left + k, WEIGHTS) for k in range(each)]
        total += sum(float(fit.found.sum()) for fit in fits)
        left = fits[0].left if fits else left
    return total


def test_each_question_is_answered_as_if_it_were_the_only_one():
    asked = [(2, 1), (0, 1), (3, 2), (1, 0), (1, 3)]
    np.testing.assert_allclose(together(question(*a) for a in asked), [alone(*a) for a in asked], rtol=1e-9, atol=1e-12)
    assert answered(question(0, 1)) == 0.0 and together([]) == []
