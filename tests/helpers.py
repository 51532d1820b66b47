"""What several test files share: one list of laws with a truth each, laws at many points, and printed figures."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from jaxscale import Runs, laws, synthetic
from jaxscale._base.store import FOUND

ROOT = Path(__file__).resolve().parents[1]


def run_python(*arguments: str, folder: Path) -> str:
    """Standard output of a fresh Python process that sees this checkout."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@dataclass(frozen=True)
class LawCase:
    """A law with true parameters and the range of each variable in which its runs lie.

    ranges        smallest and largest value; of a vector, an array with an example in each row
    identifiable  false where runs of those variables cannot determine every parameter
    grows         how the response moves with a variable: -1 falls, 1 grows, 0 may do both. Where nothing is said,
                  optima grow and all else falls
    felt          least share of random runs in which a variable changes the response at all
    alike         groups of parameters that may change places: their values in any order are the same law
    fixed         parameters that are told to a fit, since such runs say too little about them
    starts        how many are finished where "auto", which begins with the same ones, would take a minute over starts
                  that stop short
    shaped_like   the name of a law of the same algebra, whose programs stand for this one's: it is evaluated, but what
                  compiles (slopes, fits, plans) is tried with the other
    """

    law: laws.Law
    truth: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float] | np.ndarray]
    identifiable: bool = True
    grows: Mapping[str, int] = field(default_factory=dict)
    felt: float = 0.9
    alike: tuple[tuple[str, ...], ...] = ()
    fixed: tuple[str, ...] = ()
    starts: int | str = "auto"
    shaped_like: str = ""

    @property
    def label(self) -> str:
        return "-".join((self.law.name, *(f"{k}={v}" for k, v in self.law.options.items())))

    def direction(self, variable: str) -> int:
        """How the response moves with a variable, see `grows`."""
        return self.grows.get(variable, 1 if self.law.response.name == "optimum" else -1)

    def random_params(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """`count` parameter sets around the truth, each parameter off by about a fifth."""
        rng = np.random.default_rng(seed)
        factors = {name: np.exp(0.2 * rng.standard_normal(count)) for name in self.truth}
        for p in self.law.parameters:
            if p.transform == "logit":  # the odds are off, so that the value stays between 0 and 1
                factors[p.name] /= 1 + self.truth[p.name] * (factors[p.name] - 1)
        return {name: value * factors[name] for name, value in self.truth.items()}

    def random_variables(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """`count` runs, spread evenly in the logs of those variables that the law logs."""
        rng = np.random.default_rng(seed)
        runs = {}
        for v in self.law.variables:
            range_ = self.ranges[v.name]
            if isinstance(range_, np.ndarray):
                runs[v.name] = range_[rng.integers(len(range_), size=count)]
            else:
                runs[v.name] = _unlogged(v, rng.uniform(*_logged(v, np.array(range_)), count))
        return runs

    def corners(self, count: int = 9) -> dict[str, np.ndarray]:
        """Runs on a grid of `count` values of each variable from one end of its range to the other."""
        axes = [
            np.arange(len(self.ranges[v.name]))
            if isinstance(self.ranges[v.name], np.ndarray)
            else np.linspace(*_logged(v, np.array(self.ranges[v.name])), count)
            for v in self.law.variables
        ]
        runs = {}
        for v, x in zip(self.law.variables, np.meshgrid(*axes), strict=True):
            range_ = self.ranges[v.name]
            runs[v.name] = range_[x.ravel()] if isinstance(range_, np.ndarray) else _unlogged(v, x.ravel())
        return runs

    def logs(self, variables: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Variables as the law's function takes them, in its order."""
        return tuple(_logged(v, variables[v.name]) for v in self.law.variables)


def _logged(variable: laws.Variable, x: np.ndarray) -> np.ndarray:
    return np.log(x) if variable.domain == "positive" else x


def _unlogged(variable: laws.Variable, x: np.ndarray) -> np.ndarray:
    return np.exp(x) if variable.domain == "positive" else x


def _schedules() -> np.ndarray:
    """Learning rates of runs of up to 60 steps, a run in each row, zeros after its end."""
    done = np.linspace(0, 1, 50)
    warmup = np.linspace(0.1, 1, 10)
    runs = [
        np.ones(50),
        0.55 + 0.45 * np.cos(np.pi * done),
        0.5 * (1 + np.cos(np.pi * done)),
        np.where(done < 0.5, 1.0, 0.3),
        np.where(done < 0.4, 1 - done, np.where(done < 0.7, 1.0, 0.2)),  # it rises again
        np.concatenate([1 - done[:25], np.zeros(25)]),  # it stops half way
        *(np.interp(done, (start, 1), (1, end)) for start in (0.1, 0.5, 0.8) for end in (0.05, 0.3, 0.6)),
    ]
    return np.array([peak * np.concatenate([warmup, run]) for run in runs for peak in (3e-4, 1e-3)])


_N, _D, _C, _S, _LOSS = (1e3, 1e15), (1e6, 1e16), (1e10, 1e31), (1e2, 1e8), (0.5, 20.0)
_BITS = (1.0, 16.0)
SCHEDULES = _schedules()


def _published(
    label: str,
    *,
    identifiable: bool = True,
    grows: Mapping[str, int] | None = None,
    felt: float = 0.9,
    shaped_like: str = "",
    **ranges: tuple[float, float] | np.ndarray,
) -> LawCase:
    instance = laws.instance(label)
    return LawCase(instance.law, instance.params, ranges, identifiable, grows or {}, felt, shaped_like=shaped_like)


_MIXTURES = np.random.default_rng(21).dirichlet((1.0, 1.0, 1.0), 40)
_FLOORS = {"C1": 2.0, "C2": 1.0, "C3": 0.5, "gamma1": 0.4, "gamma2": 0.6, "gamma3": 0.3}
_ENDS = {"chance": 0.25, "ceiling": 0.9}
_MIXED = {
    **{"E_i": 1.8, "A_i": 480.0, "B_i": 2000.0, "alpha_i": 0.35, "beta_i": 0.37},
    **{"E_j": 2.5, "A_j": 90.0, "B_j": 700.0, "alpha_j": 0.25, "beta_j": 0.3},
    **{"C_ij": 0.1, "A_ij": 20.0, "B_ij": 30.0, "alpha_ij": 0.3, "beta_ij": 0.2},
}
# What is quoted as published; unverified, so the law ships without it.
_STUDENT = {
    **{"A": 2243.0, "B": 24181.0, "alpha": 0.321, "beta": 0.637, "gamma": 0.764},
    **{"c0": 2.549, "c1": 522.61, "f1": 0.09, "d1": 1.315},
    **{f"{k}_s": v for k, v in laws.instance("busbridge_supervised:busbridge").params.items()},
}


LAW_CASES: tuple[LawCase, ...] = (
    _published("chinchilla:besiroglu", N=_N, D=_D),
    _published("pearce_song:besiroglu", N=_N, D=_D),
    _published("chinchilla_a1:N", C=_C),
    _published("chinchilla_a2:D", C=_C),
    _published("porian_alloc:tuned", C=_C),
    _published("kaplan_n:kaplan", N=_N),
    _published("kaplan_d:kaplan", D=_D),
    _published("kaplan_c:kaplan", C=_C),
    _published("kaplan_cmin:kaplan", C=_C),
    _published("kaplan_nd:kaplan", N=_N, D=_D),
    _published("kaplan_ns:kaplan", N=_N, S_min=_S),
    _published("kaplan_bcrit:kaplan", loss=_LOSS),
    _published("kaplan_alloc:N", C=_C),
    _published("kaplan_frontier:kaplan", identifiable=False, C=_C),
    LawCase(laws.power_law(), {"A": 300.0, "E": 1.7, "alpha": 0.34}, {"N": _N}),
    LawCase(laws.power_law("C", floor=False), {"A": 30.0, "alpha": 0.05}, {"C": _C}),
    LawCase(laws.log_law(), {"a": -15.0, "b": 1.5}, {"N": _N}, grows={"N": 1}),
    _published("muennighoff:muennighoff_c4", N=_N, D=_D, U=_D, felt=0.2),
    LawCase(
        laws.lovelace_repeated,
        laws.instance("chinchilla:besiroglu").params | {"P": 0.02, "delta": 1.2, "kappa": 0.6},
        {"N": _N, "D": _D, "U": _D},
        grows={"N": 0, "D": 0},
        felt=0.2,
    ),
    _published("gadre_overtrain:c4", N=_N, D=_D),
    _published("llama3_dopt:figure", C=_C),
    _published("deepseek_alloc:M", C=_C),
    _published("deepseek_hparams:B", C=_C),
    _published("step_law:lr", N=_N, D=_D, grows={"N": -1}),
    _published("porian_hparams:B", N=_N),
    _published("minicpm:tokens_per_param", C=_C),
    _published("clark_routed:s_base", grows={"E": 0}, N=_N, E=(1.0, 512.0)),
    _published("krajewski_granularity:moe", N=_N, D=_D, G=(1.0, 64.0)),
    _published("abnar_sparsity:abnar", N=_N, D=_D, S=(0.0, 0.98), grows={"S": 0}),
    _published("ludziejewski_joint_moe:ludziejewski", N=_N, D=_D, E=(1.0, 1024.0), grows={"E": 0}),
    _published("kumar_precision_train:kumar", N=_N, D=_D, P_w=_BITS, P_a=_BITS, P_kv=_BITS, felt=0.7),
    _published("kumar_ptq:kumar", N=_N, D=_D, P=_BITS, grows={"D": 1}),
    LawCase(laws.bnsl(0), {"a": 0.5, "b": 10.0, "c0": 0.3}, {"D": _D}),
    LawCase(
        laws.bnsl(2, "C"),
        {"a": 0.1, "b": 4660.0, "c0": 0.05, "c1": 0.1, "d1": 3e14, "f1": 1.1, "c2": 0.2, "d2": 2e20, "f2": 0.5},
        {"C": _C},
        alike=(("c1", "d1", "f1"), ("c2", "d2", "f2")),
    ),
    LawCase(laws.alabdulmohsin_m1(), {"beta": 10.0, "c": -0.2}, {"D": _D}),
    LawCase(laws.alabdulmohsin_m2(), {"beta": 10.0, "c": -0.2, "eps_inf": 0.1}, {"D": _D}),
    LawCase(laws.alabdulmohsin_m3("C"), {"beta": 10.0, "c": -0.2, "x_s": 1e23}, {"C": _C}),
    LawCase(
        laws.alabdulmohsin_m4("N"),
        {"beta": 100.0, "c": -0.5, "eps_inf": 0.1, "eps_0": 3.0, "alpha": 0.7},
        {"N": (1e-6, 1e15)},
    ),
    LawCase(
        laws.tissue_annealing,
        {"L0": 2.4, "A": 0.65, "alpha": 0.43, "C": 50.0, "lam": 0.95},
        {"lr": SCHEDULES},
        grows={"lr": 0},
    ),
    LawCase(
        laws.multi_power_law,
        laws.instance("multi_power_law:400m").params | {"B": 1500.0},  # short runs show less of the gain
        {"lr": SCHEDULES},
        grows={"lr": 0},
        starts=8,
    ),
    LawCase(
        laws.farseer,
        {"a1": 0.05, "g1": 0.05, "b1": -1.3, "a2": 10.0, "g2": -0.1, "b2": 5.0, "a3": 3.0, "g3": -0.1, "b3": 0.4},
        {"N": _N, "D": _D},
    ),
    LawCase(
        laws.skaling,
        {"E": 1.22, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "k": 0.452},
        {"N": _N, "D": _D},
    ),
    _published("hernandez_transfer:text_to_python", grows={"D_F": 1, "N": 1}, D_F=(1e3, 1e12), N=_N),
    _published("henighan:image_8x8", N=_N),
    _published("henighan_c:math", C=_C),
    _published("henighan_text:language", N=_N),
    _published("henighan_text_c:language", C=_C),
    _published("henighan_alloc:language", C=_C),
    LawCase(laws.aghajanyan_mixed, _MIXED, {"N": _N, "D_i": _D, "D_j": _D}, identifiable=False, felt=0.7),
    _published("zhai_vit:imagenet_10shot", core_days=(0.0, 20.0)),
    LawCase(laws.cherti_clip, {"beta": 1.5, "alpha": -0.11}, {"C": (1e17, 1e25)}),
    LawCase(laws.domain_alloc, {"k": 0.1, "a": 0.5}, {"C": _C}),
    LawCase(
        laws.goyal_filtering(),
        {"a": 1.0, "b": -0.2, "tau": 2.0, "d": 0.1},
        {"D": (1e6, 1e11), "U": (1e6, 1e10)},
        felt=0.4,  # the size of a pool matters once it is repeated
    ),
    LawCase(
        laws.goyal_filtering(pools=2),
        {"a": 1.0, "b_1": -0.2, "b_2": -0.1, "tau_1": 2.0, "tau_2": 4.0, "d": 0.1},
        {"D": (1e6, 1e11), "U": (1e6, 1e10)},
        identifiable=False,  # pools may change places
        felt=0.4,
    ),
    LawCase(laws.ye_mixing(), {"c": 1.5, "k": 0.8, "t_1": -1.0, "t_2": 0.7}, {"r": _MIXTURES}, grows={"r": 0}),
    _published("tao_vocab:tao", grows={"V": 0}, N_nv=_N, V=(300, 1e6), d=(64, 32768), H=_D),
    LawCase(
        laws.tao_vocab(as_published=False),
        laws.instance("tao_vocab:tao").params,
        {"N_nv": _N, "V": (300, 1e6), "d": (64, 32768), "H": _D},
        grows={"V": 0},  # a larger vocabulary makes fewer tokens of the same text
    ),
    _published("tao_vocab_size:derivative", grows={"N_nv": 1}, N_nv=_N, d=(64, 32768)),
    _published("tao_alloc:N_v", C=_C),
    LawCase(laws.brown_passk, {"a": 1.8, "b": 0.2}, {"k": (1, 1e6)}, grows={"k": 1}),
    _published("snell_exchange:six_nd", grows={"M": 1}, M=(1, 1e4), R=(1e-4, 1e4)),
    _published("jones_train_test:hex_9x9", grows={"elo": 1}, train=(1e10, 1e20), elo=(-2000, 2000)),
    _published("sardana_flops:six_nd", grows={"N": 1, "D": 1, "D_inf": 1}, N=_N, D=_D, D_inf=_D),
    _published(
        "sardana_dollar:a100",
        grows={"N": 1, "D": 1, "D_in": 1, "D_out": 1},
        **{"N": _N, "D": _D, "D_in": _D, "D_out": _D},
    ),
    _published("parscale:stack_v2_python", N=_N, P=(1, 1e4)),
    _published("busbridge_supervised:busbridge", N=_N, D=_D),
    LawCase(
        laws.busbridge_distill,
        _STUDENT,
        {"N": _N, "D": _D, "teacher": (0.5, 20)},
        grows={"teacher": 0},
        felt=0.5,
        # The student's own law is fitted to supervised runs, as in the paper; c1 is so large that only c1 f1 d1^(-1/f1)
        # matters.
        fixed=(*(name for name in _STUDENT if name.endswith("_s")), "c1"),
        starts=64,
    ),
    LawCase(
        laws.scalerl_sigmoid,
        {"R0": 0.2, "A": 0.61, "C_mid": 2000.0, "B": 1.5},
        {"gpu_hours": (0.0, 1e5)},
        grows={"gpu_hours": 1},
    ),
    _published("gadre_err:rpj_17", grows={"loss": 1}, loss=_LOSS),
    LawCase(laws.task_accuracy, _ENDS | {"k": 4.0, "x_0": 0.8}, {"task_loss": (-1, 4)}),
    LawCase(laws.llama3_task_loss, {"slope": 0.1, "C_0": 1e31}, {"C": _C}),
    LawCase(
        laws.llama3_two_step,
        {"slope": 0.1, "C_0": 1e31} | _ENDS | {"k": 4.0, "x_0": 0.8},
        {"C": _C},
        identifiable=False,
        grows={"C": 1},
    ),
    LawCase(
        laws.bhagia_two_step,
        {"E": 0.4, "A": 8.0, "B": 20.0, "alpha": 0.2, "beta": 0.25} | _ENDS | {"k": 4.0, "x_0": 0.8},
        {"N": _N, "D": _D},
        identifiable=False,
        grows={"N": 1, "D": 1},
    ),
    LawCase(
        laws.bhagia_one_step,
        {"s": 1.6, "A": 32.0, "B": 80.0, "alpha": 0.2, "beta": 0.25} | _ENDS,
        {"N": _N, "D": _D},
        grows={"N": 1, "D": 1},
    ),
    # --- Laws of optimisers, shapes, batches, experts in detail, bits, sparsity, context, fine-tuning and mixtures ---
    LawCase(
        laws.rescaled_optimizer,
        laws.instance("chinchilla:besiroglu").params | {"rho_N": 1.3, "rho_D": 1.2},
        {"N": _N, "D": _D, "new": (0.0, 1.0)},
        grows={"new": 0},
        shaped_like="chinchilla",
    ),
    _published("moonlight_frontier:muon", shaped_like="kaplan_c", C=_C),
    _published("gemstones:recomputed", shaped_like="chinchilla", width=(64, 32768), depth=(2, 256), N=_N, D=_D),
    LawCase(
        laws.bian_shape,
        laws.instance("chinchilla:besiroglu").params | {"x_0": 0.06, "s_x": 0.02, "r_0": 2.0, "s_r": 0.05},
        {"N": (1e6, 1e12), "D": _D, "width": (64, 32768), "r": (0.2, 20)},
        grows={"N": 0, "width": 0, "r": 0},
    ),
    LawCase(
        laws.mccandlish_steps,
        {"S_min": 2e4, "E_min": 2e10},
        {"B": (1e4, 1e8)},
        shaped_like="power_law",
    ),
    _published("batch_by_tokens:schaipp", shaped_like="porian_hparams", D=_D),
    _published("power_lines_timescale:power_lines", grows={"N": 1, "D": -1}, shaped_like="step_law", N=_N, D=_D),
    _published("ling_leverage:ling", grows={"A": 0, "G": 0, "C": 1}, A=(0.005, 0.8), G=(1.0, 64.0), C=(1e17, 1e26)),
    _published("ling_hparams:B", shaped_like="deepseek_hparams", C=_C),
    _published(
        "hunyuan_moe:hunyuan",
        shaped_like="krajewski_granularity",
        grows={"N_a": 0, "G": 0, "S": 0},
        **{"N": _N, "D": _D, "N_a": _N, "G": (1.0, 64.0), "S": (0.0, 1.0)},
    ),
    _published(
        "frantar_sparsity:t5_c4", grows={"S": -1}, shaped_like="krajewski_granularity", N=_N, D=_D, S=(0.0, 0.98)
    ),
    _published("xiong_context:llama2_7b", shaped_like="henighan", context=(128, 1e6)),
    _published("shen_linear:llama", shaped_like="kaplan_c", C=_C),
    _published("shen_linear_alloc:llama", shaped_like="kaplan_alloc", C=_C),
    LawCase(
        laws.zhang_finetuning,
        {"E": 0.5, "A": 60.0, "alpha": 0.1, "beta": 0.12},
        {"X": _N, "D_F": (1e3, 1e12)},
        shaped_like="power_law",
    ),
    LawCase(laws.lin_rectified, {"B": 900.0, "D_l": 200.0, "beta": 0.4, "E": 0.7}, {"D_F": (1e2, 1e9)}),
    LawCase(
        laws.loss_to_loss,
        {"K": 1.1, "kappa": 0.95, "E_1": 1.5, "E_2": 1.2},
        {"loss": (3.0, 20.0)},
        grows={"loss": 1},
        fixed=("E_1", "E_2"),  # of each corpus' own law
    ),
    _published("diloco:joint", grows={"M": 1}, shaped_like="step_law", N=_N, M=(1.0, 64.0)),
    _published("diloco_hparams:B", shaped_like="step_law", N=_N, M=(1.0, 64.0)),
    LawCase(
        laws.tan_rl,
        {"C_0": 1e8, "r": 1.0, "N_0": 1e10, "k_max": 0.1},
        {"N": (1e8, 1e12), "C": (1e21, 1e25)},
        grows={"N": 0},
    ),
    LawCase(laws.gao_best_of_n, {"a": 0.8, "b": 0.1}, {"KL": (0.01, 9.0)}, grows={"KL": 0}),
    LawCase(laws.gao_rl, {"a": 0.8, "b": 0.2}, {"KL": (0.01, 100.0)}, grows={"KL": 0}),
    LawCase(
        laws.he_multilingual,
        laws.instance("chinchilla:besiroglu").params | {"gamma": 0.1},
        {"N": _N, "D": _D, "p": (0.01, 1.0)},
        shaped_like="chinchilla",
    ),
    _published("chen_qat:w4a4", grows={"D": 0, "G": 1}, shaped_like="abnar_sparsity", N=_N, D=_D, G=(4, 4096)),
    _published("ouyang_ptq:pythia", grows={"D": 1}, shaped_like="step_law", N=_N, D=_D, P=_BITS),
    _published("quantised_after:kumar", grows={"D": 0}, N=_N, D=_D, P=_BITS, felt=0.4),
    LawCase(
        laws.quantised_after("ouyang"),
        laws.instance("chinchilla:besiroglu").params | laws.instance("ouyang_ptq:pythia").params,
        {"N": _N, "D": _D, "P": _BITS},
        grows={"D": 0},
        shaped_like="chinchilla",
    ),
    LawCase(
        laws.shukor_mixture(),
        _FLOORS | {"E": 1.2, "A": 480.0, "B": 2085.0, "alpha": 0.348, "beta": 0.366},
        {"N": _N, "D": _D, "h": _MIXTURES},
        grows={"h": 0},
        starts=64,
    ),
    LawCase(
        laws.shukor_mixture(joint=True),
        _FLOORS
        | {"E": 1.2, "alpha": 0.348, "beta": 0.366, "gamma_A": 0.5, "gamma_B": 0.7}
        | {"A1": 2e5, "A2": 3e5, "A3": 1e5, "B1": 5e4, "B2": 8e4, "B3": 3e4},
        {"N": _N, "D": _D, "h": _MIXTURES},
        grows={"h": 0},
        shaped_like="shukor_mixture",
    ),
)

# Every law is a program of its own to compile. The families that most people fit are tested each time, all of them in
# CI. Of laws of one algebra one is compiled; the others are evaluated, here and in laws/test_formulas.py.
_EVERY_TIME = ("chinchilla", "kaplan", "pearce", "porian", "power_law", "muennighoff")


def _cases(cases: Iterable[LawCase]) -> pytest.MarkDecorator:
    marked = [
        pytest.param(case, id=case.label, marks=() if case.law.name.startswith(_EVERY_TIME) else pytest.mark.slow)
        for case in cases
    ]
    return pytest.mark.parametrize("case", marked)


each_law = _cases(LAW_CASES)
each_program = _cases(case for case in LAW_CASES if not case.shaped_like)

_COMPILED = "/jax/core/compile/backend_compile_duration"
_events: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: _events.append(name))
jax.monitoring.register_event_listener(lambda name, **_: _events.append(name))


def compilations() -> int:
    """How many programs this process has compiled, or read from where they are kept, so far."""
    return _events.count(_COMPILED) + _events.count(FOUND)


def as_printed(text: str) -> object:
    """Equals every number that rounds to `text` at its last digit: `2.3e4` is anything from 22,500 to 23,500."""
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return pytest.approx(float(value), rel=0, abs=0.5001 * 10.0**exponent)


COUNT = 200  # random parameter sets, all in one call


def closed(law: str | laws.Law, form: str, params: object, *args: object) -> object:
    """A law's closed form in float64, as NumPy arrays; a named tuple stays one."""
    law = laws.get(law) if isinstance(law, str) else law
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, law.closed_forms[form](params, *args))


def respond(law: str | laws.Law, params: object, **variables: object) -> np.ndarray:
    """The law at many parameter sets at once, in float64."""
    law = laws.get(law) if isinstance(law, str) else law
    with jax.enable_x64(True):
        return np.asarray(law(params, **variables))


def of(label: str, form: str, *args: object) -> object:
    """A closed form at published constants."""
    return closed(label.partition(":")[0], form, laws.instance(label).params, *args)


def random_params(law: str, seed: int = 0) -> dict[str, np.ndarray]:
    return next(case for case in LAW_CASES if case.law.name == law).random_params(COUNT, seed)


def true_params(law: str) -> dict[str, float]:
    """The true parameters of a law's first case."""
    return dict(next(case for case in LAW_CASES if case.law.name == law).truth)


def budgets(seed: int = 1) -> np.ndarray:
    """A budget for each of `COUNT` parameter sets."""
    return 10 ** np.random.default_rng(seed).uniform(16, 28, COUNT)


def sizes_and_tokens(seed: int = 31) -> dict[str, np.ndarray]:
    """N and D of a run for each of `COUNT` parameter sets."""
    rng = np.random.default_rng(seed)
    return {"N": 10 ** rng.uniform(6, 13, COUNT), "D": 10 ** rng.uniform(8, 14, COUNT)}


# --- Runs on the Chinchilla law with the constants of Besiroglu et al. 2024 ---

LAW = laws.chinchilla
BESIROGLU = laws.instance("chinchilla:besiroglu")
TRUTH = BESIROGLU.params


def planted(seed: int = 0, noise: float = 0.003, **variables: np.ndarray) -> Runs:
    """Runs of these variables, the log of the loss off by `noise`."""
    loss = LAW.predict(TRUTH, **variables)
    return Runs(variables, loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(loss))))


def sweep(
    budgets: int = 6, sizes: int = 10, *, top: float = 1e21, noise: float = 0.005, seed: int = 1, bad: int = 0
) -> Runs:
    """Sizes around the optimum of each budget, from 1e18 FLOPs to `top`; `bad` runs are spoiled."""
    N, D = synthetic.isoflop_design(np.geomspace(1e18, top, budgets), sizes)
    return synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=noise, bad=bad, seed=seed)


def swept_frame(seed: int = 0, count: int = 60, noise: float = 0.005) -> pd.DataFrame:
    """The first runs of a sweep as a table of plain columns."""
    return sweep(seed=seed, noise=noise).to_frame().reset_index(drop=True).iloc[:count]


def table(seed: int = 0, noise: float = 0.005) -> dict[str, np.ndarray]:
    """Thirty runs as columns N, D and loss: six sizes by five numbers of tokens."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 4e11, 5)))
    return {"N": N, "D": D, "loss": np.array(planted(seed, noise, N=N, D=D).response)}


def table_text(seed: int = 0, group: str | None = None, header: bool = True) -> str:
    """The same thirty runs as CSV: params, tokens, loss, and perhaps a corpus, the same in each row."""
    tail = "" if group is None else f',"{group}"'
    rows = "".join(f"{n:.0f},{d:.0f},{x:.6f}{tail}\n" for n, d, x in zip(*table(seed).values(), strict=True))
    return ("params,tokens,loss" + ("" if group is None else ",corpus") + "\n") * header + rows


# --- A table of four runs, for what is asked of tables ---

FOUR = {"params": [1e8, 3e8, 1e9, 3e9], "tokens": [2e9, 1e10, 5e10, 2e11], "loss": [3.4, 3.0, 2.7, 2.4]}


def four_runs(**changes: object) -> dict[str, object]:
    """Four good runs, with columns changed, added, or taken out by None."""
    columns: dict[str, object] = {**FOUR, **changes}
    return {name: column for name, column in columns.items() if column is not None}


def same_runs(a: Runs, b: Runs) -> bool:
    """Whether two tables hold the same rows, in the same order, read in the same way."""
    return (
        a.sha256 == b.sha256
        and a.rows.tolist() == b.rows.tolist()
        and a.record == b.record
        and a.response_name == b.response_name
    )
