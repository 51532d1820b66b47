"""Other modalities than text: published figures, and modalities together."""

import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, random_params, respond, sizes_and_tokens

from jaxscale import laws
from jaxscale.laws import PF_DAY

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("henighan_text:language", {"N": 1e9}, "2.299917"),
    ("henighan:image_8x8", {"N": 1e8}, "3.154415"),
    ("henighan:image_32x32", {"N": 1e8}, "2.356284"),
    ("henighan:video_vq16", {"N": 1e8}, "1.160096"),
    ("henighan:math", {"N": 1e8}, ".512607"),
    ("henighan_alloc:language", {"C": PF_DAY}, "1.29266e9"),
    ("henighan_alloc:image_16x16", {"C": PF_DAY}, "3.08368e8"),
    ("zhai_vit:imagenet_finetune", {"core_days": 1}, ".349096"),
    ("zhai_vit:imagenet_10shot", {"core_days": 1}, ".670999"),
    ("zhai_vit:imagenet_finetune", {"core_days": 100}, ".141875"),
    ("zhai_vit:imagenet_10shot", {"core_days": 100}, ".264085"),
    ("zhai_vit:imagenet_finetune", {"core_days": 1e4}, ".100351"),
    ("zhai_vit:imagenet_10shot", {"core_days": 1e4}, ".153062"),
    ("zhai_vit:imagenet_finetune", {"core_days": 0}, "1.393"),
    ("zhai_vit:imagenet_10shot", {"core_days": 0}, ".8966"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def test_every_domain_is_there():
    assert len(laws.henighan.constants) == len(laws.henighan_c.constants) == 9
    assert len(laws.henighan_text.constants) == 3
    assert set(laws.henighan_alloc.constants) == {*laws.henighan.constants, *laws.henighan_text_c.constants}
    exponents = {name: c.params["a"] for name, c in laws.domain_alloc.constants.items()}
    assert len(exponents) == 2 * 20
    assert exponents["genomics_mamba_N"] + exponents["genomics_mamba_D"] == pytest.approx(0.875)
    assert exponents["olmo_transformer_N"] == pytest.approx(0.213 / 0.465)
    assert exponents["dense_retrieval_N"] / exponents["dense_retrieval_D"] == pytest.approx(2.339)


# --- Reductions ---


def test_one_modality_alone_is_chinchilla():
    p, (N, D) = random_params("aghajanyan_mixed"), sizes_and_tokens(38).values()
    bare = {name: p[f"{name}_i"] for name in laws.chinchilla.parameter_names}
    nothing = {name: 0 * p[name] for name in ("A_ij", "B_ij", "C_ij")}
    same = {f"{name}_j": value for name, value in bare.items()}
    ours = respond("aghajanyan_mixed", p | nothing | same, N=N, D_i=D, D_j=D)
    np.testing.assert_allclose(ours, respond("chinchilla", bare, N=N, D=D), rtol=1e-12)


def test_modalities_together():
    p, (N, D_i), (_, D_j) = (
        random_params("aghajanyan_mixed"),
        sizes_and_tokens(39).values(),
        sizes_and_tokens(40).values(),
    )

    def alone(m: str, D: np.ndarray) -> np.ndarray:
        return p[f"E_{m}"] + p[f"A_{m}"] * N ** -p[f"alpha_{m}"] + p[f"B_{m}"] * D ** -p[f"beta_{m}"]

    help_less = p["C_ij"] - p["A_ij"] * N ** -p["alpha_ij"] - p["B_ij"] * (D_i + D_j) ** -p["beta_ij"]
    expected = (alone("i", D_i) + alone("j", D_j)) / 2 - help_less
    np.testing.assert_allclose(respond("aghajanyan_mixed", p, N=N, D_i=D_i, D_j=D_j), expected, rtol=1e-12)
    p |= {"C_ij": np.full(COUNT, 0.5)}
    large = np.full(COUNT, 1e14)
    barrier = closed("aghajanyan_mixed", "tokens_at_barrier", p, large)
    left = p["C_ij"] - p["A_ij"] * large ** -p["alpha_ij"]
    np.testing.assert_allclose(p["B_ij"] * barrier ** -p["beta_ij"], left, rtol=1e-11)
    assert np.isnan(closed("aghajanyan_mixed", "tokens_at_barrier", p, 1.0)).all()


def test_cherti_counts_in_gmacs():
    ours = laws.cherti_clip.predict({"beta": 1.5, "alpha": -0.11}, C=np.array([2e9, 2e19]))
    np.testing.assert_allclose(ours, [1.5, 1.5 * 1e10**-0.11], rtol=1e-12)
