"""Design of mixtures of experts: what the papers say of their laws follows from the constants."""

import numpy as np
import pytest
from helpers import as_printed, of, respond

from jaxscale import laws

LING = laws.ling_leverage.constants["ling"].params
HUNYUAN = laws.hunyuan_moe.constants["hunyuan"].params


def test_leverage_as_the_paper_says():
    """About 7 at an activation of 3.4 %, granularity 12 and 1e22 FLOPs; about 1 where all experts are active."""
    assert float(respond("ling_leverage", LING, A=0.034, G=12.0, C=1e22)) == as_printed("6.96")
    assert float(respond("ling_leverage", LING, A=1.0, G=12.0, C=1e22)) == as_printed("0.99")


def test_the_bases_of_the_logarithms():
    """Best at a granularity of about 12; with natural or decimal logarithms of G it would be 33 or 3,185."""
    assert float(of("ling_leverage:ling", "best_granularity")) == as_printed("11.3")
    exponent = -LING["beta"] / (2 * LING["gamma"])
    assert (round(np.exp(exponent)), round(10**exponent, -1)) == (33, 3180)


def test_best_granularity_and_shared_experts_are_the_papers_and_least():
    G, S = (float(of("hunyuan_moe:hunyuan", form)) for form in ("best_granularity", "best_shared"))
    assert (as_printed("6.78"), as_printed("0.315")) == (G, S)
    at = {"N": 3e10, "N_a": 3e9, "D": 1e12}
    best = respond("hunyuan_moe", HUNYUAN, **at, G=G, S=S)
    scan = np.linspace(0.5, 2, 31)
    assert np.all(respond("hunyuan_moe", HUNYUAN, **at, G=G * scan, S=S) >= best)
    assert np.all(respond("hunyuan_moe", HUNYUAN, **at, G=G, S=S * scan) >= best)
    assert float(best) == pytest.approx(1.9, abs=0.3)
