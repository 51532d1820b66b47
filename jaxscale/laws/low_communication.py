"""Training in places that seldom talk to each other: DiLoCo with M replicas, and data-parallel training beside it."""

from jaxscale.laws._constants import Published
from jaxscale.laws._parameters import LOSS, N, Variable
from jaxscale.laws.hyperparameters import optimum_law

_PAPER = "Charles et al. 2025 (arXiv 2503.09799)"
_M = Variable("M", "", "replicas that are trained apart between synchronisations")
_SEEN = "2.4B parameters in the runs behind it; 10B was foretold and trained"
_ALONE = "M plays no part"

diloco = optimum_law(
    "diloco",
    (N, _M),
    response=LOSS,
    serves="Into how many places training may be spread, and what that costs in loss.",
    seen_to=_SEEN,
    source=_PAPER,
    note=(
        "At 20 tokens per parameter, well tuned. There is no floor: that of data-parallel training is 3.4 % low at 10B "
        "(2.020, measured 2.090)."
    ),
    constants={
        "joint": Published({"k": 19.226, "a": -0.0985, "b": 0.0116}, f"{_PAPER}, Table 10"),
        "data_parallel": Published(
            {"k": 18.129, "a": -0.0953, "b": 0.0}, f"{_PAPER}, Table 8", note=f"Data-parallel training: {_ALONE}."
        ),
        **{
            f"replicas_{M}": Published(
                {"k": k, "a": a, "b": 0.0}, f"{_PAPER}, Table 8", note=f"Of {M} replicas alone: {_ALONE}."
            )
            for M, k, a in (
                (1, 18.363, -0.0961),
                (2, 18.768, -0.0969),
                (4, 19.762, -0.0992),
                (8, 21.051, -0.1018),
            )
        },
    },
)

diloco_hparams = optimum_law(
    "diloco_hparams",
    (N, _M),
    serves="Which learning rate and batch training in several places asks for.",
    seen_to=_SEEN,
    source=_PAPER,
    note="At 20 tokens per parameter. The batch is that of all replicas together, in tokens.",
    constants={
        "lr": Published({"k": 22256.0, "a": -0.8827, "b": 0.2929}, f"{_PAPER}, Table 10", note="Learning rate."),
        "B": Published({"k": 14.521, "a": 0.4695, "b": 0.3399}, f"{_PAPER}, Table 10", note="Batch in tokens."),
        "lr_data_parallel": Published(
            {"k": 16319.2, "a": -0.819, "b": 0.0}, f"{_PAPER}, Table 9", note=f"Learning rate, data-parallel: {_ALONE}."
        ),
        "B_data_parallel": Published(
            {"k": 462.68, "a": 0.281, "b": 0.0}, f"{_PAPER}, Table 9", note=f"Batch in tokens, data-parallel: {_ALONE}."
        ),
    },
)
