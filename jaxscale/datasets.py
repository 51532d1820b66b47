"""Real training runs from public repositories, as `Runs`: where they come from, and which columns and rows to use.

The files are tidied copies that no public address serves byte for byte, so there is nothing to download: put them in a
folder and name it in the environment variable JAXSCALE_DATA. Each file is checked against its SHA-256.
"""

import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.text import PATH_LIMIT, quoted
from jaxscale._data.runs import Runs, read_quietly
from jaxscale._data.tables import read_frame

__all__ = ["Dataset", "frame", "info", "load", "names", "path"]


@dataclass(frozen=True)
class Dataset:
    """One table of real runs: its file, where it comes from, and how `load` turns it into `Runs`.

    `group` is the column whose values are separate experiments, one of which `load` must be told. `choices` are
    filters that hold unless `load` is told otherwise by their name. `best` names columns of which only the row with the
    least loss is kept for each combination of values.
    """

    name: str
    about: str
    file: str
    sha256: str
    repository: str
    revision: str
    licence: str
    columns: Mapping[str, Any] = field(default_factory=dict, hash=False)
    group: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict, hash=False)
    best: tuple[str, ...] = ()


_NO_LICENCE = "none stated"
_SIZES = {"N": "params", "D": "tokens", "loss": "loss"}
_MISFITTING = ("https://github.com/hadasah/scaling_laws", "1f3708c", _NO_LICENCE)
_GEMSTONES = ("https://github.com/mcleish7/gemstone-scaling-laws", "5f42047", "MIT")

_DATASETS = {
    entry.name: entry
    for entry in (
        Dataset(
            "chinchilla_epoch",
            "Runs of Hoffmann et al. 2022, read off Figure 4 by Besiroglu et al. 2024 (arXiv 2404.10102)",
            "chinchilla_epoch.csv",
            "279537c70a55829ee43423e72ed173e255eac022e3d4e5646004ee5032d2fabc",
            "https://github.com/epoch-research/analyzing-chinchilla",
            "9225883",
            _NO_LICENCE,
            columns={**_SIZES, "C": "flops"},
            choices={"outliers": "besiroglu_outlier != 1"},
        ),
        Dataset(
            "datablations_c4",
            "Runs on repeated data, Muennighoff et al. 2023 (arXiv 2305.16264); by default those of one epoch",
            "datablations_c4.csv",
            "a5e73945669dc6748dbe7cadaea5bb810a6999be21c9ddb7e67fc3df89f7179a",
            "https://github.com/huggingface/datablations",
            "1370131",
            "Apache-2.0",
            columns={**_SIZES, "U": "unique_tokens"},
            choices={"repeated": "epochs <= 1"},
        ),
        Dataset(
            "porian_refinedweb",
            "IsoFLOP points behind ten fits of Porian et al. 2024 (arXiv 2406.19146)",
            "porian_refinedweb.csv",
            "3b5815d993ee800cd5aea742dfc498386b121ffe8b8f84e82e1d2dc5d7eb9481",
            "https://github.com/formll/resolving-scaling-law-discrepancies",
            "0dc60d9",
            "MIT",
            columns={**_SIZES, "C": "flops"},
            group="group",
        ),
        Dataset(
            "gemstones",
            "Models of many shapes at every 10B tokens, McLeish et al. 2025 (arXiv 2502.06857); groups overlap",
            "gemstones.csv",
            "212fd47c7393ef7c46abb88a2ff1a7b4ca66b490d13379b4136cb0e4383d9119",
            *_GEMSTONES,
            columns={**_SIZES, "run": "run_id"},
            group="group",
        ),
        Dataset(
            "gemstones_downstream",
            "Loss and accuracy on nine tasks of the Gemstones models; the response is acc_hellaswag unless told",
            "gemstones_downstream.csv",
            "63e994624188fabb70624482ec1549afadb65001336107fb8555de833914c032",
            *_GEMSTONES,
            columns={**_SIZES, "response": "acc_hellaswag", "domains": {"response": "unit"}},
        ),
        Dataset(
            "misfitting_openlm",
            "Learning-rate sweeps of Li et al. 2025 (arXiv 2502.18969): final losses at the best rate",
            "misfitting_openlm.csv",
            "727241d00d30f344f18636a3eea5cbf6515b82bd6aa64813326c481e1db2fdb0",
            *_MISFITTING,
            columns={**_SIZES, "C": "flops"},
            choices={"unfinished": "final == 1"},
            best=("params", "tokens"),
        ),
        Dataset(
            "misfitting_lr_sweep",
            "Another sweep of the same authors; the best learning rate for each size and number of tokens",
            "misfitting_lr_sweep.csv",
            "ecfa0cf45be0b159fe7807dc41619ebe53270e2902e08ab96484d498867cc3c4",
            *_MISFITTING,
            columns={**_SIZES, "C": "flops"},
            best=("params", "tokens"),
        ),
        Dataset(
            "obs_base_llm",
            "Benchmarks of base models, Ruan et al. 2024; the response is acc_mmlu unless told. There is no loss, so "
            "of a chain it serves the second step alone: accuracy against compute, by family (`group`)",
            "obs_base_llm.csv",
            "fdf85801e70edddacfc4a4cb8a0419068f4a02cf6e342e74c2ce01f2fac19a34",
            "https://github.com/ryoungj/ObsScaling",
            "4d6e1e4",
            "Apache-2.0",
            columns={
                "N": "params",
                "D": "tokens",
                "C": "flops",
                "response": "acc_mmlu",
                "domains": {"response": "unit"},
                "on_bad": "drop",
            },
        ),
        Dataset(
            "oellm_optima",
            "Losses at the best learning rate and batch size, OpenEuroLLM dense English models",
            "oellm_optima.csv",
            "e970f3741d9d58ab0446c2bdd46bb97ca0345cfa87ea831e5c89d0f5d106206b",
            "https://github.com/OpenEuroLLM/dense_english_scaling_laws",
            "781af43",
            _NO_LICENCE,
            columns={**_SIZES, "C": "flops"},
        ),
        Dataset(
            "alabdulmohsin_nmt",
            "Loss against examples for five translation models, Alabdulmohsin et al. 2022 (arXiv 2209.06640)",
            "alabdulmohsin_nmt.csv",
            "3207ab73d8d8d59525a68f50c52584e498226bb0c4fe039f20244108e1aace6f",
            "https://github.com/google-research/google-research",
            "9853680",
            "Apache-2.0, not verified",
            columns={"examples": "examples", "loss": "loss"},
            group="model",
        ),
        Dataset(
            "jaxsweep_curves",
            "Final losses of a small replication; every run stops at D = 20 N, so no law of N and D is determined",
            "jaxsweep_curves.csv",
            "c99213414bfd1522d17eded11aaac73b47964f2a23c30c46101d84a96edef691",
            "https://github.com/visheshnarayan/jax-scaling-laws",
            "14f6ef4",
            _NO_LICENCE,
            columns={**_SIZES, "run": "run_id"},
            choices={"curves": "final == 1"},
        ),
    )
}


def names() -> tuple[str, ...]:
    """The names of the data sets."""
    return tuple(_DATASETS)


def info(name: str) -> Dataset:
    """Source, licence, SHA-256 and columns of a data set. Raises InputError for an unknown name."""
    if name not in _DATASETS:
        close = difflib.get_close_matches(str(name), _DATASETS, n=2)
        hint = f"did you mean {' or '.join(map(quoted, close))}?" if close else f"there are {', '.join(_DATASETS)}"
        raise InputError(f"there is no data set {quoted(name)}; {hint}")
    return _DATASETS[name]


def path(name: str) -> Path:
    """The file of a data set in the folder JAXSCALE_DATA, its SHA-256 checked. Raises InputError."""
    entry = info(name)
    folder = os.environ.get("JAXSCALE_DATA")
    if not folder:
        raise InputError(
            f"data set {name} is not part of jaxscale and has no address to download it from: set the environment "
            f"variable JAXSCALE_DATA to a folder with {entry.file} (tidied from {entry.repository} @ {entry.revision})"
        )
    file = expanded(folder) / entry.file
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise InputError(
            f"JAXSCALE_DATA is {quoted(folder, PATH_LIMIT)}, where {entry.file} is missing or not readable"
        ) from None
    if found != entry.sha256:
        raise InputError(
            f"{quoted(file, PATH_LIMIT)} is not the file of {name}: its SHA-256 is {found}, not {entry.sha256}"
        )
    return file


def frame(name: str) -> pd.DataFrame:
    """The whole table of a data set, every cell as text. Raises InputError."""
    return read_frame(path(name))


def load(name: str, *, group: str | None = None, **options: Any) -> Runs:
    """The runs of a data set.

    group     the experiment, for the sets that hold several (`info(name).group` is its column)
    options   True for one of `info(name).choices` keeps the rows that it names; `best=False` keeps every row where the
              best of a sweep is the default; anything else goes to `Runs.from_frame` and overrides the columns of
              `info(name)`, and `where` adds to the filters

    Row numbers are those of the file. Raises InputError.
    """
    entry = info(name)
    table = frame(name)
    where = [rule for choice, rule in entry.choices.items() if not options.pop(choice, False)]
    if entry.group is not None:
        groups = list(dict.fromkeys(table[entry.group]))
        if group not in groups:
            problem = "needs group=" if group is None else f"has no group {quoted(group)}"
            raise InputError(f"data set {name} {problem}; there are {', '.join(map(quoted, groups))}")
        where.append(f'{entry.group} == "{group}"')
    elif group is not None:
        raise InputError(f"data set {name} has no groups")
    more = options.pop("where", ())
    where += [more] if isinstance(more, str) else more
    columns = dict(entry.columns)
    if "response" in options and "domains" not in options:
        columns.pop("domains", None)
    best = entry.best if options.pop("best", True) else ()
    runs = read_quietly(table, where=where, **{"checkpoints": "none", **columns, **options})  # as published
    if not best:
        return runs
    cells = pd.Series(runs.response).groupby([table[column].to_numpy()[runs.rows - 1] for column in best])
    runs = runs.subset(np.sort(cells.idxmin().to_numpy()))
    said = {**runs.record.conventions, "sweep": f"the least loss of each {' and '.join(best)}"}
    return replace(runs, record=replace(runs.record, conventions=said))
