"""Tables as people have them, after public reports: the right numbers, or the right refusal, from the command line.

The figures were found without jaxscale: by SciPy or NumPy from many starts, in closed form, or as published.
"""

import json
import shlex

import numpy as np
import pytest
from helpers import ROOT
from scipy.optimize import least_squares

CASES = ROOT / "tests" / "cases"
EUROPEAN = {"E": 1.6805, "A": 451.7, "alpha": 0.3474, "B": 350.1, "beta": 0.2710}
VISION = {"E": 0.875, "A": 30.8, "alpha": 0.261, "B": 878, "beta": 0.618}
OFFSET = {"E": -3.46503, "A": 2.16546, "alpha": 0.34815}

# File, flags, parameters. Half a unit of the last digit, or what a Huber in place of squares makes of it.
RIGHT = [
    ("01_isoflop.json", "", {"E": 2.69, "A": 1606.4, "B": 3210.7, "alpha": 0.34, "beta": 0.36}),
    ("03_optima.csv", "--law 'power_law(variable=C,floor=False)' --response 'Eff Params' --objective squared",
     {"alpha": -0.524}),
    ("04_weight_decay.csv",
     "--law 'power_law(variable=channels,floor=False)' --response optimal_wd --objective squared", {"alpha": 1.849}),
    ("06_frontier3.csv", "--law 'power_law(variable=C)' --fix E=1.6", {"A": 71.9, "alpha": 0.0895}),
    ("11_nested.jsonl", "-N weight_params --best-of lr",
     {"E": 0.724 / np.log(2), "alpha": 0.336, "beta": 0.326}),  # in bits per character, as given
    ("14_tracker_runs.csv", "--loss eval/ppl/c4_en --loss-unit perplexity",
     {"E": 1.732, "A": 283, "alpha": 0.317, "B": 896, "beta": 0.299}),
    ("17_semicolon.csv", "", EUROPEAN),
    ("17b_tab_decimal_comma.tsv", "--decimal ,", EUROPEAN),
    ("17e_truth.csv", "", EUROPEAN),
    ("17f_thin_space.csv", "", EUROPEAN),
    ("17g_swiss.csv", "", EUROPEAN),
    ("20_percent.csv", "--law power_law --response error --response-domain unit --objective squared",
     {"alpha": 0.183}),
    ("23_offset.csv",
     "--law 'power_law(variable=r,real=True)' --response y --response-domain real --objective squared-raw", OFFSET),
    ("25_bounds.csv",
     "--law 'power_law(variable=x,real=True)' --response y --response-domain real --objective squared",
     {"E": 859.996, "A": -910.91, "alpha": 0.1823}),
    ("41_moe.csv", "-N active_params", {"alpha": 0.3416, "beta": 0.2956}),
    ("51_vision.csv", "", VISION),
    ("60_hours.csv", "--law 'power_law(variable=hours)' --response 'WER (%)' --objective squared",
     {"E": 4.01, "alpha": 0.446}),
    ("64_slash_names.csv", "", EUROPEAN),
    ("65_two_headers.csv", "", EUROPEAN),
    ("66_suffixes.csv", "", EUROPEAN),
    ("74_five_sizes.csv", "--law power_law --objective squared", {"alpha": 0.2300}),
    ("77_tab_comma_header.csv", "", EUROPEAN),
    ("77b_spaces.txt", "", EUROPEAN),
    ("77c_pipe.csv", "", EUROPEAN),
]  # fmt: skip
# File, flags, what the message says: what is wrong, and the flags that mend it.
REFUSED = [
    (
        "04b_weight_decay_tilde.csv",
        "--law 'power_law(variable=channels,floor=False)' --response optimal_wd",
        ["'~0.40', not a number"],
    ),
    ("11_nested.jsonl", "", ["-N weight_params or -N total_params"]),
    ("11_nested.jsonl", "--best-of lr", ["-N weight_params or -N total_params"]),
    ("14_tracker_runs.csv", "", ["--loss eval/ppl/c4_en --loss-unit perplexity or --loss train/avg_loss_AVG"]),
    ("13_units_in_headers.csv", "", ["--loss MMLU --loss-unit accuracy"]),
    (
        "26_plateau.csv",
        "--loss gsm8k --loss-unit accuracy --law 'power_law(variable=D)'",
        ["column 'tokens' (D)", "'0', not above 0"],
    ),
    ("15_tracker_chart.csv", "", ["val/loss", "-D 'Step*524288'"]),
    ("17b_tab_decimal_comma.tsv", "", ["--decimal"]),
    ("20_percent.csv", "--law power_law --response error", ["%", "--response-domain unit"]),
    ("27_two_points.csv", "", ["--response 'CER (%)'"]),
    ("34_markdown.csv", "", ["C", "--law 'power_law(variable=C)'"]),
    ("41_moe.csv", "", ["-N total_params or -N active_params"]),
    ("41b_moe_params.csv", "", ["-N params or -N active_params"]),
    ("41c_moe_num.csv", "", ["-N num_params or -N activated_params"]),
    ("61_elo.csv", "", ["--response elo", "--response-domain real"]),
    ("63_trainer_state.json", "", ["-D 'step*524288'", "power_law(variable="]),
    ("77d_no_header.csv", "", ["the first line holds numbers", "put a line with their names above it"]),
]
# File, flags, codes of which each forbids to trust it.
DISTRUSTED = [
    ("02_speedrun_sweep.csv", "-D num_iterations", {"suspicious_units"}),  # steps for tokens
    ("09_toy_grid.csv", "", {"at_bound", "residual_trend", "lack_of_fit"}),
    ("37_replicates.csv", "", {"too_few_runs", "ill_conditioned"}),
    ("70_two_corpora_0.06.csv", "", {"groups_differ"}),
    ("70_two_corpora_0.12.csv", "", {"groups_differ"}),
    ("75_two_archs.csv", "--law power_law", {"groups_differ"}),
]


def fitted(jaxscale, name: str, flags: str) -> tuple[dict, str]:
    status, out, err = jaxscale("fit", str(CASES / name), *shlex.split(flags), "--intervals", "none", "--json")
    assert status == 0, err
    return json.loads(out), err


def fatal(fit: dict) -> set[str]:
    return {reason["code"] for reason in fit["verdict"]["reasons"] if reason["severity"] == "fatal"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "flags", "right"), RIGHT, ids=[case[0] for case in RIGHT])
def test_the_numbers_are_right(jaxscale, name, flags, right):
    fit, _ = fitted(jaxscale, name, flags)
    assert {key: fit["params"][key] for key in right} == {key: pytest.approx(x, rel=2e-3) for key, x in right.items()}


@pytest.mark.parametrize(("name", "flags", "words"), REFUSED, ids=[f"{case[0]} {case[1]}" for case in REFUSED])
def test_a_refusal_says_what_is_wrong_and_the_flags_that_mend_it(jaxscale, name, flags, words):
    status, out, err = jaxscale("fit", str(CASES / name), *shlex.split(flags), "--intervals", "none")
    assert (status, out) == (2, "")
    assert [word for word in words if word not in " ".join(err.split())] == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "flags", "codes"), DISTRUSTED, ids=[case[0] for case in DISTRUSTED])
def test_what_should_not_be_trusted_is_not_for_the_right_reasons(jaxscale, name, flags, codes):
    assert codes <= fatal(fitted(jaxscale, name, flags)[0])


# Losses of these are the same ones to fewer digits.
ROUNDED = [
    "17d_dots_thousands.tsv",
    "18_bom_crlf.csv",
    "18b_cp1252.csv",
    "18c_utf16.csv",
    "18d_trailing.csv",
    "18e_comments.csv",
    "18f_blank_rows.csv --on-bad drop",
    "21b_gpu_hours.csv",
]


@pytest.mark.slow
@pytest.mark.parametrize("case", ROUNDED)
def test_a_table_in_another_layout_holds_the_same_runs(jaxscale, case):
    name, _, flags = case.partition(" ")
    there, whole = (fitted(jaxscale, *each)[0]["runs"] for each in ((name, flags), ("17e_truth.csv", "")))
    assert there["count"] == whole["count"] == 24
    for variable, rounding in (("N", 1e-9), ("D", 1e-9), ("loss", 5.1e-4)):
        assert there["data"][variable] == pytest.approx(whole["data"][variable], rel=rounding), variable


@pytest.mark.slow
def test_checkpoints_of_named_runs_are_one_run_each(jaxscale):
    fit, _ = fitted(jaxscale, "40_checkpoints.csv", "")
    assert fit["runs"]["count"] == 18


@pytest.mark.slow
def test_scores_of_either_sign_lie_on_the_line_of_numpy(jaxscale):
    flags = "--law log_law --response elo --response-domain real --objective squared"
    table = np.genfromtxt(CASES / "61_elo.csv", delimiter=",", names=True)
    slope, start = np.polyfit(np.log(table["n_params"]), table["elo"], 1)
    params = fitted(jaxscale, "61_elo.csv", flags)[0]["params"]
    assert [params["a"], params["b"]] == pytest.approx([start, slope], rel=1e-6)


@pytest.mark.slow
def test_a_header_in_billions_is_multiplied(jaxscale):
    fit, _ = fitted(jaxscale, "13_units_in_headers.csv", "--loss MMLU --loss-unit accuracy")
    assert {k: fit["runs"]["data"][k][0] for k in ("N", "D", "C")} == pytest.approx(
        {"N": 1.25e8, "D": 1.8e11, "C": 1.35e20}
    )


@pytest.mark.slow
def test_losses_on_every_other_line_are_read(jaxscale):
    flags = "--on-bad drop --loss val_loss --law 'power_law(variable=D)' --objective squared"
    fit, _ = fitted(jaxscale, "43_logger.csv", flags)
    table = np.genfromtxt(CASES / "43_logger.csv", delimiter=",", names=True)
    table = table[np.isfinite(table["val_loss"])]

    def off(theta):
        return theta[0] + np.exp(theta[1]) * table["tokens"] ** -theta[2]

    best = least_squares(lambda x: np.log(off(x) / table["val_loss"]), [2.0, np.log(90), 0.25], xtol=1e-15, ftol=1e-15)
    params = fit["params"]
    assert [params["E"], np.log(params["A"]), params["alpha"]] == pytest.approx(best.x, rel=1e-4)


def test_every_case_is_tried():
    tried = {case[0] for cases in (RIGHT, REFUSED, DISTRUSTED) for case in cases} | {c.split()[0] for c in ROUNDED}
    tried |= {"40_checkpoints.csv", "61_elo.csv", "43_logger.csv"}
    tells_nothing = {"70_two_corpora_0.03.csv"}  # corpora closer than a verdict can tell apart
    assert {path.name for path in CASES.iterdir()} - tried == tells_nothing
