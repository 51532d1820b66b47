"""The registry of real data sets: every loader on the real files, and what is said where there is none."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from jaxscale import datasets
from jaxscale._base.errors import InputError

# Rows counted with awk on the files; the 82 cells, the 240 and the 41 rows are also the sources' own counts.
LOADED = [
    ("chinchilla_epoch", {}, 240, {"N", "D", "C"}),
    ("chinchilla_epoch", {"outliers": True}, 245, {"N", "D", "C"}),
    ("chinchilla_epoch", {"where": "params > 10B"}, 6, {"N", "D", "C"}),
    ("datablations_c4", {}, 41, {"N", "D", "U"}),
    ("datablations_c4", {"repeated": True, "where": "in_fit182 == 1"}, 182, {"N", "D", "U"}),
    ("gemstones", {"group": "hot"}, 220, {"N", "D"}),
    ("gemstones_downstream", {}, 770, {"N", "D", "loss"}),
    ("misfitting_openlm", {}, 82, {"N", "D", "C"}),
    ("misfitting_openlm", {"best": False}, 263, {"N", "D", "C"}),
    ("misfitting_openlm", {"best": False, "unfinished": True}, 4852, {"N", "D", "C"}),
    ("misfitting_openlm", {"N": "params_total"}, 82, {"N", "D", "C"}),
    ("misfitting_lr_sweep", {"best": False}, 222, {"N", "D", "C"}),
    ("obs_base_llm", {}, 123, {"N", "D", "C"}),
    ("obs_base_llm", {"response": "acc_gsm8k", "D": False, "C": False, "domains": {"response": "unit"}}, 148, {"N"}),
    ("oellm_optima", {}, 51, {"N", "D", "C"}),
    ("alabdulmohsin_nmt", {"group": "6 Enc 6 Dec"}, 11, {"examples"}),
    ("jaxsweep_curves", {}, 8, {"N", "D"}),
    ("jaxsweep_curves", {"curves": True}, 356, {"N", "D"}),
]


@pytest.mark.data
@pytest.mark.parametrize(("name", "options", "count", "variables"), LOADED)
def test_load(name: str, options: dict, count: int, variables: set[str], data_folder: Path) -> None:
    runs = datasets.load(name, **options)
    assert (runs.count, set(runs.variables)) == (count, variables)
    odd = [row for note in runs.record.notes if note.code == "suspicious_units" for row in note.rows or (0,)]
    assert odd == ([140] if name == "obs_base_llm" and "D" in variables else [])  # 627T tokens: the source's own slip
    assert runs.record.guessed == ()


@pytest.mark.data
def test_every_data_set_loads_and_its_file_is_the_one_registered(data_folder: Path) -> None:
    assert {path.name for path in data_folder.glob("*.csv")} == {datasets.info(name).file for name in datasets.names()}
    for name in datasets.names():
        entry = datasets.info(name)
        table = datasets.frame(name)
        for group in dict.fromkeys(table[entry.group]) if entry.group else [None]:
            assert datasets.load(name, **({"group": group} if group else {})).count > 2


@pytest.mark.data
def test_what_the_loaders_choose(data_folder: Path) -> None:
    assert datasets.load("chinchilla_epoch").response.max() < 3.5  # the five outliers are the five largest losses
    sweep, best = datasets.load("misfitting_openlm", best=False), datasets.load("misfitting_openlm")
    for n, d, loss in zip(best.variables["N"], best.variables["D"], best.response, strict=True):
        assert loss == sweep.response[(sweep.variables["N"] == n) & (sweep.variables["D"] == d)].min()
    assert best.record.conventions["sweep"] == "the least loss of each params and tokens"
    assert set(best.rows) <= set(sweep.rows)
    assert "mixed_conventions" in [note.code for note in best.record.notes]  # its C counts embeddings, its N does not
    total = datasets.load("misfitting_openlm", N="params_total")
    np.testing.assert_allclose(total.variables["C"], 6 * total.variables["N"] * total.variables["D"], rtol=1e-6)
    ray = datasets.load("jaxsweep_curves")
    assert np.ptp(ray.variables["D"] / ray.variables["N"]) < 0.1
    assert ray.clusters is not None and len(set(ray.clusters)) == ray.count
    accuracy = datasets.load("obs_base_llm")
    assert (accuracy.response_name, len(accuracy.record.dropped)) == ("acc_mmlu", 25)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gemstones", {}, "needs group=; there are 'cool_begin'|needs group=; there are 'hot'"),
        ("gemstones", {"group": "cold"}, "has no group 'cold'"),
        ("oellm_optima", {"group": "a"}, "has no groups"),
        ("oellm_optima", {"outlier": True}, "column 'True'"),
    ],
)
def test_load_names_what_is_wrong(name: str, options: dict, message: str, data_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        datasets.load(name, **options)


def test_the_registry_is_complete() -> None:
    for name in datasets.names():
        entry = datasets.info(name)
        assert entry.name == name and entry.file == f"{name}.csv"
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256) and re.fullmatch("[0-9a-f]{7}", entry.revision)
        assert entry.repository.startswith("https://github.com/") and entry.licence and entry.about


def test_an_unknown_name_and_a_missing_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'chinchilla_epoch'"):
        datasets.info("chinchila_epoch")
    monkeypatch.delenv("JAXSCALE_DATA", raising=False)
    with pytest.raises(InputError, match=r"set the environment variable JAXSCALE_DATA .*gemstones\.csv"):
        datasets.load("gemstones")
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"gemstones\.csv is missing"):
        datasets.load("gemstones")


def test_a_changed_file_is_refused_with_both_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gemstones.csv").write_text("params,loss\n1,2\n")
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path))
    found = hashlib.sha256((tmp_path / "gemstones.csv").read_bytes()).hexdigest()
    with pytest.raises(InputError, match=f"{found}, not {datasets.info('gemstones').sha256}"):
        datasets.path("gemstones")
