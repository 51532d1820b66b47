"""Laws of other modalities than text: images, video, mathematics, mixed-modal models, vision and contrastive models.

A loss is in nats per token of its own modality (an 8x8 image has 192 of them), so losses of two rows do not compare.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import LOSS, C, N, Parameter, Params, Variable
from jaxscale.laws.kaplan import PF_DAY
from jaxscale.laws.power import allocation_law

_SECOND_HAND = "As quoted in public notes; not read in the paper itself."

# --- Henighan et al.: one law, eleven domains ---

_HENIGHAN = "Henighan et al. 2020 (arXiv 2010.14701)"
_TOKEN_LOSS = replace(LOSS, meaning="mean cross-entropy per token of the modality")


def _henighan(
    name: str, variable: Variable, rows: Mapping[str, tuple[float, ...]], *, floor: bool = True, **described: Any
) -> Law:
    """Loss against size or compute, from rows (L_inf, x0, alpha), (x0, alpha) without a floor; x0 of C in PF-days."""
    x = variable.name
    log_unit, unit = (math.log(PF_DAY), "PF-days") if x == "C" else (0.0, variable.unit)
    scale = f"{x}_0"

    def log_loss(p: Params, **logs: Array) -> Array:
        power = p.alpha * (p[f"log_{scale}"] + log_unit - logs[variable.argument])
        return logsumexp(p.log_L_inf, power) if floor else power

    parameters = (
        Parameter("L_inf", unit=LOSS.unit, meaning="irreducible loss", dimension={"loss": 1}),
        Parameter(
            scale,
            unit=unit,
            meaning=f"{x} at which the reducible loss would be one nat",
            dimension={x: 1, "loss": "1/alpha"},
        ),
        Parameter("alpha", meaning=f"exponent of {x}"),
    )[not floor :]
    names = [p.name for p in parameters]
    counted = "(C / PF-day)" if x == "C" else x
    return Law(
        name,
        log_loss,
        variables=(variable,),
        response=_TOKEN_LOSS,
        parameters=parameters,
        formula=f"L = {'L_inf + ' if floor else ''}({scale} / {counted})^alpha",
        source=f"{_HENIGHAN}, Table 1",
        **described,
        constants={
            domain: Published(dict(zip(names, row, strict=True)), f"{_HENIGHAN}, Table 1, {domain.replace('_', ' ')}")
            for domain, row in rows.items()
        },
    )


_SIZE = replace(N, meaning="non-embedding parameters")
_COMPUTE = replace(C, meaning="non-embedding training compute")

henighan = _henighan(
    "henighan",
    _SIZE,
    {
        "image_8x8": (3.12, 8.0e1, 0.24),
        "image_16x16": (2.64, 2.8e2, 0.22),
        "image_32x32": (2.20, 6.3e1, 0.13),
        "image_vq16": (3.99, 2.7e4, 0.13),
        "image_vq32": (3.07, 1.9e4, 0.14),
        "text_to_image": (2.0, 5.1e3, 0.16),
        "image_to_text": (2.0, 5.5e3, 0.15),
        "video_vq16": (1.01, 3.7e4, 0.24),
        "math": (0.28, 1.1e4, 0.16),
    },
    serves="What a larger model gains, in images, video or mathematics.",
    note="Rows of text_to_image and image_to_text are the loss on the image; see henighan_text for that on the text.",
)

henighan_c = _henighan(
    "henighan_c",
    _COMPUTE,
    {
        "image_8x8": (3.13, 1.8e-8, 0.19),
        "image_16x16": (2.64, 1.6e-8, 0.16),
        "image_32x32": (2.21, 3.6e-9, 0.1),
        "image_vq16": (4.09, 6.1e-7, 0.11),
        "image_vq32": (3.17, 2.6e-6, 0.12),
        "text_to_image": (1.93, 1.5e-6, 0.15),
        "image_to_text": (1.97, 1.5e-6, 0.16),
        "video_vq16": (0.95, 2.2e-5, 0.14),
        "math": (0.14, 1.4e-5, 0.17),
    },
    serves="What more compute gains, in images, video or mathematics.",
    note="At the best size for each compute.",
)

henighan_text = _henighan(
    "henighan_text",
    _SIZE,
    {"language": (1.47e14, 0.070), "text_to_image": (5.6e8, 0.037), "image_to_text": (7.0e8, 0.039)},
    serves="What a larger model gains, on text beside images.",
    floor=False,
    note="Loss on text, in which the paper saw no floor.",
)

henighan_text_c = _henighan(
    "henighan_text_c",
    _COMPUTE,
    {"language": (3.47e8, 0.048)},
    serves="What more compute gains, on text.",
    floor=False,
    note="Loss on text, in which the paper saw no floor; at the best size for each compute.",
)


def _printed_optimum(c0: float, beta: float) -> Published:
    return Published(
        {"k": c0**-beta, "a": beta}, f"{_HENIGHAN}, Table 1", note=f"Printed as (C / {c0:g} PF-days)^{beta}."
    )


henighan_alloc = allocation_law(
    "henighan_alloc",
    flops_per_unit=PF_DAY,
    serves="What size a budget should buy, in images, video or mathematics.",
    source=f"{_HENIGHAN}, Table 1",
    note="Best non-embedding parameters. Exponents near 0.7 go with the learning-rate schedules of before 2022.",
    constants={
        domain: _printed_optimum(c0, beta)
        for domain, c0, beta in (
            ("language", 3.3e-13, 0.73),
            ("image_8x8", 5.3e-14, 0.64),
            ("image_16x16", 4.8e-12, 0.75),
            ("image_32x32", 1.6e-13, 0.65),
            ("image_vq16", 6.2e-14, 0.64),
            ("image_vq32", 9.4e-13, 0.7),
            ("text_to_image", 9.4e-13, 0.7),
            ("image_to_text", 3.3e-12, 0.72),
            ("video_vq16", 1.13e-12, 0.71),
            ("math", 2.3e-12, 0.69),
        )
    },
)

# --- Two modalities in one model ---


def _aghajanyan_loss(p: Params, *, log_N: Array, log_D_i: Array, log_D_j: Array) -> Array:
    log_half = math.log(0.5)
    alone = (
        log_half + term
        for m, log_D in (("i", log_D_i), ("j", log_D_j))
        for term in (
            p[f"log_E_{m}"],
            p[f"log_A_{m}"] - p[f"alpha_{m}"] * log_N,
            p[f"log_B_{m}"] - p[f"beta_{m}"] * log_D,
        )
    )
    competition = p.log_A_ij - p.alpha_ij * log_N, p.log_B_ij - p.beta_ij * logsumexp(log_D_i, log_D_j)
    log_sum = logsumexp(*alone, *competition)
    return log_sum + jnp.log1p(-p.C_ij * jnp.exp(-log_sum))


def _tokens_at_barrier(params: Mapping[str, Any], N: Any) -> Array:
    """Tokens of both modalities together above which they help each other; not a number where N is too small for that.

    There the competition A_ij / N^alpha_ij + B_ij / D^beta_ij equals the synergy C_ij.
    """
    p = Params(params)
    left = p.C_ij - jnp.exp(p.log_A_ij - p.alpha_ij * jnp.log(N))
    return jnp.exp((p.log_B_ij - jnp.log(left)) / p.beta_ij)


def _aghajanyan_terms(m: str, data: str, of: str) -> tuple[Parameter, ...]:
    return (
        Parameter(f"A_{m}", meaning=f"size term of {of} at N = 1", dimension={"N": f"alpha_{m}", "loss": 1}),
        Parameter(f"B_{m}", meaning=f"data term of {of} at one token", dimension={data: f"beta_{m}", "loss": 1}),
        Parameter(f"alpha_{m}", "identity", meaning=f"exponent of N of {of}"),
        Parameter(f"beta_{m}", "identity", meaning=f"exponent of {'D_i + D_j' if m == 'ij' else data} of {of}"),
    )


def _floor(m: str) -> Parameter:
    return Parameter(f"E_{m}", unit=LOSS.unit, meaning=f"irreducible loss of modality {m}", dimension={"loss": 1})


_AGHAJANYAN = "Aghajanyan et al. 2023 (arXiv 2301.03728)"

aghajanyan_mixed = Law(
    "aghajanyan_mixed",
    _aghajanyan_loss,
    variables=(
        N,
        Variable("D_i", "tokens", "tokens of the first modality"),
        Variable("D_j", "tokens", "tokens of the second modality"),
    ),
    parameters=(
        _floor("i"),
        *_aghajanyan_terms("i", "D_i", "modality i"),
        _floor("j"),
        *_aghajanyan_terms("j", "D_j", "modality j"),
        Parameter("C_ij", unit=LOSS.unit, meaning="most that the two can help each other", dimension={"loss": 1}),
        *_aghajanyan_terms("ij", "D_i", "competition"),
    ),
    formula=(
        "L = (L_i + L_j) / 2 - C_ij + A_ij / N^alpha_ij + B_ij / (D_i + D_j)^beta_ij, "
        "with L_m = E_m + A_m / N^alpha_m + B_m / D_m^beta_m"
    ),
    serves="Whether two modalities in one model help or hinder each other.",
    seen_to="30B parameters on 45B tokens of speech and text",
    source=_AGHAJANYAN,
    note=(
        "Form only. L_i alone is the chinchilla law: fit each modality by itself first (the paper bounds exponents by "
        "0.5), then fix those ten parameters."
    ),
    closed_forms={"tokens_at_barrier": _tokens_at_barrier},
)

# --- Vision ---

_ERROR = Variable("error", "", "share of wrong answers", "unit")


def _saturating_error(p: Params, *, core_days: Array) -> Array:
    return p.c + jnp.exp(p.log_a - p.b * log(core_days + p.d))


def _zhai(c: float, a: float, d: float, b: float, what: str) -> Published:
    values = {"a": a, "b": b, "c": c, "d": d}
    return Published(values, f"Zhai et al. 2021 (arXiv 2106.04560), {what}", "unverified", note=_SECOND_HAND)


zhai_vit = Law(
    "zhai_vit",
    _saturating_error,
    variables=(Variable("core_days", "TPUv3 core-days", "training compute", "count"),),
    response=_ERROR,
    parameters=(
        Parameter("a", meaning="reducible error at one core-day", dimension={"core_days": "b"}),
        Parameter("b", meaning="exponent of compute"),
        Parameter("c", meaning="error that no compute removes"),
        Parameter(
            "d", unit="TPUv3 core-days", meaning="compute below which error levels off", dimension={"core_days": 1}
        ),
    ),
    formula="error = c + a (core_days + d)^-b",
    serves="What more compute gains in vision, and where it stops.",
    seen_to="2B parameters",
    source="Zhai et al. 2021 (arXiv 2106.04560)",
    note="Well below one core-day the first instance passes an error of 1: the fit is for more compute than that.",
    constants={
        "imagenet_finetune": _zhai(0.09, 0.26, 0.01, 0.35, "ImageNet, fine-tuned"),
        "imagenet_10shot": _zhai(0.12, 0.63, 0.52, 0.32, "ImageNet, 10-shot"),
    },
)

_CHERTI = "Cherti et al. 2022 (arXiv 2212.07143)"
_FLOPS_PER_GMAC = 2e9


def _power_error(p: Params, *, log_C: Array) -> Array:
    return jnp.exp(p.log_beta + p.alpha * (log_C - math.log(_FLOPS_PER_GMAC)))


def _cherti(alpha: float, task: str, data: str) -> Published:
    note = f"{_SECOND_HAND} The prefactor is not published there."
    return Published({"alpha": alpha}, f"{_CHERTI}, {task}, trained on {data}", "unverified", note=note)


cherti_clip = Law(
    "cherti_clip",
    _power_error,
    variables=(replace(C, meaning="compute of all samples seen; the paper counts GMACs, of two billion FLOPs each"),),
    response=_ERROR,
    parameters=(
        Parameter("beta", meaning="error at one GMAC", dimension={"C": lambda p: -p["alpha"]}),
        Parameter("alpha", "identity", meaning="exponent of compute, negative"),
    ),
    formula="error = beta (C / GMAC)^alpha",
    serves="What more compute gains in contrastive models, by data set.",
    seen_to="ViT-g/14 on 34B samples",
    source=_CHERTI,
    note="Exponents only: contrastive image-text models, error on zero-shot classification or 1 - recall on retrieval.",
    constants={
        f"{task}_{data}": _cherti(alpha, named, corpus)
        for task, named, alphas in (
            ("imagenet", "ImageNet", (-0.11, -0.16)),
            ("coco", "retrieval of MS-COCO", (-0.08, -0.05)),
            ("flickr", "retrieval of Flickr30k", (-0.19, -0.10)),
        )
        for data, corpus, alpha in zip(("laion", "wit"), ("LAION", "OpenAI's WIT"), alphas, strict=True)
    },
)

# --- How best size and data grow with compute elsewhere ---

_COLLECTED = "as collected in a public study of published exponents"
_PAIRS: Mapping[str, tuple[float, float]] = {  # exponents of compute of the best N and the best D
    "protein_clm": (0.578, 0.422),
    "protein_mlm": (0.776, 0.230),
    "genomics_transformer": (0.552, 0.551),
    "genomics_mamba": (0.388, 0.487),
    "genomics_hyena": (0.504, 0.499),
    "genomics_striped_hyena": (0.483, 0.539),
    "health_records": (0.58, 0.44),
    "diffusion_transformer": (0.568, 0.432),
    "discrete_diffusion_text": (0.589, 0.411),
    "audio_text": (0.367, 0.579),
    "xlstm": (0.547, 0.417),
    "xlstm_transformer": (0.575, 0.424),
    "multimodal_early": (0.526, 0.473),
    "multimodal_late": (0.636, 0.462),
    "multimodal_early_sparse": (0.361, 0.656),
}
_RATIOS: Mapping[str, tuple[float, float]] = {  # exponents alpha of N and beta of D in the loss
    "dense_retrieval": (1.0, 2.339),
    "progen3": (1.0, 1.479),
    "olmo_transformer": (0.252, 0.213),
    "olmo_hybrid": (0.226, 0.219),
}


def _elsewhere() -> dict[str, Published]:
    github = "Hoffmann et al. 2022 (arXiv 2203.15556), Table A2, GitHub code"
    rows = {f"github_code_{q}": Published({"a": a}, github) for q, a in (("N", 0.53), ("D", 0.47))}
    for domain, pair in _PAIRS.items():
        for q, a in zip("ND", pair, strict=True):
            rows[f"{domain}_{q}"] = Published({"a": a}, f"{domain}, {_COLLECTED}", "unverified", note=_SECOND_HAND)
    for domain, (alpha, beta) in _RATIOS.items():
        note = f"{_SECOND_HAND} From beta / alpha = {beta / alpha:.3f} of the loss, for C proportional to N D."
        for q, a in (("N", beta / (alpha + beta)), ("D", alpha / (alpha + beta))):
            rows[f"{domain}_{q}"] = Published({"a": a}, f"{domain}, {_COLLECTED}", "unverified", note=note)
    return rows


domain_alloc = allocation_law(
    "domain_alloc",
    serves="How best sizes and tokens grow with compute in other domains than text.",
    source=f"Many papers, {_COLLECTED}",
    note="Exponents only. The two of a domain need not add up to 1: not everybody's C is proportional to N D.",
    constants=_elsewhere(),
)
