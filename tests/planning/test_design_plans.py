"""Plans that choose a design beside N and D: experts and their granularity, shared experts, bits of weights."""

import numpy as np
import pytest

import jaxscale as js
from jaxscale import costs, limits

HUNYUAN = js.laws.hunyuan_moe.published["hunyuan"]
KUMAR = js.laws.kumar_precision_train().published["kumar"]
IN_FULL = {"P_a": 16, "P_kv": 16}
SERVED = costs.six_nd + costs.inference(2e12, bits="P_w")


@pytest.fixture(scope="module")
def experts():
    """Within FLOPs of what a token passes through, and memory for all experts; other limits are wide."""
    return within({"S_max": 1.0, "N_a_per_N": (1e-6, 1)}, budgets=[1e22, 1e24])


def within(more, budgets) -> js.Plan:
    """One program: numbers of limits are data."""
    return js.frontier(HUNYUAN, budgets=budgets, cost=costs.moe(), limits=[limits.memory(640e9), more])


@pytest.mark.slow
def test_experts_granularity_and_sharing_have_their_closed_forms(experts):
    forms = js.laws.hunyuan_moe.closed_forms
    for row in experts.rows:
        assert row.status == "ok"
        np.testing.assert_allclose(row.N, 320e9, rtol=1e-9)
        assert row.variables["G"] == pytest.approx(float(forms["best_granularity"](HUNYUAN.params)), rel=1e-6)
        assert row.variables["S"] == pytest.approx(float(forms["best_shared"](HUNYUAN.params)), rel=1e-6)
        assert row.variables["N_a"] < row.N
    assert {"G", "S", "N_a"} <= set(experts.rows[0].sensitivities)
    assert "S" in str(experts)


@pytest.mark.slow
def test_no_design_on_a_dense_grid_is_better(experts):
    """Over N, active parameters, granularity and shared experts; D is what the budget leaves."""
    for row in experts.rows:
        sizes = np.geomspace(1e9, 320e9, 9)
        active, parts, shared = np.geomspace(1e8, 320e9, 120), np.geomspace(1, 64, 24), np.linspace(0, 1, 20)
        N, N_a, G, S = (v.ravel() for v in np.meshgrid(sizes, active, parts, shared, indexing="ij"))
        some = N_a <= N
        found = HUNYUAN.predict(N=N[some], D=row.budget / 6 / N_a[some], N_a=N_a[some], G=G[some], S=S[some])
        assert row.loss <= found.min() < row.loss * 1.001


@pytest.mark.slow
def test_a_limit_on_experts_shared_binds_where_it_must():
    held = within({"S_max": 0.1, "N_a_per_N": (0.2, 1)}, budgets=[1e22])
    row = held.rows[0]
    assert row.status == "ok"
    assert row.variables["S"] == pytest.approx(0.1, rel=1e-9)
    assert row.variables["N_a"] / row.N >= 0.2 * (1 - 1e-9)
    assert row.shadow_price["S_max"].value < 0


# A memory that holds every model, and one that does not: one program, since numbers of limits are data.
AMPLE = 1e15
each_memory = pytest.mark.parametrize("memory", [AMPLE, 5e9])


@pytest.mark.slow
@each_memory
def test_bits_of_weights_are_those_of_a_scan(memory):
    """Training in the bits that are served: fewer bits cost less to serve and take less memory, and cost loss."""
    asked = {"limits": limits.memory(memory, bits="P_w")}
    row = js.frontier(KUMAR, budgets=[1e22], cost=SERVED, fixed=IN_FULL, **asked).rows[0]
    best_of_a_scan(row, "P_w", lambda **at: KUMAR.predict(**at, **IN_FULL), memory)
    if memory == AMPLE:
        return
    held = js.frontier(KUMAR, budgets=[1e22], cost=SERVED, fixed={**IN_FULL, "P_w": row.variables["P_w"]}, **asked)
    assert row.loss == pytest.approx(held.rows[0].loss, rel=1e-9)
    for bits in row.variables["P_w"] * np.array([0.5, 0.9, 1.1, 2.0]):
        assert row.loss < js.what_if(held, set={"P_w": float(bits)}).after.rows[0].loss


def best_of_a_scan(row, name, loss_of, memory):
    """Against the best size at each of 57 numbers of bits; D is what the budget leaves."""
    assert row.status == "ok"
    losses = {}
    for bits in np.linspace(2, 16, 57):
        N = np.geomspace(1e8, min(1e11, memory * 8 / bits), 4000)
        D = (1e22 - 2 * N * 2e12 * bits / 16) / (6 * N)
        losses[bits] = loss_of(N=N[D > 0], D=D[D > 0], **{name: bits}).min()
    best = min(losses, key=lambda b: losses[b])
    assert losses[best] * (1 - 1e-4) < row.loss <= losses[best] * (1 + 1e-9)
    assert abs(row.variables[name] - best) <= 0.25
    assert row.N * row.variables[name] / 8 <= memory * (1 + 1e-9)


@pytest.mark.slow
@each_memory
def test_bits_after_training_are_those_of_a_scan(memory):
    """Trained in 16 bits and served in P: against the best size and tokens at each of 57 numbers of bits."""
    served = costs.six_nd + costs.inference(2e12, bits="P")
    held = limits.memory(memory, bits="P")
    law = js.laws.quantised_after().published["kumar"]
    best_of_a_scan(js.frontier(law, budgets=[1e22], cost=served, limits=held).rows[0], "P", law.predict, memory)


def test_bits_of_serving_count_as_they_are_told():
    plain, in_bits = costs.inference(1e12), costs.inference(1e12, bits="P")
    for bits in (2.0, 4.0, 8.0, 16.0):
        np.testing.assert_allclose(in_bits.compute(7e9, bits), plain.compute(7e9) * bits / 16, rtol=1e-5)
    assert costs.six_nd.with_inference(1e12, bits="P").variables == ("N", "D", "P")
    assert costs.moe().variables == ("N_a", "D")
    assert all("log_P" in make(1.0, bits="P").arguments for make in (limits.memory, limits.latency))
