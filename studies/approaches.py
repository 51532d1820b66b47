"""`python -m studies.approaches`: how far off the ways to take Approach 2 are, on runs whose law is known.

Hoffmann et al.'s rounded constants; budgets 1e17 to 1e21 FLOPs, fifteen sizes at each over a factor of 16 around the
optimum, centred or not; errors of D at 1e24 FLOPs and of the exponent, and how often 90 % intervals hold the truth. The
median of the signed error over sets of runs is the bias; the median of its size is how far off a single set is, which
this noise keeps above 2.6 % for any unbiased estimator (Cramer-Rao).
"""

import argparse
import math

import numpy as np

import jaxscale as js
from jaxscale.synthetic import isoflop_design, observe

LAW = js.laws.chinchilla
TRUTH = LAW.published["hoffmann_rounded"].params
BUDGETS = np.geomspace(1e17, 1e21, 5)
FAR = 1e24
CENTRES = {
    "centred": np.ones(5),
    "3x too large": np.full(5, 3.0),
    "drifting with the budget": 2.0 ** (0.1 * np.log(BUDGETS / 1e19)),
}
METHODS = {
    "parabola, all sizes": {"method": "parabola", "points": None},
    "parabola, 5 sizes": {"method": "parabola", "points": 5},
    "akima": {"method": "akima"},
    "unbiased": {"method": "unbiased"},
}


def main() -> None:
    """Print one line for each design and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=1000, help="noisy sets of runs for the errors (default 1000)")
    parser.add_argument("--covered", type=int, default=200, help="sets of them with intervals (default 200)")
    parser.add_argument("--noise", type=float, default=0.005, help="standard deviation of log loss (default 0.005)")
    options = parser.parse_args()
    alpha, beta = TRUTH["alpha"], TRUTH["beta"]
    exponent = beta / (alpha + beta)
    ratio = (alpha * TRUTH["A"] / (beta * TRUTH["B"])) ** (1 / (alpha + beta))
    tokens = (FAR / 6) ** (1 - exponent) / ratio
    print(
        f"{'design':<26}{'method':<22}{'noiseless: D':>14}{'a':>10}{'bias of D (median)':>20}{'median size':>13}"
        f"{'sd':>8}{'covers D':>10}{'a':>8}"
    )
    for design, centre in CENTRES.items():
        factor = np.repeat(centre, 15)
        sizes, seen = isoflop_design(BUDGETS, 15, 16.0, TRUTH)
        variables = {"N": sizes * factor, "D": seen / factor}
        for name, chosen in METHODS.items():
            exact = js.isoflop(observe(LAW, TRUTH, variables), draws=0, **chosen)
            errors, held = [], []
            for seed in range(options.sets):
                draws = 200 if seed < options.covered else 0
                found = js.isoflop(
                    observe(LAW, TRUTH, variables, noise=options.noise, seed=seed), draws=draws, seed=seed, **chosen
                )
                errors.append(found.D.at(FAR)[0] / tokens - 1)
                if draws:
                    ends = found.D.at(FAR)[1], found.N.interval
                    held.append([
                        e is not None and e[0] <= true <= e[1]
                        for e, true in zip(ends, (tokens, exponent), strict=True)
                    ])  # fmt: skip
            error = np.array(errors)
            covers = np.mean(held, axis=0) if held else (math.nan, math.nan)
            noiseless = exact.D.at(FAR)[0] / tokens - 1
            print(
                f"{design:<26}{name:<22}{100 * noiseless:>12.3f} %{exact.N.exponent - exponent:>+10.5f}"
                f"{100 * np.median(error):>18.2f} %{100 * np.median(np.abs(error)):>11.2f} %{100 * error.std():>6.1f} %"
                f"{covers[0]:>10.2f}{covers[1]:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
