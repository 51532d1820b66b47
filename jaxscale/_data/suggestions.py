"""What to say of a symbol that no column was recognised as: flags, ready to paste, for the columns that there are."""

import difflib
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence

from jaxscale._base.text import inert, listed, quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.candidates import Look
from jaxscale._data.loss_units import in_per_cent
from jaxscale._data.names import NO_TEXT, is_perplexity, key, meaning_of, words_of
from jaxscale._data.unit_words import split_unit, written
from jaxscale._data.wording import column_of, flag, spelt, valued_flag

OTHER_COLUMNS = "other_columns"  # the code of what is noticed
_MOST_RIVALS = 3

# Words of a response that is no loss: what it is, and what reads it.
_ERRORS = frozenset(["wer", "cer", "err", "error", "mae", "mse", "rmse", "mape", "deviance"])
_ACCURACIES = frozenset(["acc", "accuracy"])
_BENCHMARKS = ("mmlu", "hellaswag", "gsm8k", "winogrande", "piqa", "boolq", "triviaqa")
_SCORES = frozenset(["elo", "score", "rating", "reward", "return", "returns", "winrate", "auc", "f1", "bleu", "rouge"])
_NOT_IT = frozenset(["std", "stderr", "se", "sd", "sem", "var", "variance", "ci", "count", "id", "lower", "upper"])

# Names that a slip is looked for of, and how alike it is.
_USUAL = {
    "N": ("params", "nparams", "numparams", "parameters", "totalparams"),
    "D": ("tokens", "ntokens", "numtokens", "traintokens", "totaltokens"),
    "C": ("flops", "totalflops", "compute"),
    "loss": ("loss", "valloss", "evalloss", "testloss", "trainloss", "finalloss"),
}
_CLOSE = 0.8

# What undoes a logarithm.
_LOGARITHMS = {"log10": "10^{}", "lg": "10^{}", "log": "10^{}", "ln": "exp({})", "log2": "2^{}"}

# Words of what a symbol counts, where the whole name says something that is not known; and of what it is not then.
_HEADS_OF = {
    "N": frozenset(["params", "weights"]),
    "D": frozenset(["tokens", "data", "dataset", "corpus"]) | NO_TEXT,
    "C": frozenset(["flops", "compute"]),
    "U": frozenset(["unique"]),
}
_NEVER = frozenset(
    word
    for words in (
        "per rate sec secs ms norm memory mem gb mb kb lr decay emb embed head heads lora adapter frozen teacher draft",
        "vocab batch step window std stderr acc accuracy time id seed frac fraction ratio share percent pct name type",
        "kind path version layer layers expert experts throughput peak gpu device util fwd inference serving factor",
    )
    for word in words.split()
)
_NEVER_DATA = frozenset(["eval", "max", "new", "context", "ctx", "length", "len", "prompt", "warmup", "cooldown"])
_NEVER_DATA |= frozenset(["anneal", "pad", "padding", "padded", "dropped", "repeat"])
_STEPS = frozenset(
    ["step", "steps", "iteration", "iterations", "iter", "iters", "it", "its", "update", "updates", "niter", "niters"]
)
_NO_STEPS = frozenset(
    ["warmup", "eval", "sec", "time", "decay", "best", "save", "log", "tokens", "flops", "loss", "params"]
)
_SAMPLES = frozenset(["sample", "samples", "sequence", "sequences", "seqs"])
_SO_FAR = frozenset(["train", "n", "of", "total", "consumed", "seen", "processed", "count"])
_BATCH = frozenset(["batch", "bs", "bsz", "gbs", "gbsz"])
_LENGTHS = (("seq",), ("sequence",), ("context", "length"), ("context", "len"), ("block", "size"), ("ctx",))


def where_to_find(symbol: str, unused: Sequence[str], size: str = "") -> str:
    """What to do about a symbol that no column was recognised as; `size` is the column of parameters, one by one."""
    found = f"Name its column with {column_of(symbol)}" + (f"; columns not used: {listed(unused)}" if unused else "")
    near = misspelt(symbol, unused)
    if symbol == "D" and not near:
        near = next((column for column in unused if _words(column) & NO_TEXT and _only_data(column)), "")
    if near:
        return f"{found}; {_it_may_be(symbol, [near])}"
    if of_logs := _of_logs(symbol, unused):
        return f"{found}; {of_logs}"
    if symbol == "N" and (sized := next(filter(_is_a_size, unused), "")):
        return (
            f"{found}; if {quoted(sized)} is of the model: N={_python(sized)} ({valued_flag('N', shlex.quote(sized))})"
        )
    formula = (_product(unused) or _of_ratio(unused, size)) if symbol == "D" else ""
    if not formula and (akin := _akin(symbol, unused)):
        return f"{found}; {_it_may_be(symbol, akin)}"
    if formula:
        return f"{found}; or compute it, D={_python(formula)} (-D {shlex.quote(formula)})"
    if symbol in ("N", "D") and (of_logs := _of_logs("C", unused)):
        return f"{found}; {of_logs}, from which it follows"
    if symbol in ("N", "D") and (akin := _akin("C", unused)):
        return f"{found}; {_it_may_be('C', akin)}, from which it follows"
    if symbol != "D":
        return found
    return found if any(_words(column) & _BATCH for column in unused) else found + of_steps(unused)


def _it_may_be(symbol: str, columns: Sequence[str]) -> str:
    """The flags for columns that may be what is looked for, ready to paste."""
    python = " or ".join(f"{symbol}={_python(name)}" for name in columns)
    typed = " or ".join(valued_flag(symbol, shlex.quote(inert(name, 200))) for name in columns)
    return f"{'it' if symbol != 'C' else 'C'} may be {listed(columns)}: {python} ({typed})"


def _akin(symbol: str, columns: Sequence[str]) -> list[str]:
    """The columns, three at most, with a word of that symbol and none that makes them a rate, a part or a limit."""
    heads = _HEADS_OF.get(symbol, frozenset())
    return [c for c in columns if _words(c) & heads and not _words(c) & _never(symbol)][:_MOST_RIVALS]


def _never(symbol: str) -> frozenset[str]:
    return _NEVER | (_NEVER_DATA if symbol == "D" else frozenset())


def of_logs(columns: Sequence[str]) -> str:
    """How N and D follow from columns of their logarithms, if there are any."""
    return "".join(f"; {said}" for symbol in ("N", "D", "C") if (said := _of_logs(symbol, columns)))


def _of_logs(symbol: str, columns: Sequence[str]) -> str:
    for column in columns:
        kept = [word for part in words_of(column) for word in part if word not in _LOGARITHMS]
        log = next((word for part in words_of(column) for word in part if word in _LOGARITHMS), "")
        said = meaning_of(" ".join(kept)) if log else None
        if said is not None and said.symbol == symbol:
            name = column if re.fullmatch(r"[A-Za-z_]\w*", column) else f"`{column}`"
            formula = _LOGARITHMS[log].format(name) + ("" if said.factor is None else f"*{written(said.factor)}")
            base = ", to base 10 if it is of that base" if log == "log" else ""
            typed = valued_flag(symbol, shlex.quote(formula))
            return f"{quoted(column)} may hold its logarithms{base}: {symbol}={_python(formula)} ({typed})"
    return ""


def _is_a_size(column: str) -> bool:
    """Whether a name says size and a unit, not of what: `size[B]`, "size (M)"."""
    words = [word for part in words_of(column) for word in part]
    kept, factor = split_unit(words, column)
    return factor is not None and kept == ["size"]


def misspelt(symbol: str, columns: Collection[str]) -> str:
    """The column whose name misses a usual one of that symbol by a letter or two, or ""."""
    for column in columns:
        if _words(column) & _LOGARITHMS.keys() or (symbol != "loss" and _words(column) & _never(symbol)):
            continue
        written = key(column)
        close = difflib.get_close_matches(written, _USUAL.get(symbol, ()), n=1, cutoff=_CLOSE)
        if close and written != close[0] and len(written) > 2 and meaning_of(column) is None:
            return column
    return ""


def responses(columns: Collection[str]) -> str:
    """What to do where no column is a loss: how each column that may be the response is named."""
    if near := misspelt("loss", columns):
        return f"Column {quoted(near)} may be it: loss={_python(near)} ({valued_flag('loss', shlex.quote(near))}). "
    for column in columns:
        if is_perplexity(column):
            return (
                f"Column {quoted(column)} looks like perplexity: its natural logarithm is the loss in nats per token, "
                f"which {spelt('loss_unit', 'perplexity')} takes. "
            )
    for column in columns:
        words = _words(column)
        if words & _NOT_IT:
            continue
        python, typed = _python(column), shlex.quote(column)
        if words & _ACCURACIES or any(name in key(column) for name in _BENCHMARKS):
            return (
                f'Column {quoted(column)} looks like an accuracy: loss={python}, loss_unit="accuracy" '
                f"({flag('loss')} {typed} --loss-unit accuracy) fits 1 - accuracy. "
            )
        if words & _ERRORS:
            return f"Column {quoted(column)} looks like an error: response={python} ({flag('response')} {typed}). "
        if words & _SCORES:
            return (
                f"Column {quoted(column)} looks like a score: response={python} ({flag('response')} {typed}); of "
                'either sign domains={"response": "real"} (--response-domain real), with a law such as log_law. '
            )
    return ""


def of_steps(columns: Sequence[str]) -> str:
    """How tokens follow from a column of steps, if there is one."""
    formula = _product(columns)
    if formula:
        return f"; tokens: D={_python(formula)} ({flag('D')} {shlex.quote(formula)})"
    steps = [
        column
        for column in columns
        if _words(column) & _STEPS
        and not _words(column) & _NO_STEPS
        and not re.search(r"(?i)(?<![a-z])per(?![a-z])", column)
    ]
    if not steps:
        return ""
    formula = f"{inert(steps[0], 60)}*524288"
    return (
        f"; tokens are steps times the tokens of a batch (batch size times sequence length): of 524288, "
        f'D="{formula}" ({flag("D")} {shlex.quote(formula)})'
    )


def of_one_variable(columns: Sequence[str], look: Look) -> str:
    """How the law of another variable is asked for, if a column has numbers above 0."""
    for column in columns:
        values, is_text = look(column)
        if not is_text.any() and (values > 0).all():
            symbol = re.sub(r"\W+", "_", column).strip("_")
            if symbol.isidentifier() and len(symbol) < 40:
                python = f'power_law({symbol!r}), read_runs(..., {symbol}="{inert(column)}")'
                col = "" if key(symbol) == key(column) else f" --col {shlex.quote(f'{symbol}={column}')}"
                option = f"'power_law(variable={symbol})'{col}"
                return f". A law of {quoted(column)} alone: jaxscale fit --law {option}; in Python {python}"
    return ""


def other_columns(columns: Mapping[str, str | Sequence[str]], rivals: Mapping[str, Sequence[str]]) -> Iterator[Reason]:
    """Which columns were taken by their names where others would also fit, and what takes those."""
    said = []
    for symbol, others in rivals.items():
        flags = [
            f"{valued_flag(symbol, shlex.quote(inert(name, 200)))}"
            + (" --loss-unit perplexity" if symbol == "loss" and is_perplexity(name) else "")
            for name in others[:_MOST_RIVALS]
        ]
        more = f" and {len(others) - _MOST_RIVALS} more" if len(others) > _MOST_RIVALS else ""
        said.append(
            f"{symbol} is column {quoted(columns[symbol])}, not {listed(others[:_MOST_RIVALS])}{more} "
            f"({' or '.join(flags)})"
        )
    if said:
        yield Reason(OTHER_COLUMNS, "info", f"by their names {'; '.join(said)}")


def error_column(response: str, unused: Sequence[str]) -> str:
    """What to do with a column of standard errors of the response, if there is one that is not used."""
    wanted = _words(response)
    found = [
        column
        for column in unused
        if (words := _words(column)) & {"se", "stderr", "sem"} and not in_per_cent(column) and words & wanted
    ]
    if not found:
        return ""
    name = found[0]
    return (
        f"column {quoted(name)} may be its standard errors: loss_se={_python(name)} ({flag('loss_se')} "
        f"{shlex.quote(name)}) weighs by them"
    )


def _only_data(column: str) -> bool:
    """Whether a name says what data are counted in, and nothing that makes it another count."""
    return _words(column) <= NO_TEXT | {"n", "of", "train", "total", "count", "seen"}


def _of_ratio(columns: Sequence[str], size: str) -> str:
    """Tokens from tokens per parameter, or from epochs of a data set of so many tokens."""
    ratio = [column for column in columns if _words(column) == {"tokens", "per", "params"}]
    epochs = [column for column in columns if _words(column) in ({"epochs"}, {"epoch"}, {"n", "epochs"})]
    unique = [column for column in columns if {"tokens"} < _words(column) <= {"tokens", "dataset", "unique", "data"}]
    factors = [size, *ratio] if size and len(ratio) == 1 else [*epochs, *unique]
    return _times(factors) if len(factors) == 2 else ""


def _times(factors: Sequence[str]) -> str:
    """The product of columns as a formula, "" for names too odd for one."""
    written = [name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"`{name}`" for name in factors]
    return "*".join(written) if all(len(name) < 60 and inert(name) == name for name in factors) else ""


def _product(columns: Sequence[str]) -> str:
    """Steps times batch, or samples, times length, where each has one column; a batch in tokens needs no length."""
    counts = [column for column in columns if not re.search(r"(?i)(?<![a-z])(per|warmup|sec|time)(?![a-z])", column)]
    steps = [column for column in counts if _words(column) & _STEPS]
    batch = [column for column in columns if _words(column) & _BATCH and not _words(column) & _STEPS]
    lengths = [c for c in columns if any(_words(c).issuperset(words) for words in _LENGTHS) and c not in batch]
    samples = [c for c in counts if _words(c) & _SAMPLES and _words(c) <= _SAMPLES | _SO_FAR]
    if len(samples) == 1 and len(lengths) == 1 and len(batch) != 1:
        return _times([*samples, *lengths])
    if len(steps) != 1 or len(batch) != 1:
        return ""
    factors = [*steps, *batch]
    if "tokens" not in _words(batch[0]):
        if len(lengths) != 1:
            return ""
        factors += lengths
    return _times(factors)


def _words(column: str) -> set[str]:
    return {word for part in words_of(column.replace("%", " ")) for word in part}


def _python(text: str) -> str:
    return f'"{inert(text, 200)}"'
