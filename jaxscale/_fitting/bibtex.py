"""What to cite for a fit, as BibTeX: the law's paper, the methods that were used, and jaxscale."""

import re

from jaxscale._base.version import __version__

_PAPER = re.compile(r"(?:(?P<who>[A-Z][^;,(]*?) (?P<year>\d{4}) \()?arXiv (?P<number>\d{4}\.\d{4,5})")
_TITLES = {
    "2001.08361": "Scaling Laws for Neural Language Models",
    "2010.14701": "Scaling Laws for Autoregressive Generative Modeling",
    "2102.01293": "Scaling Laws for Transfer",
    "2106.04560": "Scaling Vision Transformers",
    "2202.01169": "Unified Scaling Laws for Routed Language Models",
    "2203.15556": "Training Compute-Optimal Large Language Models",
    "2305.16264": "Scaling Data-Constrained Language Models",
    "2401.00448": "Beyond {Chinchilla}-Optimal: Accounting for Inference in Language Model Scaling Laws",
    "2406.12907": "Reconciling {Kaplan} and {Chinchilla} Scaling Laws",
    "2406.19146": "Resolving Discrepancies in Compute-Optimal Scaling of Language Models",
    "2407.13623": "Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies",
    "2407.21783": "The {Llama} 3 Herd of Models",
    "2411.04330": "Scaling Laws for Precision",
}
_METHODS = {
    "huber": """@article{huber1964,
  author = {Huber, Peter J.},
  title = {Robust Estimation of a Location Parameter},
  journal = {The Annals of Mathematical Statistics},
  volume = {35}, number = {1}, pages = {73--101}, year = {1964},
}""",
    "student": """@article{lange1989,
  author = {Lange, Kenneth L. and Little, Roderick J. A. and Taylor, Jeremy M. G.},
  title = {Robust Statistical Modeling Using the t Distribution},
  journal = {Journal of the American Statistical Association},
  volume = {84}, number = {408}, pages = {881--896}, year = {1989},
}""",
    "bootstrap": """@article{efron1981,
  author = {Efron, Bradley},
  title = {Nonparametric Standard Errors and Confidence Intervals},
  journal = {Canadian Journal of Statistics},
  volume = {9}, number = {2}, pages = {139--158}, year = {1981},
}""",
    "profile": """@article{schrader1980,
  author = {Schrader, Ronald M. and Hettmansperger, Thomas P.},
  title = {Robust Analysis of Variance Based upon a Likelihood Ratio Criterion},
  journal = {Biometrika},
  volume = {67}, number = {1}, pages = {93--101}, year = {1980},
}""",
    "leverage_sandwich": """@article{mackinnon1985,
  author = {MacKinnon, James G. and White, Halbert},
  title = {Some Heteroskedasticity-Consistent Covariance Matrix Estimators with Improved Finite Sample Properties},
  journal = {Journal of Econometrics},
  volume = {29}, number = {3}, pages = {305--325}, year = {1985},
}""",
}


def bibtex(source: str, law: str, objective: str, intervals: str) -> str:
    """BibTeX entries, with an empty line between them and a newline at the end.

    Args:
        source: of the law, as it names it: "Hoffmann et al. 2022 (arXiv 2203.15556), Approach 3". A paper whose title
            is not known here comes without.
        law: its name, for the notes.
        objective: kind of the objective: "huber", "student", ...
        intervals: method of the intervals, as in `Intervals.method`.
    """
    entries = [_paper(found, law) for found in _PAPER.finditer(source)]
    method = "bootstrap" if "pairs" in intervals or "percentile" in intervals else intervals
    entries += [_METHODS[kind] for kind in (objective, method) if kind in _METHODS]
    entries.append(
        "@software{jaxscale,\n  author = {{The jaxscale authors}},\n"
        f"  title = {{jaxscale: scaling laws you can check}},\n  version = {{{__version__}}},\n}}"
    )
    return "\n\n".join(entries) + "\n"


def _paper(found: re.Match, law: str) -> str:
    who, year, number = found["who"], found["year"], found["number"]
    key = f"{re.sub('[^a-z]', '', who.split()[0].lower())}{year}" if who else f"arxiv{number.replace('.', '')}"
    lines = []
    if who:
        several = who.endswith(" et al.")
        name = who.removesuffix(" et al.").removeprefix("as re-expressed by ")
        lines.append(f"author = {{{name} and others}}" if several else _authors(name))
    lines += [f"title = {{{_TITLES[number]}}}"] if number in _TITLES else []
    lines += [f"year = {{{year}}}"] if year else []
    lines += [
        f"eprint = {{{number}}}",
        "archivePrefix = {arXiv}",
        f"note = {{The law {law.replace('_', chr(92) + '_')}}}",
    ]
    return f"@misc{{{key},\n  " + ",\n  ".join(lines) + ",\n}"


def _authors(name: str) -> str:
    """Two people, or one, or a team."""
    plain = " and " in name or " " not in name
    return f"author = {{{name}}}" if plain else f"author = {{{{{name}}}}}"
