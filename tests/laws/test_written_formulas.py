"""Laws by a second route: formulas as printed, in natural units and NumPy, and their slopes by finite differences.

Nothing is compiled, so that a law of an algebra that another law is tried in costs little here.
"""

import jax
import numpy as np
import pytest
from helpers import COUNT, LAW_CASES, LawCase, respond


def _chinchilla(p, N, D):
    return p["E"] + p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]


def _bowl(u):
    return np.log(u) + 1 / u - 1


def _shares(p, name, h):
    return sum(p[f"{name}{i + 1}"] * h[..., i] for i in range(3))


def _floor(p, h):
    return 1 / sum(p[f"C{i + 1}"] * h[..., i] ** p[f"gamma{i + 1}"] for i in range(3))


def _powers(p, first, second):
    return p["k"] * first ** p["a"] * second ** p["b"]


def _penalty(p, N, D, U):
    """Of Lovelace et al.: nothing while nothing is repeated."""
    return p["P"] * (np.maximum(D / U, 1) - 1) ** p["delta"] * (N / np.minimum(D, U)) ** p["kappa"]


PF_DAY = 8.64e19

# By the label of a case: the formula of parameters by name and variables.
FORMULAS = {
    "rescaled_optimizer": lambda p, N, D, new: _chinchilla(p, p["rho_N"] ** new * N, p["rho_D"] ** new * D),
    "moonlight_frontier": lambda p, C: p["A"] * (C / PF_DAY) ** -p["alpha"],
    "gemstones": lambda p, width, depth, N, D: (
        p["E"]
        + p["a_w"] / width ** p["alpha_w"]
        + p["a_d"] / depth ** p["alpha_d"]
        + p["a_n"] / N ** p["alpha_n"]
        + p["a_t"] / D ** p["alpha_t"]
    ),
    "bian_shape": lambda p, N, D, width, r: (
        _chinchilla(p, N, D)
        * (1 + p["s_x"] * _bowl(width / np.sqrt(N) / p["x_0"]))
        * (1 + p["s_r"] * _bowl(r / p["r_0"]))
    ),
    "mccandlish_steps": lambda p, B: p["S_min"] * (1 + p["E_min"] / p["S_min"] / B),
    "batch_by_tokens": lambda p, D: p["k"] * D ** p["a"],
    "power_lines_timescale": lambda p, N, D: _powers(p, N, D),
    "ling_leverage": lambda p, A, G, C: (
        (A + p["A_start"]) ** (p["a"] + p["d"] * np.log10(C) + p["gamma"] * np.log2(G) ** 2 + p["beta"] * np.log2(G))
    ),
    "ling_hparams": lambda p, C: p["k"] * C ** p["a"],
    "hunyuan_moe": lambda p, N, D, N_a, G, S: (
        (p["e"] * G + p["f"] / G + p["m"] * S**2 + p["n"] * S)
        * (1 / N ** p["alpha"] + p["k"] / N_a ** p["alpha"] + p["h"] * N_a / N)
        + p["a"] / N ** p["alpha"]
        + p["b"] / D ** p["beta"]
        + p["c"] / N_a ** p["alpha"]
        + p["eps"]
    ),
    "frantar_sparsity": lambda p, N, D, S: (
        (p["a_S"] * (1 - S) ** p["b_S"] + p["c_S"]) / N ** p["b_N"] + (p["a_D"] / D) ** p["b_D"] + p["c"]
    ),
    "xiong_context": lambda p, context: (p["a"] / context) ** p["b"] + p["g"],
    "shen_linear": lambda p, C: p["A"] * (C / PF_DAY) ** -p["alpha"],
    "shen_linear_alloc": lambda p, C: p["k"] * (C / PF_DAY) ** p["a"],
    "zhang_finetuning": lambda p, X, D_F: p["A"] / (X ** p["alpha"] * D_F ** p["beta"]) + p["E"],
    "lin_rectified": lambda p, D_F: p["B"] / (p["D_l"] + D_F ** p["beta"]) + p["E"],
    "loss_to_loss": lambda p, loss: p["K"] * (loss - p["E_1"]) ** p["kappa"] + p["E_2"],
    "diloco": lambda p, N, M: _powers(p, N, M),
    "diloco_hparams": lambda p, N, M: _powers(p, N, M),
    "tan_rl": lambda p, N, C: (p["C_0"] * N ** p["r"] / C) ** (p["k_max"] * N / (N + p["N_0"])),
    "gao_best_of_n": lambda p, KL: np.sqrt(KL) * (p["a"] - p["b"] * np.sqrt(KL)),
    "gao_rl": lambda p, KL: np.sqrt(KL) * (p["a"] - p["b"] * np.log(np.sqrt(KL))),
    "he_multilingual": lambda p, N, D, p_share: _chinchilla(p, N, D) * p_share ** -p["gamma"],
    "chen_qat": lambda p, N, D, G: (
        _chinchilla(p, N, D) + p["k"] * D ** p["gamma_D"] * np.log2(G) ** p["gamma_G"] / N ** p["gamma_N"]
    ),
    "ouyang_ptq": lambda p, N, D, P: p["k"] * D ** p["gamma_D"] / (N ** p["gamma_N"] * P ** p["gamma_P"]),
    "quantised_after-rise=kumar": lambda p, N, D, P: (
        _chinchilla(p, N, D) + p["C_T"] * D ** p["gamma_D"] / N ** p["gamma_N"] * np.exp(-P / p["gamma_post"])
    ),
    "quantised_after-rise=ouyang": lambda p, N, D, P: (
        _chinchilla(p, N, D) + p["k"] * D ** p["gamma_D"] / (N ** p["gamma_N"] * P ** p["gamma_P"])
    ),
    "lovelace_repeated": lambda p, N, D, U: _chinchilla(p, N, D) + _penalty(p, N, D, U),
    "shukor_mixture-domains=3-joint=False": lambda p, N, D, h: _chinchilla(p, N, D) + _floor(p, h),
    "shukor_mixture-domains=3-joint=True": lambda p, N, D, h: (
        p["E"]
        + _floor(p, h)
        + _shares(p, "A", h) ** p["gamma_A"] / N ** p["alpha"]
        + _shares(p, "B", h) ** p["gamma_B"] / D ** p["beta"]
    ),
}
CASES = {case.label: case for case in LAW_CASES}
each_formula = pytest.mark.parametrize("label", FORMULAS)


def test_every_law_that_another_stands_for_has_a_formula():
    assert {case.label for case in LAW_CASES if case.shaped_like} <= set(FORMULAS)


def value_of(case: LawCase, p, runs) -> np.ndarray:
    return FORMULAS[case.label](p, *(runs[v.name] for v in case.law.variables))


@each_formula
def test_formula_as_printed(label):
    case = CASES[label]
    p, runs = case.random_params(COUNT, 41), case.random_variables(COUNT, 42)
    np.testing.assert_allclose(respond(case.law, p, **runs), value_of(case, p, runs), rtol=1e-10)


@pytest.mark.slow
@each_formula
def test_slopes_by_finite_differences_in_both_precisions(label):
    """Of the printed formula at the truth, for one run."""
    case, law = CASES[label], CASES[label].law
    runs = case.random_variables(1, 43)
    theta = law.theta(case.truth)
    logged = law.response.logged

    def printed(theta: np.ndarray) -> float:
        value = value_of(case, law.natural(theta), runs)[0]
        return np.log(value) if logged else value

    steps = 1e-5 * np.eye(len(theta))
    numeric = np.array([(printed(theta + step) - printed(theta - step)) / 2e-5 for step in steps])
    for dtype, tolerance in ((np.float64, 1e-6), (np.float32, 1e-3)):
        logs = [x[0].astype(dtype) for x in case.logs(runs)]
        with jax.enable_x64(dtype == np.float64):
            slopes = jax.grad(lambda theta, logs=logs: law.log_response(theta, logs))(tuple(map(dtype, theta)))
        assert all(x.dtype == dtype for x in slopes)
        np.testing.assert_allclose(np.array(slopes), numeric, rtol=tolerance, atol=tolerance)
