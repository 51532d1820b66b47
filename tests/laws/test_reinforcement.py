"""The sigmoid of reinforcement learning: values of a check, and its gradient at nothing spent."""

import jax
import numpy as np
import pytest
from helpers import as_printed

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


_RL = {"R0": 0.2, "A": 0.61, "C_mid": 2000.0, "B": 1.5}


FORMS = [  # laws that ship without constants, at those of a check
    (laws.scalerl_sigmoid, _RL, {"gpu_hours": 100}, ".204533"),
    (laws.scalerl_sigmoid, _RL, {"gpu_hours": 2000}, ".405"),
    (laws.scalerl_sigmoid, _RL, {"gpu_hours": 1e5}, ".608844"),
    (laws.scalerl_sigmoid, _RL, {"gpu_hours": 0}, ".2"),
]


@pytest.mark.parametrize(("law", "params", "variables", "printed"), FORMS)
def test_form_at_the_constants_of_a_check(law, params, variables, printed):
    assert law.predict(params, **variables) == as_printed(printed)


def test_gradient_where_nothing_is_spent():
    value = jax.jit(jax.value_and_grad(laws.scalerl_sigmoid.log_response, argnums=(0, 1)))
    theta = tuple(laws.scalerl_sigmoid.theta(_RL))
    with jax.enable_x64(True):
        at_zero, gradient = value(theta, (np.float64(0.0),))
        assert float(at_zero) == pytest.approx(0.2)
        assert np.isfinite(np.array(jax.tree.leaves(gradient))).all()
