"""How learning rate, batch, size and tokens should be chosen: DeepSeek, Step Law, Porian et al., MiniCPM."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable
from jaxscale.laws.power import allocation_law

_DEEPSEEK = "DeepSeek-AI 2024 (arXiv 2401.02954)"
_STEP = "Li et al. 2025 (arXiv 2503.04715)"
_PORIAN = "Porian et al. 2024 (arXiv 2406.19146)"
_MINICPM = "Hu et al. 2024 (arXiv 2404.06395)"

# --- DeepSeek: functions of compute ---


def _exponent(a: float, what: str, corpus: str) -> Published:
    return Published(
        {"a": a},
        f"{_DEEPSEEK}, {corpus}",
        "unverified",
        note=f"{what}. As quoted in a survey; the prefactor is not published.",
    )


deepseek_alloc = allocation_law(
    "deepseek_alloc",
    serves="What FLOPs per token and how many tokens a budget should buy.",
    seen_to="67B parameters on 2T tokens, foretold from small runs",
    source=f"{_DEEPSEEK}, Equation 4",
    note=(
        "C = M D, where M are the non-embedding FLOPs per token, attention included: 72 n_layer d^2 + 12 n_layer d "
        "l_seq, not 6 N. Better data moves the exponent of M up. Their loss is in bits per byte."
    ),
    constants={
        "M": Published({"k": 0.1715, "a": 0.5243}, f"{_DEEPSEEK}, Equation 4", note="FLOPs per token."),
        "D": Published({"k": 5.8316, "a": 0.4757}, f"{_DEEPSEEK}, Equation 4", note="Tokens."),
        "M_early_data": _exponent(0.450, "FLOPs per token", "early in-house data"),
        "D_early_data": _exponent(0.550, "Tokens", "early in-house data"),
        "M_openwebtext2": _exponent(0.578, "FLOPs per token", "OpenWebText2"),
        "D_openwebtext2": _exponent(0.422, "Tokens", "OpenWebText2"),
    },
)

deepseek_hparams = allocation_law(
    "deepseek_hparams",
    serves="Which learning rate and batch a budget asks for.",
    seen_to="2e19 FLOPs in the runs behind it",
    source=_DEEPSEEK,
    note="Fitted from 1e17 to 2e19 FLOPs, counted as M D of deepseek_alloc, to runs within 0.25 % of the least loss.",
    constants={
        "lr": Published(
            {"k": 0.3118, "a": -0.1250},
            _DEEPSEEK,
            note="Learning rate. A widely copied table prints 0.3188.",
        ),
        "B": Published({"k": 0.2920, "a": 0.3271}, _DEEPSEEK, note="Batch in tokens."),
    },
)

# --- Functions of size and tokens ---

OPTIMUM = Variable("optimum", "as the instance says", "best learning rate or batch", better="neither")


def optimum_law(
    name: str,
    variables: tuple[Variable, ...],
    *,
    constants: Mapping[str, Published],
    response: Variable = OPTIMUM,
    **described: Any,
) -> Law:
    """A product of powers: k N^a, or k N^a D^b, one instance per quantity.

    Args:
        name, variables, constants, response: see `Law`.
        **described: `source`, `note`, `serves`, `seen_to` and `closed_forms` of the law.
    """
    exponents = tuple(zip(variables, ("a", "b"), strict=False))

    def log_optimum(p: Params, **logs: Array) -> Array:
        return p.log_k + sum(p[power] * logs[v.argument] for v, power in exponents)

    return Law(
        name,
        log_optimum,
        variables=variables,
        response=response,
        parameters=(
            Parameter(
                "k",
                meaning=f"{response.name} at {' = '.join(v.name for v in variables)} = 1",
                dimension={response.name: 1, **{v.name: f"-{power}" for v, power in exponents}},
            ),
            *(Parameter(power, "identity", meaning=f"exponent of {v.name}") for v, power in exponents),
        ),
        formula=f"{response.name} = k {' '.join(f'{v.name}^{power}' for v, power in exponents)}",
        constants=constants,
        **described,
    )


def _confirmed(values: Mapping[str, float], what: str) -> Published:
    return Published(
        values,
        _STEP,
        "recomputed",
        note=f"{what}. Read second-hand; the medians of the authors' bootstrap fits confirm it.",
    )


def _bootstrap_medians(values: Mapping[str, float], errors: Mapping[str, float], what: str) -> Published:
    """Medians and standard deviations of the authors' fits to resampled runs, `errors` of ln k and of exponents."""
    return Published(
        values,
        f"{_STEP}, medians of the authors' 1,000 bootstrap fits",
        "recomputed",
        {**errors, "k": values["k"] * errors["k"]},
        note=f"{what}. Fits: step-law/steplaw 32a8f4c. The error of k follows from {errors['k']} for ln k, to first "
        "order; k and exponents move together.",
    )


def _quoted(values: Mapping[str, float], what: str, source: str) -> Published:
    return Published(values, source, "unverified", note=f"{what}. As quoted in public notes; not read in the paper.")


step_law = optimum_law(
    "step_law",
    (replace(N, meaning="parameters without the vocabulary"), D),
    serves="Which learning rate and batch a size and a number of tokens ask for.",
    seen_to="1B parameters, 100B tokens: within 0.1 % of the least loss of a search",
    source=_STEP,
    note=(
        "AdamW, 2000 steps of warm-up, cosine to a fixed least learning rate. That the best learning rate grows with D "
        "belongs to this schedule."
    ),
    constants={
        "lr": _confirmed({"k": 1.79, "a": -0.713, "b": 0.307}, "Learning rate"),
        "B": _confirmed({"k": 0.58, "a": 0.0, "b": 0.571}, "Batch in tokens; N plays no part"),
        "lr_bootstrap": _bootstrap_medians(
            {"k": 1.7825, "a": -0.7122, "b": 0.3070}, {"k": 0.62, "a": 0.030, "b": 0.019}, "Learning rate"
        ),
        "B_bootstrap": _bootstrap_medians(
            {"k": 0.5733, "a": 0.0, "b": 0.5713}, {"k": 0.44, "b": 0.019}, "Batch in tokens; N plays no part"
        ),
    },
)

porian_hparams = optimum_law(
    "porian_hparams",
    (N,),
    serves="Which learning rate and batch a size asks for at its best number of tokens.",
    seen_to="900M parameters in the runs behind it",
    source=f"{_PORIAN}, as re-expressed by {_STEP}",
    note="At the compute-optimal number of tokens.",
    constants={
        "lr": _quoted({"k": 3.7, "a": -0.36}, "Learning rate", _PORIAN),
        "B": _quoted({"k": 0.7576, "a": 0.703}, "Batch in tokens", _PORIAN),
    },
)

minicpm = allocation_law(
    "minicpm",
    flops_per_unit=6e18,
    serves="How many tokens for each parameter.",
    source=_MINICPM,
    note=(
        "Best tokens per parameter. The paper writes N / D = K^2 (C / 6)^eta with K^2 = 0.01 and eta = -0.10, which "
        "holds with N and D in billions alone: hence C / 6 in 1e18 FLOPs, k = 1 / K^2 and a = -eta. Exponents of loss: "
        "chinchilla:minicpm_avg."
    ),
    constants={
        "tokens_per_param": _quoted(
            {"k": 100.0, "a": 0.10}, "Tokens per parameter; the paper's average over budgets is 192", _MINICPM
        ),
    },
)
