"""Students and their teachers: published figures and reductions."""

import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, random_params, respond, sizes_and_tokens, true_params

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("busbridge_supervised:busbridge", {"N": 1e9, "D": 2e10}, "2.374692"),
    ("busbridge_supervised:busbridge", {"N": 7e9, "D": 1.4e11}, "2.018810"),
    ("busbridge_supervised:busbridge", {"N": 5.46e8, "D": 1.09e10}, "2.515165"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


FORMS = [  # laws that ship without constants, at those of a check
    (laws.busbridge_distill, true_params("busbridge_distill"), {"N": 1e9, "D": 2e10, "teacher": 2.0}, "2.276809"),
    (laws.busbridge_distill, true_params("busbridge_distill"), {"N": 1e9, "D": 2e10, "teacher": 2.2}, "2.316951"),
    (laws.busbridge_distill, true_params("busbridge_distill"), {"N": 1e9, "D": 2e10, "teacher": 2.5}, "2.504816"),
]


@pytest.mark.parametrize(("law", "params", "variables", "printed"), FORMS)
def test_form_at_the_constants_of_a_check(law, params, variables, printed):
    assert law.predict(params, **variables) == as_printed(printed)


# --- Reductions ---


def test_supervised_is_skaling_and_chinchilla():
    p, (N, D) = random_params("busbridge_supervised"), sizes_and_tokens(34).values()
    skaling = {"k" if name == "gamma" else name: value for name, value in p.items()}
    ours = respond("busbridge_supervised", p, N=N, D=D)
    np.testing.assert_allclose(ours, respond("skaling", skaling, N=N, D=D), rtol=1e-13)
    plain = respond("busbridge_supervised", p | {"gamma": np.ones(COUNT)}, N=N, D=D)
    bare = {name: p[name] for name in laws.chinchilla.parameter_names}
    np.testing.assert_allclose(plain, respond("chinchilla", bare, N=N, D=D), rtol=1e-13)


def test_supervised_allocation_is_the_optimum():
    p = random_params("busbridge_supervised")
    C = 10 ** np.random.default_rng(35).uniform(16, 28, COUNT)
    best = closed("busbridge_supervised", "allocation", p, C)
    np.testing.assert_allclose(6 * best.N * best.D, C, rtol=1e-12)
    least = respond("busbridge_supervised", p, N=best.N, D=best.D)
    for factor in (0.95, 1.05):
        assert np.all(respond("busbridge_supervised", p, N=factor * best.N, D=best.D / factor) > least)


def test_a_student_of_a_teacher_far_better_than_itself():
    """L_T (L_s d1)^-1 -> 0: the factor in parentheses is 1."""
    p, (N, D) = random_params("busbridge_distill"), sizes_and_tokens(36).values()
    p |= {"f1": np.full(COUNT, 0.02), "d1": np.full(COUNT, 50.0)}
    teacher = np.random.default_rng(37).uniform(1.0, 1.2, COUNT)
    terms = (p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]) ** p["gamma"]
    expected = teacher + teacher ** -p["c0"] * terms
    np.testing.assert_allclose(respond("busbridge_distill", p, N=N, D=D, teacher=teacher), expected, rtol=1e-12)


def test_a_stronger_teacher_may_teach_worse():
    """The capacity gap: the student's loss has its least at a teacher between the best and the worst."""
    p = true_params("busbridge_distill") | {"c1": 2.0}
    losses = laws.busbridge_distill.predict(p, N=1e8, D=1e11, teacher=np.geomspace(1.3, 6, 200))
    assert 0 < np.argmin(losses) < 199
