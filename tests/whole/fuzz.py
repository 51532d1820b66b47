"""`python tests/whole/fuzz.py`: hostile tables, files and command lines; every case by its seed.

Each case must end in a result or in one `InputError` (on the command line in exit status 0, 1 or 2): no other error, no
warning of NumPy or pandas, no number that is not finite in what was read or fitted, and no character that moves a
terminal in anything printed. `--cases` says how many, `--kind` which, `--first` from which seed on.
"""

import argparse
import contextlib
import copy
import io
import json
import os
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale._cli import app

ROUND = (3e7, 1e8, 3e8, 1e9, 3e9, 1e10)
HOSTILE = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1e400", "1e-400", "5e-324", "1.7976931348623157e308", "-0",
    "0", "-1",
    "1,5", "1_000", "0x1f", "1e3B", "70B", "1.4T", "7e1000000000", "९", "١٢", "½", "∞", "NULL", "None", "True",
    "#REF!",
    "=1+1", "=cmd|'/c calc'!A0", "@SUM(A1)", "\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "\u200b", "\u2028",
    "\ufeff1e9",
    "<script>alert(1)</script>", "[red]text[/red]", "[link=file:///x]y[/link]", "'; DROP TABLE runs; --", "%s%n",
    "{0}",
    "$(reboot)", "`id`", "../../etc/passwd", "a" * 5000, "9" * 400, "1e9\x00", '"', "''", '"a,b"', "\r", "\n",
    "\\", "é",
    "🦜", "1e9 ", " 1e9", "+1e9", "--1", "1e", "e9", ".", "1.2.3", "12%", "1/2", "1e9+1j", "[1]", "{}", "null", "-",
    "?",
)  # fmt: skip
NAMES = (
    "params", "tokens", "loss", "flops", "N", "D", "C", "U", "val_loss", "c4_bpb", "ppl", "group", "corpus", "run",
    "seed",
    "weights", "step", "unique_tokens", "tokens_b", "rows", "row", "response", "index", "", " ", "loss ", "LOSS",
)  # fmt: skip
LAWS = ("chinchilla", "kaplan_nd", "power_law", "skaling", "nothing", "", "gadre_err", "muennighoff")
FORMS = ("csv", "tsv", "jsonl", "json", "columns")


# --- Tables ---


def columns(rng: np.random.Generator, rows: int) -> dict[str, list[Any]]:
    """A sound table of some runs, then spoiled here and there."""
    N = [float(x) for x in rng.choice(ROUND, rows)]
    D = [n * float(x) for n, x in zip(N, rng.uniform(5, 200, rows), strict=True)]
    loss = [1.8 + 480 * n**-0.35 + 2000 * d**-0.37 for n, d in zip(N, D, strict=True)]
    table: dict[str, list[Any]] = {
        "params": N,
        "tokens": D,
        "loss": [x * np.exp(0.004 * rng.standard_normal()) for x in loss],
    }
    if rng.random() < 0.3:
        table["flops"] = [6 * n * d for n, d in zip(N, D, strict=True)]
    for _ in range(max(0, rng.integers(5) - 2)):
        table[pick(rng, NAMES + HOSTILE)] = [pick(rng, HOSTILE) for _ in range(rows)]
    for _ in range(rng.integers(4)):
        name = pick(rng, tuple(table))
        action = rng.integers(9)
        if action == 0:
            table[pick(rng, NAMES + HOSTILE)] = table.pop(name)
        elif action == 1:
            with np.errstate(over="ignore"):
                scale = float(f"1e{rng.integers(-330, 330)}" if rng.random() < 0.5 else f"1e{rng.integers(-30, 30)}")
                table[name] = [x * scale if isinstance(x, float) else x for x in table[name]]
        elif action == 2:
            table[name] = [pick(rng, HOSTILE)] * rows
        elif action == 3 and len(table) > 1:
            del table[name]
        else:
            table[name] = [pick(rng, HOSTILE) if rng.random() < 0.2 else x for x in table[name]]
    return table


def pick(rng: np.random.Generator, some: tuple) -> Any:
    return some[rng.integers(len(some))]


def text(rng: np.random.Generator, table: dict[str, list[Any]], form: str) -> bytes:
    """The table as a file; quoting, line ends and encoding may be off, and bytes may be missing or changed."""
    rows = [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]
    if form in ("csv", "tsv"):
        mark, end = (",", "\t")[form == "tsv"], pick(rng, ("\n", "\r\n", "\r", "\n\n"))
        quote = (lambda x: '"' + x.replace('"', '""') + '"') if rng.random() < 0.7 else (lambda x: x)
        lines = [list(table), *([*row.values()] for row in rows)]
        out = end.join(mark.join(quote(str(x)) if isinstance(x, str) else repr(x) for x in line) for line in lines)
    elif form == "jsonl":
        out = "\n".join(json.dumps(row) for row in rows)
    else:
        out = json.dumps(rows if form == "json" else table)
    data = out.encode(pick(rng, ("utf-8",) * 40 + ("utf-8-sig",) * 3 + ("utf-16", "utf-32")), errors="surrogatepass")
    if rng.random() < 0.08 and data:
        broken = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(len(broken))] = rng.integers(256)
        data = bytes(broken)
    return data[: rng.integers(len(data) + 1)] if rng.random() < 0.05 else data


def formula(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    """A formula of columns, or what a slip makes of it."""
    parts = [pick(rng, (*names, "6", "1e9", "2B", "(", ")", "ln(", "-", "'")) for _ in range(int(rng.integers(1, 5)))]
    return pick(rng, ("*", "/", "+", " - ", "^", "**", "")).join(map(str, parts))


def options(rng: np.random.Generator, table: dict[str, list[Any]]) -> dict[str, Any]:
    """What a caller says about the columns, sensible or not."""
    names, given = (*table, *NAMES), {}
    for key in ("N", "D", "C", "loss", "response", "weights", "run", "E", "U"):
        if rng.random() < 0.04:
            given[key] = pick(rng, names)
        elif rng.random() < 0.02:
            given[key] = formula(rng, names)
    if rng.random() < 0.1:
        given[pick(rng, ("x", "E", "vector"))] = [pick(rng, names), pick(rng, names)]
    if rng.random() < 0.2:
        given["where"] = (
            f"{pick(rng, names)} {pick(rng, ('<', '>=', '==', '!=', '=', ''))} {pick(rng, HOSTILE + ROUND)}"
        )
    if rng.random() < 0.3:
        given["on_bad"] = pick(rng, ("drop",) * 12 + ("raise", "ignore"))
    if rng.random() < 0.05:
        given["loss_unit"] = pick(rng, ("bits", "nats", "ppl", "accuracy", "error", "bpb", "bpb:4", "hartleys"))
    if rng.random() < 0.05:
        given["decimal"] = pick(rng, (".", ",", ";"))
    if rng.random() < 0.05:
        given["domains"] = {pick(rng, ("response", "N", "x")): pick(rng, ("real", "unit", "count", "positive", "odd"))}
    return given


def of_text(rng: np.random.Generator) -> Iterator[str]:
    """A table in bytes, read and printed."""
    table = columns(rng, int(rng.integers(1, 14)))
    yield from reading(lambda: js.read_runs(io.BytesIO(text(rng, table, pick(rng, FORMS))), **options(rng, table)))


def of_frames(rng: np.random.Generator) -> Iterator[str]:
    """A data frame with columns of any kind."""
    rows = int(rng.integers(0, 14))
    table = columns(rng, rows) if rows else {"params": [], "tokens": [], "loss": []}
    frame = pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in table.items()})
    for name in list(frame.columns):
        kind = rng.integers(12)
        if kind == 0:
            frame[name] = pd.array([rng.integers(-5, 2**62) for _ in range(rows)], dtype="Int64")
        elif kind == 1:
            frame[name] = pd.Categorical([str(x) for x in frame[name]])
        elif kind == 2:
            frame[name] = [Decimal(int(rng.integers(1, 10**9))) ** 40 for _ in range(rows)]
        elif kind == 3:
            frame[name] = [10 ** int(rng.integers(1, 500)) for _ in range(rows)]
        elif kind == 4:
            frame[name] = [
                pick(rng, (None, pd.NA, pd.NaT, float("nan"), 1j, [1], {}, b"1e9", object, True)) for _ in range(rows)
            ]
        elif kind == 5:
            frame[name] = pd.to_datetime(rng.integers(0, 10**18, rows))
        elif kind == 6:
            frame[name] = np.float32(rng.standard_normal(rows) * 1e30)
    if rng.random() < 0.1 and len(frame.columns):
        frame.columns = pd.Index([pick(rng, (1, None, ("a", "b"), 2.5, *table)) for _ in frame.columns])
    if rng.random() < 0.1:
        frame.index = pd.Index(rng.integers(0, 3, rows))
    yield from reading(lambda: js.Runs.from_frame(frame, **options(rng, table)))


def reading(read: Callable[[], js.Runs]) -> Iterator[str]:
    """What is wrong with runs that were read, or with the error that there are none."""
    try:
        runs = read()
    except js.InputError as error:
        yield from unclear(str(error))
        return
    for name, values in (*runs.variables.items(), ("response", runs.response)):
        if not np.all(np.isfinite(values)):
            yield f"{name} is not finite"
    yield from unclear(str(runs))
    yield from unclear(runs._repr_html_().replace("<br>", ""), html=True)
    json.dumps(runs.to_data(), allow_nan=False)


def unclear(words: str, html: bool = False) -> Iterator[str]:
    """Text that could move a terminal, or that nobody would read."""
    moving = {c for c in words if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"}
    if moving:
        yield f"control characters {sorted(map(repr, moving))}"
    if not words.strip():
        yield "an empty message"
    if len(words) > 20_000:
        yield f"{len(words)} characters"
    if html and "<script" in words:
        yield "a script in HTML"


# --- Fits ---


def of_fits(rng: np.random.Generator) -> Iterator[str]:
    """A spoiled table that can still be read, fitted without draws, judged, printed and written."""
    rows = int(rng.integers(2, 60))
    N, D = rng.choice(ROUND, rows), rng.choice(ROUND, rows) * 20
    loss = 1.8 + 480 * N**-0.35 + 2000 * D**-0.37
    for array in (N, D, loss):
        if rng.random() < 0.4:
            array *= float(f"1e{rng.integers(-250, 250)}")
        if rng.random() < 0.3:
            array[rng.integers(rows)] *= 10.0 ** rng.integers(-50, 50)
        if rng.random() < 0.15:
            array[:] = array[0]
        if rng.random() < 0.1:
            rng.shuffle(array)
    law = pick(rng, ("chinchilla", "power_law"))
    if not all(np.all(np.isfinite(x) & (x > 0)) for x in (N, D, loss)):
        return
    table = pd.DataFrame({"N": N, "D": D, "loss": loss})
    try:
        result = js.fit(law, js.Runs.from_frame(table), intervals="quick", starts=16)
    except js.InputError as error:
        yield from unclear(str(error))
        return
    yield from unclear(str(result))
    written = result.to_dict()
    json.dumps(written, allow_nan=False)
    numbers = [*result.params.values(), result.value, result.gradient_norm]
    if result.verdict.trustworthy and not np.all(np.isfinite(numbers)):
        yield f"trustworthy, with {dict(result.params)}"
    for name, (low, high) in result.intervals.params.items():
        if not low <= result.params[name] <= high:
            yield f"the interval of {name} leaves it out: {low}, {result.params[name]}, {high}"


# --- Files and command lines ---


def _fit_file() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    N, D = np.repeat(ROUND, 6), np.tile(ROUND, 6) * 20
    loss = (1.8 + 480 * N**-0.35 + 2000 * D**-0.37) * np.exp(0.004 * rng.standard_normal(36))
    runs = js.Runs.from_frame(pd.DataFrame({"params": N, "tokens": D, "loss": loss}))
    return js.fit("chinchilla", runs, intervals="quick").to_dict()


FIT: dict[str, Any] = {}
VALUES = (
    None, True, False, 0, -1, 1e400, -(2**70), 10**400, "", "x", "\x1b[2J", [],
    {}, [[]], {"a": 1}, 0.5, "chinchilla", "1",
)  # fmt: skip


def of_fit_files(rng: np.random.Generator) -> Iterator[str]:
    """A file that `fit` wrote, with some of it changed, cut or deeply nested."""
    FIT.update(FIT or _fit_file())
    data = json.loads(json.dumps(FIT))
    for _ in range(rng.integers(1, 4)):
        place: Any = data
        while isinstance(place, (dict, list)) and len(place):
            key = pick(rng, tuple(place)) if isinstance(place, dict) else int(rng.integers(len(place)))
            if rng.random() < 0.4 or not isinstance(place[key], (dict, list)) or not len(place[key]):
                if rng.random() < 0.2:
                    del place[key]
                else:
                    place[key] = copy.deepcopy(pick(rng, VALUES))  # or the next change would be to `VALUES` itself
                break
            place = place[key]
    out = json.dumps(data)
    if rng.random() < 0.1:
        out = out[: rng.integers(len(out))]
    elif rng.random() < 0.03:
        out = "[" * 100_000
    path = Path("hostile.json")
    path.write_text(out, encoding="utf-8")
    try:
        result = js.load(path)
    except js.InputError as error:
        yield from unclear(str(error))
        return
    yield from unclear(str(result))
    json.dumps(result.to_dict(), allow_nan=False)


COMMANDS = ("fit", "fit", "fit", "predict", "frontier", "what-if", "laws", "models", "compare", "", "nothing")
FLAGS = (
    "--law", "-N", "-D", "-C", "--loss", "--col", "--response", "--by", "--run-column", "--where", "--on-bad",
    "--checkpoints", "--loss-unit", "--unit", "--decimal",
    "--objective", "--delta", "--weights", "--starts", "--intervals", "--level", "--bootstrap", "--fix", "--tie",
    "--bounds", "--seed",
    "--strict", "--json", "--budget", "--reach-loss", "--cost", "--inference-tokens", "--limit", "--max-tokens",
    "--max-params",
    "--unique-tokens", "--group", "--set", "--laws", "--holdout", "--rolling", "-o", "--help", "--nothing", "--",
)  # fmt: skip
ARGUMENTS = (
    "runs.csv", "fit.json", "bad.csv", "nowhere.csv", ".", "params", "tokens", "loss", "group", "alpha", "E=1.8",
    "alpha,beta",
    "N=params", "chinchilla", "chinchilla:besiroglu", "six_nd", "D_max=1e12", "beta=+1sigma", "params > 1e9",
    "loss < 3", "drop",
    "huber", "none", "quick", "auto", "paper", "0", "-1", "3", "0.9", "1e21", "70B", "1.4T", "1e400", "2.5",
    "out.json",
)  # fmt: skip


def of_command_lines(rng: np.random.Generator) -> Iterator[str]:
    """A command with flags that may not be its own, values that may not fit, and files that may be none."""
    command = pick(rng, COMMANDS)
    arguments = [command] if command else []
    arguments += [pick(rng, ARGUMENTS)] if rng.random() < 0.9 else []
    for _ in range(rng.integers(5)):
        arguments.append(pick(rng, FLAGS))
        if rng.random() < 0.85:
            arguments.append(pick(rng, ARGUMENTS) if rng.random() < 0.75 else pick(rng, HOSTILE).replace("\0", ""))
    if command in ("fit", "compare") and "--help" not in arguments:
        arguments += ["--where", "loss > 1e9"] if rng.random() < 0.9 else ["--intervals", "none", "--starts", "3"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = app.run(arguments)
    if status not in (0, 1, 2):
        yield f"exit status {status}: {arguments}: {err.getvalue()[-300:]}"
    if status == 2 and not err.getvalue().strip():
        yield f"no message: {arguments}"
    if "Traceback" in err.getvalue():
        yield f"a traceback: {arguments}"
    for words in (out.getvalue(), err.getvalue()):
        if words.strip():
            yield from (
                f"{problem}: {arguments}"
                for problem in unclear(words)
                if "characters" not in problem or "control" in problem
            )
    if left := [p.name for p in Path().iterdir() if p.name.startswith(".jaxscale-")]:
        yield f"half a file left: {left}"


KINDS: dict[str, tuple[Callable[[np.random.Generator], Iterator[str]], float]] = {
    "text": (of_text, 0.50),
    "frames": (of_frames, 0.30),
    "fit files": (of_fit_files, 0.13),
    "command lines": (of_command_lines, 0.06),
    "fits": (of_fits, 0.01),
}


def findings(kind: str, seed: int) -> list[str]:
    """What is wrong with one case; call in a folder of its own, see `folder`."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", js.JaxscaleWarning)
            return list(KINDS[kind][0](rng))
    except Exception:
        return ["".join(traceback.format_exc(limit=-4))]


@contextlib.contextmanager
def folder() -> Iterator[None]:
    """A new working folder with the files that command lines name."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as new:
        os.chdir(new)
        try:
            js.synthetic.demo_frame().assign(group=lambda t: ["a", "b"] * (len(t) // 2)).to_csv("runs.csv", index=False)
            FIT.update(FIT or _fit_file())
            Path("fit.json").write_text(json.dumps(FIT), encoding="utf-8")
            Path("bad.csv").write_text("params,tokens,loss\n1e9,\x1b[2J,3\n", encoding="utf-8")
            yield
        finally:
            os.chdir(before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/whole/fuzz.py", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of all kinds together (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    options = parser.parse_args()
    found = 0
    with folder():
        for kind, (_, share) in KINDS.items():
            if options.kind not in (None, kind):
                continue
            cases, begin = round(options.cases * (1.0 if options.kind else share)), time.perf_counter()
            for seed in range(options.first, options.first + cases):
                for problem in findings(kind, seed):
                    found += 1
                    print(f"{kind} {seed}: {problem}", flush=True)
            print(f"{kind}: {cases:,} cases, {time.perf_counter() - begin:.0f} s", flush=True)
    print(f"{found} findings")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
