"""What the name of a column says: its words, and which of N, D, C, U and the loss they mean."""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from jaxscale._data.other_scripts import UNKNOWN, in_english
from jaxscale._data.unit_words import PF_DAYS, split_unit, words_of_units

# Words with one meaning, by what they are read as; some also in German, French and Spanish, without accents.
_SAME = {
    word: meaning
    for meaning, words in {
        "params": "numel param parameter parameters parametre parametres parametro parametros parametri",
        "tokens": "token tok toks ntok ntoks jeton jetons",
        "compute": "rechenaufwand calcul calculo calcolo",
        "flops": "flop flos glops",  # GLOPs is a misprint that public tables have
        "loss": "losses verlust perte perdida perdita perda",
        "train": "training trainings trained trn pretrain pretraining pretrained entrainement entrenamiento "
        "addestramento treinamento",
        "eval": "val valid validation validate validating validierung validierungs validacion validazione validacao "
        "evaluation test testing heldout holdout dev",
        "emb": "embed embedding embeddings embd embeds",
        "non": "no without wo excl excluding exclude ex",
        "with": "w incl including include",
        "total": "all gesamt totale totaux",
        "active": "activated act",
        "n": "num number nb anzahl nombre",
        "count": "cnt",
        "of": "de",
        "unique": "distinct",
        "approx": "approximate est estimated",
        "goal": "target planned",
        "bpb": "bpc bpt bpw",
        "bits": "bit",
        "ppl": "perplexity ppx",
        "entropy": "xe xent nll crossentropy",
        "avg": "mean average macro micro overall",
        "size": "taille groesse grosse tamano tamanho dimensione",
        "model": "modell modelo modello modele",
        "cumulative": "cum cumul",
    }.items()
    for word in (meaning, *words.split())
}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that leave the meaning of a count what it is: of parameters, of tokens, of FLOPs, of data in other units.
_PLAIN = _set("n of on count in the model lm llm net network run")
_PARTS = _set("vision image video audio speech text language")
_COUNTED = (
    _PLAIN
    | _PARTS
    | _set("params weight weights total active non emb with size trainable learnable precise exact approx dense policy")
)
_SEEN = _PLAIN | _set("total train so far seen processed consumed used cumulative pre goal budget max global")
_MODELS, _WEIGHTS, _CORPUS = _set("model lm llm net network"), _set("weight count"), _set("data dataset corpus")
_SPENT = _SEEN - {"max"} | _set("non emb with spent actual theoretical approx final 6nd c6nd iso")
# What data other than text are counted in. Of the second line hours are of wall time too, samples are sequences too.
_UNITS_OF_DATA = _set(
    """image images picture pictures photo photos video videos frame frames demonstration demonstrations demo demos
    episode episodes trajectory trajectories game games move moves graph graphs molecule molecules structure structures
    pair pairs char chars character characters byte bytes line lines residue residues cell cells word words"""
)
# Of these so many are looked at as there are in the data: a name of them alone is a count of data.
_LOOKED_AT = _set("images pictures photos videos demonstrations demos trajectories")
_DOUBTFUL_UNITS = _set(
    """hour hours minute minutes second seconds sample samples example examples subject subjects label labels query
    queries point points datapoint datapoints row rows"""
)
_PLURALS = {"query": "queries", "trajectory": "trajectories", "char": "characters", "chars": "characters"}
NO_TEXT = _UNITS_OF_DATA | _DOUBTFUL_UNITS
_SIZES = _SEEN | NO_TEXT | _set("data dataset size tokens")
# Words of a loss that name no corpus.
_GENERIC = _PLAIN | _set(
    """loss entropy cross ce eval train bits bpb avg global final held out smoothed per tokens byte word lm language
    last best min minimum so far set step epoch value total reported nats nat"""
)
# In the name of a loss these say that it is something else: a rate, a time, a term of an objective, a spread, a label.
_NO_LOSS = _set(
    """lr rate acc accuracy score time sec secs second seconds ms hour hours minute minutes day days weight weights
    scale scaler aux auxiliary balance balancing load router z kl std stderr se sd sem var variance ci error err count
    grad gradient norm delta diff difference gap ratio fraction slope id kind type name function fn unit goal spike
    spikes epochs iteration iterations mask coef coefficient reg regularization regularizer percent pct opt optimal
    predicted prediction pred fit fitted lower upper improvement reward policy params flops compute budget ppl unique
    rank seed exponent threshold patience window steps margin sigma bound bounds increase drop change
    initial init max maximum irreducible reducible excess floor goal baseline reference teacher reduction relative
    distill distillation kd adv adversarial gan generator discriminator perceptual chinchilla early halfway midway
    smoothing extrapolated extrapolation limit residual residuals forecast projected projection asymptote asymptotic
    ceiling cap penalty term component noise uncertainty approx clip clipping trigger"""
)
OVERALL = _set("avg global")  # of a loss: over all corpora
_PART_OF_A_RUN = re.compile("(?!100)[0-9]+(pct|percent|perc)")  # a loss at 10pct is not that of a finished run
# Leading words that say where a value was kept, not what it is.
_CONTAINERS = _set(
    """config summary hyper hyperparameters hyperparams hparams params metrics args cfg model data run runs stats wandb
    history info scaling throughput perf trainer optim system results result performance arch architecture"""
)
# A slash that divides: D/N, FLOPs/token, tokens/s.
_RATE = re.compile(
    r"(?<=\b[NDC])\s*/\s*(?=[NDC](?![A-Za-z]))"
    r"|/\s*(?=(?:tok|token|param|parameter|byte|char|word|step|s|sec|second|gpu|expert|layer|batch|sample)(?![a-z_]))",
    re.IGNORECASE,
)
# Leading parts of a path that change what is counted.
_CHANGES = _set("max emb head heads vocab expert experts layer layers eval batch per lr attention optimizer")
_LEXICON = frozenset(_SAME) | _COUNTED | _SPENT | _SIZES | _GENERIC | _CONTAINERS | _set("compute c4 thousand million")
_LEXICON |= _set("millions billion billions trillion trillions giga exa peta tera zetta yotta")
_LEXICON -= _set("in of de w no wo ex so ce lm llm net network")
_HEADS = _set("params tokens flops loss compute size emb entropy")


_LONGEST = 300  # characters of a name that is looked at
TRAINING = 5  # the rank of a training loss, after all others


class Meaning(NamedTuple):
    """What a name means: a symbol, how surely (0: it says just that), and the factor of its unit, None without one."""

    symbol: str
    rank: int
    factor: float | None = None


@lru_cache(4096)
def words_of(name: str) -> tuple[tuple[str, ...], ...]:
    """The words of a name in lower case and in one spelling, part by part of a path.

    Slash, point, underscore, hyphen, space and camelCase separate; run-together words that are known come apart.
    """
    plain = "".join(c for c in unicodedata.normalize("NFD", in_english(name)) if not unicodedata.combining(c))
    plain = plain.replace("ß", "ss")
    text = _RATE.sub(" per ", words_of_units(plain))
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[0-9])(?=[A-Z][a-z])", " ", text)
    parts = [
        re.findall(r"[a-z0-9%]+(?:(?<=[0-9])\.[0-9]+e[0-9]+)?", part.lower()) for part in re.split(r"/|\.(?!\s)", text)
    ]
    return tuple(tuple(_SAME.get(w, w) for word in part for w in _apart(word)) for part in parts if part)


def _apart(word: str) -> list[str]:
    """The known words that a word is made of (`numparams`, `valloss`, `mparams`), or the word."""
    if word in _LEXICON or len(word) < 5 or len(word) > 40:
        return [word]
    best: list[list[str] | None] = [[], *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 15), end):
            before, piece = best[start], word[start:end]
            if before is None:
                continue
            letter = len(piece) == 1 and (
                (piece == "n" and start == 0) or re.match("(param|token|flop)", word[end:]) is not None
            )
            if (letter or (len(piece) > 1 and piece in _LEXICON)) and (
                best[end] is None or len(before) + 1 < len(best[end] or ())
            ):
                best[end] = [*before, piece]
    found = best[-1]
    known = found is not None and any(_SAME.get(w, w) in _HEADS for w in found)
    return found if found is not None and known else [word]


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning | None:
    """What a column of that name holds, or None where the name says nothing of N, D, C, U or a loss."""
    if name in ("N", "D", "C", "U"):
        return Meaning(name, 0)
    if len(name) > _LONGEST:
        return None
    parts = words_of(name)
    # A letter that is a part of a path is no unit of the next one, as in b.params.
    parts = [*(part for part in parts[:-1] if len("".join(part)) > 1), *parts[-1:]]
    for first in range(len(parts)):
        left_out = [word for part in parts[:first] for word in part]
        changed = first > 0 and bool(_CHANGES.intersection(left_out))
        words = [word for part in parts[first:] for word in part]
        while words:
            if found := _count(words, name) or _loss(words):
                evaluated = found.symbol == "N" and _CHANGES.intersection(left_out) == {"eval"}
                return found if not changed or evaluated else None
            if words[0] not in _CONTAINERS:
                break
            words = words[1:]
    return None


def losses_among(response: str, names: Collection[str]) -> set[str]:
    """The response if it is one of the names, else those that are surest to be a loss."""
    found = {name: said.rank for name in names if (said := meaning_of(name)) is not None and said.symbol == "loss"}
    return {response} if response in names else {name for name, rank in found.items() if rank == min(found.values())}


def is_perplexity(name: str) -> bool:
    """Whether the name says that a column holds perplexities."""
    return any("ppl" in part for part in words_of(name))


def loss_in(name: str, words: frozenset[str]) -> Meaning | None:
    """A loss in a unit that has those words, as perplexity has "ppl"; None where the name says nothing of it."""
    if len(name) > _LONGEST:
        return None
    found = [word for part in words_of(name.replace("%", " ")) for word in part if word not in ("percent", "pct")]
    return _loss(["loss" if word in words else word for word in found]) if words.intersection(found) else None


def data_in(name: str) -> str:
    """What a column of data counts, by its words: "images", "hours"; "tokens" where they say nothing else."""
    words = [word for part in words_of(name) for word in part]
    said = next((word for word in words if word in NO_TEXT), "")
    if not said or "tokens" in words:
        return "tokens"
    return f"{said}s" if f"{said}s" in NO_TEXT else _PLURALS.get(said, said)


def key(name: str) -> str:
    """A name in lower case without spaces and punctuation."""
    return re.sub(r"[\s_.\-]", "", name).lower()


def _count(words: list[str], name: str) -> Meaning | None:
    """N, D, C or U, of words all of which belong to it."""
    plain, factor = split_unit(words, in_english(name))
    if plain[:2] == ["non", "of"]:  # "No. of", without its point
        plain = ["n", *plain[1:]]
    rest = set(plain)
    if {"non", "vocab"} <= rest:
        rest = (rest - {"vocab"}) | {"emb"}
    if ("emb" in rest and not {"non", "with"} & rest) or ("non" in rest and "emb" not in rest):
        return None
    if {"6", "nd"} <= rest:
        rest = (rest - {"6", "nd"}) | {"6nd"}
    rest = {"c6nd" if word == "c6" else word for word in rest}
    if {"input", "seen"} <= rest:  # of a prompt, without the second word
        rest.remove("input")
    if "%" in name or not rest:
        return Meaning("C", 1, factor) if not rest and factor == PF_DAYS else None
    letter = plain[0] if plain[0] in ("n", "d", "c", "u") and len(plain) == 1 else ""
    if letter:
        if not re.search(rf"(?<![a-z]){letter}(?![a-z])", name.lower()):  # a count of nothing: "number", "Anzahl"
            return None
        return Meaning(letter.upper(), 1, factor) if len(words) == 1 or "(" in name or "[" in name else None
    weak = bool(rest & {"goal", "budget", "max", "approx", "6nd", "c6nd"})
    if "params" in rest and rest <= _COUNTED:
        return Meaning("N", _rank(plain, "params", rest, _PARTS), factor)
    if plain == ["p"] and factor is not None and "#" in name:  # "#P (M)"
        return Meaning("N", 1, factor)
    sized = "size" in rest and bool(rest & _MODELS)
    if rest <= _COUNTED and (sized or ("emb" in rest and "non" in rest) or plain[0] == "n" or rest >= _WEIGHTS):
        qualified = sized or "emb" in rest or bool(rest & {"total", "active", "weights", "weight", "approx"})
        return Meaning("N", 1, factor) if qualified else None
    if "unique" in rest and "tokens" in rest and rest - {"unique", "tokens"} <= _SEEN | _CORPUS:
        return Meaning("U", 0 if len(plain) == 2 else 1, factor)
    if "tokens" in rest and rest - {"tokens"} <= _SEEN and ("max" not in rest or rest & {"budget", "train"}):
        return Meaning("D", 2 if weak else _rank(plain, "tokens", rest), factor)
    if rest <= _SIZES and ({"data", "size"} <= rest or {"dataset", "size"} <= rest or rest in ({"n", "data"},)):
        return Meaning("D", 2, factor)
    if factor == PF_DAYS and rest <= _SPENT:
        return Meaning("C", 1, factor)
    if "train" in rest and (units := rest - _PLAIN - {"train"}) <= (NO_TEXT if "n" in rest else _UNITS_OF_DATA):
        return Meaning("D", 3, factor) if units or "n" in rest else None
    if len(rest & _LOOKED_AT) == 1 and rest - _LOOKED_AT <= _PLAIN | {"total", "train", "seen", "processed"}:
        return Meaning("D", 3, factor)
    if {"data", "tokens"} <= rest <= _SEEN | {"data", "tokens"}:
        return Meaning("D", 1, factor)
    if plain[0] == "d" and rest - {"d"} <= {"train", "total", "tokens"}:
        return Meaning("D", 1, factor)
    if rest & {"flops", "compute"} and rest - {"flops", "compute", "c"} <= _SPENT:
        return Meaning("C", 2 if weak or "emb" in rest else _rank(plain, "flops", rest), factor)
    if (rest <= _SPENT | {"c"} and rest & {"c", "c6nd"} and rest - {"c"} <= _SPENT - set(_PLAIN)) or plain == [
        "budget"
    ]:
        return Meaning("C", 2, factor)
    return None


def _rank(words: list[str], head: str, rest: set[str], parts: frozenset[str] = frozenset()) -> int:
    return 0 if words == [head] else 2 if rest & parts else 1


def _loss(words: list[str]) -> Meaning | None:
    """A loss: its word, and none that makes it something else; other words are taken for the name of a corpus."""
    while len(words) > 1 and words[0] in _CONTAINERS:
        words = words[1:]
    rest = set(words)
    if words[0] == "l" and rest <= {"l", "eval", "train"}:
        return Meaning("loss", TRAINING if "train" in rest else 4)
    if words == ["objective", "to", "minimize"]:
        return Meaning("loss", 3)
    bits = "bpb" in rest or ("bits" in rest and bool(rest & {"per", "loss"}))
    if not bits and not rest & {"loss", "entropy", "ce"} and not {"eval", "nats"} <= rest:
        return None
    if rest & _NO_LOSS or "%" in "".join(words) or ("tokens" in rest and "per" not in rest):
        return None
    if UNKNOWN in rest or any(_PART_OF_A_RUN.fullmatch(word) for word in words):
        return None
    if words[-1] in ("step", "epoch") and rest & {"best", "min", "minimum"}:
        return None
    if "train" in rest:
        return Meaning("loss", TRAINING)
    if words == ["loss"]:
        return Meaning("loss", 0)
    return Meaning("loss", 3 if bits else 1 if rest <= _GENERIC or rest & OVERALL else 2)
