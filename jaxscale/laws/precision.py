"""The laws of Kumar et al. 2024, "Scaling Laws for Precision" (arXiv 2411.04330): training and quantising in few bits.

The paper fits each exponential of bits with an offset whose sign and place it does not print. The laws leave it out
unless `bias` asks for one of the two readings, and say so.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp, newton_root
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_PAPER = "Kumar et al. 2024 (arXiv 2411.04330)"
_TABLE = f"{_PAPER}, Appendix K, Table 2"
_BIAS_NOTE = "The paper's offsets n are left out (see bias); the losses of its runs cannot follow to the digit."
_KINDS = ("w", "a", "kv")
_BITS = tuple(
    Variable(f"P_{kind}", "bits", f"bits of the {what} in training")
    for kind, what in zip(_KINDS, ("weights", "activations", "key-value cache"), strict=True)
)
_READINGS = {"none": "exp(-P / gamma)", "exponent": "exp(-P / gamma + n)", "shift": "exp(-(P - n) / gamma)"}


def _check_bias(name: str, bias: Any) -> None:
    if bias not in _READINGS:
        given = ", ".join(repr(reading) for reading in _READINGS)
        raise InputError(f"{name} takes bias as one of {given}; got {bias!r}")


def _log_decay(bits: Any, gamma: Any, n: Any, bias: str) -> Any:
    """Log of what is lost with this many bits, in the chosen reading of the paper's offset."""
    if bias == "shift":
        return -(bits - n) / gamma
    return -bits / gamma + n if bias == "exponent" else -bits / gamma


def _offset(p: Params, kind: str, bias: str) -> Any:
    return p[f"n_{kind}"] if bias != "none" else 0.0


def _offset_parameters(bias: str, **of: Variable) -> tuple[Parameter, ...]:
    if bias == "none":
        return ()
    unit = {v.name: {"unit": "bits", "dimension": {v.name: 1}} if bias == "shift" else {} for v in of.values()}
    return tuple(
        Parameter(f"n_{kind}", "identity", meaning=f"offset of {v.name}", **unit[v.name]) for kind, v in of.items()
    )


# --- Training in few bits ---


def kumar_precision_train(bias: str = "none") -> Law:
    """Loss of a model trained with P_w, P_a and P_kv bits in weights, activations and key-value cache.

    The same argument gives the same object, so that a law asked for twice is compiled once.

    Args:
        bias: how the paper's offsets n are read: "none" leaves them out; "exponent" is 1 - exp(-P / gamma + n), "shift"
            1 - exp(-(P - n) / gamma). With an offset the law is not a number where this is negative, for few bits.

    Raises:
        InputError: there is no such reading.
    """
    _check_bias("kumar_precision_train", bias)
    return _kumar_precision_train(bias)


@cache
def _kumar_precision_train(bias: str) -> Law:
    def log_share(p: Params, bits: Mapping[str, Any]) -> Any:
        """Log of the share of its parameters that a model is worth."""
        shares = (
            log(jnp.asarray(-jnp.expm1(_log_decay(bits[kind], p[f"gamma_{kind}"], _offset(p, kind, bias), bias))))
            for kind in _KINDS
        )
        return sum(shares)

    def log_loss(p: Params, *, log_N: Array, log_D: Array, **log_bits: Array) -> Array:
        bits = {kind: jnp.exp(log_bits[f"log_P_{kind}"]) for kind in _KINDS}
        log_size = log_N + log_share(p, bits)
        return logsumexp(p.log_E, p.log_A - p.alpha * log_size, p.log_B - p.beta * log_D)

    def effective_size(params: Mapping[str, Any], N: Any, P_w: Any, P_a: Any, P_kv: Any) -> Array:
        """Parameters that a model of size N is worth at these bits."""
        return N * jnp.exp(log_share(Params(params), {"w": P_w, "a": P_a, "kv": P_kv}))

    def best_precision(params: Mapping[str, Any]) -> Array:
        """The bits, the same everywhere, that cost least where C = (6 / 16) N D P; independent of C.

        They minimise P / prod(1 - exp(-P / gamma)): the root of sum(x / (e^x - 1)) = 1 in x = P / gamma, no offsets.
        """
        p = Params(params)
        gammas = jnp.stack([jnp.asarray(p[f"gamma_{kind}"]) for kind in _KINDS])

        def excess(bits: Array) -> Array:  # convex and falling, so that Newton's steps from below never pass the root
            x = bits / gammas
            return jnp.sum(x / jnp.expm1(x), axis=0) - 1

        return newton_root(excess, 4 / jnp.sum(1 / gammas, axis=0), steps=10)

    values = {
        "A": 4.299e3, "B": 1.806e4, "E": 2.7648, "alpha": 0.4965, "beta": 0.4965,
        "gamma_w": 2.6745, "gamma_a": 2.2102, "gamma_kv": 0.9578,
    }  # fmt: skip
    bits_of = dict(zip(_KINDS, _BITS, strict=True))
    if bias != "none":
        values |= {"n_w": 0.3037, "n_a": 1.4072, "n_kv": 2.4185}
    return Law(
        "kumar_precision_train",
        log_loss,
        variables=(N, D, *_BITS),
        parameters=(
            Parameter("A", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
            Parameter("B", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
            Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
            Parameter("alpha", "identity", meaning="exponent of N"),
            Parameter("beta", "identity", meaning="exponent of D"),
            *(
                Parameter(f"gamma_{kind}", unit="bits", meaning=f"scale of {v.name}", dimension={v.name: 1})
                for kind, v in bits_of.items()
            ),
            *_offset_parameters(bias, **bits_of),
        ),
        formula=(
            "L = A N_eff^-alpha + B D^-beta + E, with N_eff = N (1 - e_w) (1 - e_a) (1 - e_kv) and "
            f"e = {_READINGS[bias]}"
        ),
        ranges={f"{v.name}_max": 16 for v in _BITS},
        serves="In how many bits to train.",
        seen_to="1.7B parameters, 26B tokens",
        source=_PAPER,
        note="Equals chinchilla at many bits. Fitted to runs of at most 1.7B parameters and 26B tokens of Dolma.",
        constants={
            "kumar": Published(
                values,
                _TABLE,
                note=_BIAS_NOTE if bias == "none" else "One of two readings of the paper's offsets n.",
            )
        },
        closed_forms={"effective_size": effective_size}
        | ({"best_precision": best_precision} if bias == "none" else {}),
        options={"bias": bias},
    )


# --- Quantising after training ---

_P_POST = Variable("P", "bits", "bits of the weights after training")


def kumar_ptq(bias: str = "none") -> Law:
    """Loss that is lost when a trained model is quantised to P bits (GPTQ). It grows with the tokens seen.

    The same argument gives the same object, so that a law asked for twice is compiled once.

    Args:
        bias: how the paper's offset n is read: "none", "exponent" or "shift"; see `kumar_precision_train`.

    Raises:
        InputError: there is no such reading.
    """
    _check_bias("kumar_ptq", bias)
    return _kumar_ptq(bias)


@cache
def _kumar_ptq(bias: str) -> Law:
    def log_rise(p: Params, *, log_N: Array, log_D: Array, log_P: Array) -> Array:
        decay = _log_decay(jnp.exp(log_P), p.gamma_post, _offset(p, "post", bias), bias)
        return p.log_C_T + p.gamma_D * log_D - p.gamma_N * log_N + decay

    def critical_tokens(params: Mapping[str, Any], N: Any, P: Any, B: Any, beta: Any) -> Array:
        """Tokens beyond which more of them make a model of N parameters worse at P bits.

        Args:
            params: of this law.
            N: parameters.
            P: bits after training.
            B: data term of the loss before quantising, B / D^beta.
            beta: its exponent.
        """
        p = Params(params)
        log_pull = log_rise(p, log_N=jnp.log(N), log_D=jnp.zeros(()), log_P=jnp.log(P)) + jnp.log(p.gamma_D)
        return jnp.exp((jnp.log(beta * B) - log_pull) / (beta + p.gamma_D))

    values = {"C_T": 0.0598, "gamma_D": 0.5068, "gamma_N": 0.3439, "gamma_post": 0.5907}
    if bias != "none":
        values["n_post"] = 1.1277
    return Law(
        "kumar_ptq",
        log_rise,
        variables=(N, D, _P_POST),
        response=Variable("loss_rise", "nats per token", "loss after quantising less loss before"),
        parameters=(
            Parameter(
                "C_T",
                unit="nats params^gamma_N tokens^-gamma_D",
                meaning="rise at N = D = 1 and no bits",
                dimension={"N": "gamma_N", "D": "-gamma_D", "loss_rise": 1},
            ),
            Parameter("gamma_D", "identity", meaning="exponent of D"),
            Parameter("gamma_N", "identity", meaning="exponent of 1 / N"),
            Parameter("gamma_post", unit="bits", meaning="bits that lower the rise by a factor e", dimension={"P": 1}),
            *_offset_parameters(bias, post=_P_POST),
        ),
        formula=f"loss_rise = C_T D^gamma_D / N^gamma_N {_READINGS[bias].replace('gamma', 'gamma_post')}",
        ranges={"P_max": 16},
        serves="To how few bits a trained model may be brought.",
        seen_to="1.7B parameters, 26B tokens",
        source=_PAPER,
        note="GPTQ; other ways of quantising have other constants.",
        constants={
            "kumar": Published(
                values,
                _TABLE,
                note=_BIAS_NOTE if bias == "none" else "One of two readings of the paper's offset n.",
            )
        },
        closed_forms={"critical_tokens": critical_tokens},
        options={"bias": bias},
    )
