"""How a table is to be read and fitted: the page's choices, and what `read_runs` and `fit` are then called with."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, parse_number, quoted

ROLES = {"N": "Parameters N", "D": "Training tokens D", "C": "Compute C (FLOPs)", "loss": "Loss"}
NONE, FORMULA = "-", "="  # a role that no column has; what stands before one that is computed
LOSS_UNITS = {
    "": "as its name says, else nats per token",
    "nats": "nats per token", "bits": "bits per token", "bpb": "bits per byte", "perplexity": "perplexity",
    "accuracy": "accuracy", "error": "error",
}  # fmt: skip
COLUMNS = {
    "weights": "Weights of the runs",
    "loss_se": "Standard errors of the loss",
    "run": "Run that a row is of",
}
CHOICES = {
    "loss_unit": ("Unit of the loss", LOSS_UNITS),
    "checkpoints": (
        "Of runs with several rows",
        {"": "the last, where there are such", "last": "the last", "best": "the lowest loss",
         "all": "every row, as checkpoints", "none": "every row, as a run of its own"},
    ),
    "on_bad": ("A row that cannot be used", {"raise": "is an error", "drop": "is left out, and the report says so"}),
    "decimal": ("Decimal mark", {"": "recognise it", ".": "point", ",": "comma"}),
    "objective": (
        "What is minimised",
        {"": "Huber 0.001 on logs", "matched": "Huber, matched to the noise",
         "student": "Student's t, matched to the noise",
         "squared": "squares of logs", "absolute": "absolute errors of logs",
         "lower-edge": "lower edge, a tenth of the runs below"},
    ),
    "starts": ("Starts", {"": "until enough agree", "100": "100", "500": "500", "paper": "the law's published grid"}),
}  # fmt: skip
_OBJECTIVES: Mapping[str, Any] = {
    "matched": js.Huber("matched"), "student": js.StudentT(), "squared": js.SquaredError(),
    "absolute": js.AbsoluteError(), "lower-edge": js.LowerEdge(0.1),
}  # fmt: skip
_OF_FIT = ("objective", "starts")
# What is written: the label, an example, and a sentence about it.
TEXTS = {
    "where": (
        "Keep only rows where",
        "flops < 1e22",
        "a column, one of < <= > >= == !=, and a value; one on each line",
    ),
    "best_of": ("Keep the best of a sweep over", "lr, batch", "columns of settings, with commas between"),
    "units": ("Multiply cells", "N=1e6", "a variable and a factor, with commas between"),
    "token_bytes": ("Bytes of a token", "4.3", "for a loss in bits per byte"),
}
_LONGEST = 2000


@dataclass(frozen=True)
class Reading:
    """given: values of the page's fields by their names, "" and what is missing being the usual. options: of
    `read_runs`."""

    given: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def law(self) -> str:
        """The law to fit."""
        return self.given.get("law") or "chinchilla"

    @property
    def fitting(self) -> dict[str, Any]:
        """What is minimised and from where, as `fit` takes it; what is usual is left out."""
        objective, starts = self.given.get("objective"), self.given.get("starts")
        found: dict[str, Any] = {"objective": _OBJECTIVES[objective]} if objective else {}
        return found | ({"starts": int(starts) if starts.isdecimal() else starts} if starts else {})

    @property
    def further(self) -> bool:
        """Whether anything is asked for beyond the columns, the law and the unit of the loss."""
        usual = {"on_bad": "raise"}
        names = (*COLUMNS, *TEXTS, *(set(CHOICES) - {"loss_unit"}))
        return any(self.given.get(name, "") not in ("", usual.get(name, "")) for name in names)

    @classmethod
    def of(cls, given: Mapping[str, Any], columns: Collection[str]) -> "Reading":
        """From what a page sent about a table of these columns.

        Raises:
            InputError: a field holds what it cannot.
        """
        fields: dict[str, str] = {}
        for name in (*ROLES, *COLUMNS, *CHOICES, *TEXTS, "law"):
            value = given.get(name) or ""
            if not isinstance(value, str) or len(value) > _LONGEST:
                raise InputError(f"{name} must be text of at most {_LONGEST:,} characters, got {quoted(value)}")
            fields[name] = value
        for name in (*ROLES, *COLUMNS):
            own = name in ROLES and (fields[name] == NONE or fields[name].startswith(FORMULA))
            if fields[name] and fields[name] not in columns and not own:
                raise InputError(f"there is no column {inert(fields[name], 60)}")
        _one_of("law", fields["law"] or "chinchilla", laws_offered())
        for name, (label, words) in CHOICES.items():
            if fields[name]:
                _one_of(label, fields[name], words)
        return cls(fields, _options(fields, columns))


def _one_of(what: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(f"{what} is one of {', '.join(filter(None, known))}; got {inert(value, 60)}")


def _options(fields: Mapping[str, str], columns: Collection[str]) -> dict[str, Any]:
    """What was asked for, as `read_runs` takes it; what was not is left out."""
    found: dict[str, Any] = {}
    for role in ROLES:
        value = fields[role]
        if value in columns and value:
            found[role] = value
        elif value == NONE:
            found[role] = False
        elif value:
            found[role] = value.removeprefix(FORMULA).strip()
    found |= {name: fields[name] for name in (*COLUMNS, *CHOICES) if fields[name] and name not in _OF_FIT}
    if found.get("loss_unit") == "bpb" and (size := fields["token_bytes"].strip()):
        found["loss_unit"] = f"bpb:{size}"
    if rows := [line.strip() for line in fields["where"].splitlines() if line.strip()]:
        found["where"] = rows
    if swept := _listed(fields["best_of"]):
        found["best_of"] = swept
    if units := _listed(fields["units"]):
        pairs = [unit.partition("=") for unit in units]
        found["units"] = {symbol.strip(): parse_number(factor) for symbol, _, factor in pairs}
    usual = {"on_bad": "raise"}
    return {name: value for name, value in found.items() if value != usual.get(name)}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


@cache
def laws_offered() -> tuple[str, ...]:
    """Laws that the page plans with: of N and D, for what is to be low."""
    laws = ((name, js.laws.get(name)) for name in js.laws.names())
    return tuple(
        name
        for name, law in laws
        if {v.name for v in law.variables} == {"N", "D"} and law.response.logged and law.response.better == "lower"
    )


# --- Messages ---
_VALUE = r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\w+\([^)]*\)|[\w.-]+"
_WORDS = r"-[\w-]+(?: (?:\"[^\"]*\"|'[^']*'|[^\s()\"']+))?"
_BOTH = re.compile(rf"\b(\w+)=({_VALUE}|)(?: \({_WORDS}\)|, {_WORDS})")
_SEVERAL = re.compile(rf"\b\w+=(?:{_VALUE})(?:, \w+=(?:{_VALUE}))+ \({_WORDS}(?: {_WORDS})+\)")
_ONE = re.compile(rf"(\w+)=({_VALUE})")
_FLAG = re.compile(r"(?<![\w-])(--[a-z-]+|-[NDC])\b(?: (\"[^\"]*\"|'[^']*'))?")
_BY_FLAG = {
    "-N": "N", "-D": "D", "-C": "C", "--loss": "loss", "--weights": "weights", "--loss-se": "loss_se",
    "--run-column": "run", "--where": "where", "--on-bad": "on_bad", "--loss-unit": "loss_unit",
    "--checkpoints": "checkpoints", "--decimal": "decimal", "--best-of": "best_of", "--unit": "units",
}  # fmt: skip


_ELSEWHERE = (  # what no field of the page can do
    (', or another response with response="..." (--response)', ""),
    ("leave optimizer at its default, if you set it; else ", ""),
    ("a fit of each group, or of all with exponents in common (fit_many share=, --share)",
     "a fit of each group, which “Keep only rows where” picks, or on the command line of all with exponents in common "
     "(fit --by --share)"),
    ("jaxscale fit --law", "on the command line, jaxscale fit --law"),
    ("; js.bias (jaxscale bias) says more", "; on the command line, jaxscale bias says more"),
    (" (--response-domain real, domains={'response': 'real'}) and fit a law that may too: power_law(real=True), or one "
     "of your own", " on the command line (fit --response-domain real), with a law that may too"),
)  # fmt: skip
_LEFT = re.compile(r"(?<![\w-])--[a-z]")
_OTHER_UNIT = re.compile(r"(?<= is in FLOPs); for [\w-]+ choose .*$")
_PROFILE = re.compile(r"profile\(result, '(\w+)'\) \(jaxscale profile\)")


def on_page(said: object) -> str:
    """A message in the words of the page: an option of Python with its flag becomes the field that stands there, and
    what the page cannot do is said to be done on the command line."""
    lines = [line.strip() for line in map(inert, str(said).splitlines()) if line.strip()]
    text = " ".join(line if line[-1] in ".:;,?!" else f"{line}." for line in lines[:-1]) + " " * (len(lines) > 1)
    text += "".join(lines[-1:])
    for words, here in _ELSEWHERE:
        text = text.replace(words, here)
    text = _OTHER_UNIT.sub("; choose dollars, GPU-days or FLOPs beside the amount", text)
    text = _PROFILE.sub(r"on the command line, jaxscale profile of \1", text)
    text = _SEVERAL.sub(_fields, text)
    text = _BOTH.sub(lambda found: _field(found[1], found[2]) or found[0], text)
    text = _FLAG.sub(lambda found: _field(_BY_FLAG.get(found[1], ""), found[2] or "") or found[0], text)
    return text if "command line" in text else _LEFT.sub(r"on the command line, \g<0>", text, count=1)


def _fields(found: re.Match[str]) -> str:
    """Several options with their flags, as fields."""
    each = [_field(option, value) for option, value in _ONE.findall(found[0].partition(" (")[0])]
    return " and ".join(each) if all(each) else found[0]


def _same_objective(written: str, objective: Any) -> bool:
    """Whether that is how messages write it: LowerEdge(0.1), Huber('matched'), StudentT()."""
    kind, _, rest = written.partition("(")
    given = rest.rstrip(")").strip("\"'")
    holds = {"LowerEdge": "q", "Huber": "delta"}.get(kind)
    return type(objective).__name__ == kind and (holds is None or str(getattr(objective, holds)) == given)


def _field(option: str, value: str) -> str:
    """A field, and what to put there."""
    if value[:1] in ("[", "{"):
        value = re.sub(r"[\[\]{}\"']", "", value).replace(": ", "=")
    elif value[:1] in ("'", '"'):
        value = value[1:-1]
    value = "none" if option in ROLES and value == "False" else value
    if option == "objective":
        value = next((name for name, each in _OBJECTIVES.items() if _same_objective(value, each)), value)
    if option in CHOICES:
        label, words = CHOICES[option]
        if option == "loss_unit" and value.startswith("bpb:"):
            return f"“{label}: {words['bpb']}” and “{TEXTS['token_bytes'][0]}: {value[4:]}”"
        return f"“{label}: {words[value]}”" if value in words and value else f"“{label}”"
    label = ROLES.get(option) or COLUMNS.get(option) or (TEXTS[option][0] if option in TEXTS else "")
    return "" if not label else f"“{label}: {value}”" if value.strip(".") and value != "COLUMN" else f"“{label}”"
