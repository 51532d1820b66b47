"""What holds for every law: a case, units, direction, values and gradients over the whole range."""

import inspect
from functools import cache

import jax
import numpy as np
import pytest
from helpers import COUNT, LAW_CASES, LawCase, each_law, each_program, respond

from jaxscale import laws

# --- What holds for every law ---


def test_every_law_has_a_case():
    assert {case.law.name for case in LAW_CASES} == set(laws.names())


@each_law
def test_name_and_options_give_the_law_back(case: LawCase):
    assert laws.get(case.law.name, **case.law.options) is case.law


@each_law
def test_everything_is_described(case: LawCase):
    law = case.law
    assert law.formula
    assert all(x.meaning for x in (*law.parameters, law.response))
    assert all(v.meaning for v in law.variables if law.name not in ("power_law", "log_law"))


@pytest.mark.parametrize("case", LAW_CASES, ids=lambda case: case.label)
def test_the_maps_between_values_and_theta_agree(case: LawCase):
    """NumPy, JAX, many at once, and there and back: one map, whichever way it is asked for."""
    law = case.law
    drawn = case.random_params(5, seed=8)
    theta = np.array([law.theta({name: float(values[k]) for name, values in drawn.items()}) for k in range(5)])
    natural = np.stack([drawn[name] for name in law.parameter_names], axis=1)
    np.testing.assert_allclose(law.naturals(theta), natural, rtol=1e-13)
    with jax.enable_x64(True):
        np.testing.assert_allclose(np.stack(law.theta_of(drawn), axis=1), theta, rtol=1e-13, atol=1e-15)
    for k, p in enumerate(law.parameters):
        step = 1e-6
        slope = (p.to_natural(theta[0, k] + step) - p.to_natural(theta[0, k] - step)) / (2 * step)
        assert p.slope(theta[0, k]) == pytest.approx(slope, rel=1e-7)
        assert law.index(p.name) == k


@each_law
def test_units_of_the_table_only_rescale_the_parameters(case: LawCase):
    law, p, variables = case.law, case.random_params(COUNT, 11), case.random_variables(COUNT, 12)
    response = respond(law, p, **variables)
    everything = [v for v in (*law.variables, law.response) if v.unit and not v.fixed_unit]
    declared = {name for parameter in law.parameters for name in parameter.dimension}
    assert declared <= {v.name for v in (*law.variables, law.response)}
    for unit in {v.unit for v in everything}:
        of_unit = [v.name for v in everything if v.unit == unit]
        assert declared & set(of_unit), f"{of_unit} in no parameter's dimension"
        s = 1e-3
        growth = {q.name: sum(q.growth(name, p) for name in of_unit) for q in law.parameters}
        scaled = {name: p[name] * s**power for name, power in growth.items()}
        counted = {k: x * s if k in of_unit else x for k, x in variables.items()}
        expected = response * s if law.response.name in of_unit else response
        np.testing.assert_allclose(respond(law, scaled, **counted), expected, rtol=2e-11)


@each_law
def test_direction(case: LawCase):
    """Losses fall with whatever is spent, the critical batch falls with loss, optima grow with compute."""
    p, variables = case.random_params(COUNT, 13), case.random_variables(COUNT, 14)
    response = respond(case.law, p, **variables)
    for v in case.law.variables:
        x, way = variables[v.name], case.direction(v.name)
        more = x + 0.1 * (1 - x) if v.domain == "unit" else x + 0.1 * np.abs(x)
        change = way * (respond(case.law, p, **{**variables, v.name: more}) - response)
        assert np.isfinite(change).all()
        if way:
            assert np.all(change >= -1e-14 * np.abs(response)), v.name  # rounding of an implicit equation
            assert np.mean(change > 0) > case.felt  # the rest are terms that the other variable's drowns


@cache
def with_slopes(law: laws.Law):
    """The law at many runs, with its slopes in theta and logs: one program for all that asks about as many."""
    return jax.jit(jax.vmap(jax.value_and_grad(law.log_response, argnums=(0, 1)), in_axes=(None, 0)))


def corners_of(case: LawCase) -> dict[str, np.ndarray]:
    return case.corners(9 if len(case.law.variables) < 4 else 5)


@each_program
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_values_and_gradients_over_the_whole_range(case: LawCase, dtype):
    law, corners = case.law, corners_of(case)
    logs = tuple(x.astype(dtype) for x in case.logs(corners))
    theta = tuple(dtype(t) for t in law.theta(case.truth))
    with jax.enable_x64(dtype == np.float64):
        value, gradient = with_slopes(law)(theta, logs)
        assert value.dtype == dtype
    for x in jax.tree.leaves((value, gradient)):
        assert np.isfinite(x).all()
    natural = {
        v.name: np.exp(x, dtype=np.float64) if v.domain == "positive" else x
        for v, x in zip(law.variables, logs, strict=True)
    }
    exact = law.predict(case.truth, **natural)
    exact = np.log(exact) if law.response.domain == "positive" else exact
    np.testing.assert_allclose(value, exact, rtol=1e-4 if dtype == np.float32 else 1e-11, atol=1e-5)


@each_program
def test_gradient_against_finite_differences(case: LawCase):
    law, count = case.law, len(next(iter(corners_of(case).values())))
    logs, theta = case.logs(case.random_variables(count, 15)), law.theta(case.truth)
    with jax.enable_x64(True):
        at = with_slopes(law)
        _, (gradient, _) = at(tuple(theta), logs)
        for k, ours in enumerate(gradient):
            step = 1e-5 * np.eye(len(theta))[k]
            numeric = (at(tuple(theta + step), logs)[0] - at(tuple(theta - step), logs)[0]) / 2e-5
            np.testing.assert_allclose(ours, numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", laws.names())
def test_published_constants_are_well_formed(name):
    law = laws.get(name)
    assert law.formula and law.serves.endswith(".") and not law.seen_to.endswith(".")
    case = next(case for case in LAW_CASES if case.law.name == name)
    for label, constants in law.constants.items():
        assert constants.source, label
        assert constants.params, label
        assert set(constants.params) | set(constants.standard_errors) <= set(law.parameter_names), label
        assert constants.status == "verified" or constants.note, label
        instance = laws.instance(f"{name}:{label}")
        assert instance.label == f"{name}:{label}"
        if len(constants.params) == len(law.parameter_names):
            law.theta(constants.params)
            response = respond(law, instance.params, **case.random_variables(20, 16))
            assert np.isfinite(response).all()
            assert law.response.domain != "positive" or np.all(response > 0)


def test_closed_forms_say_what_they_are():
    for name in laws.names():
        for form, function in laws.get(name).closed_forms.items():
            assert next(iter(inspect.signature(function).parameters)) == "params", form
            assert inspect.getdoc(function), f"{name}: {form}"


# --- Published figures ---


@pytest.mark.slow
def test_forms_ship_no_constants():
    forms = (
        "aghajanyan_mixed goyal_filtering ye_mixing brown_passk busbridge_distill scalerl_sigmoid "
        "task_accuracy llama3_task_loss llama3_two_step bhagia_two_step bhagia_one_step rescaled_optimizer bian_shape "
        "mccandlish_steps zhang_finetuning lin_rectified loss_to_loss tan_rl gao_best_of_n gao_rl he_multilingual "
        "shukor_mixture"
    )
    for name in forms.split():
        assert not laws.get(name).constants, name
        assert "Form only" in laws.get(name).note, name
