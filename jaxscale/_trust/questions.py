"""What is asked of one table, asked of many at once: the robust fits that each waits for are made together.

A question that needs robust fits is a generator, written for one table: it yields those it needs and goes on when they
are there.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")


class Needed(Protocol):
    """Fits of one table that a question needs, and how all of that kind are made at once."""

    @staticmethod
    def each(asked: Sequence[Any]) -> Sequence[Any]:
        """Those of every table."""
        ...


Asking = Generator[Sequence[Needed], list[Any], Answer]


def together(questions: Iterable[Asking[Answer]]) -> list[Answer]:
    """The answers to all questions, in their order."""
    waiting = dict(enumerate(questions))
    needed: dict[int, Sequence[Needed]] = {}
    answers: dict[int, Answer] = {}

    def go_on(k: int, fits: list[Any] | None) -> None:
        question = waiting[k]
        try:
            needed[k] = next(question) if fits is None else question.send(fits)
        except StopIteration as end:
            answers[k] = end.value
            del waiting[k]

    for k in list(waiting):
        go_on(k, None)
    while needed:
        now, needed = needed, {}
        fits = iter(_made([one for asked in now.values() for one in asked]))
        for k, asked in now.items():
            go_on(k, [next(fits) for _ in asked])
    return [answers[k] for k in sorted(answers)]


def _made(asked: Sequence[Needed]) -> list[Any]:
    """All fits that are needed, in their order, those of a kind at once."""
    made: list[Any] = [None] * len(asked)
    for kind in dict.fromkeys(map(type, asked)):
        of_kind = [k for k, one in enumerate(asked) if type(one) is kind]
        for k, fit in zip(of_kind, kind.each([asked[k] for k in of_kind]), strict=True):
            made[k] = fit
    return made


def answered(question: Asking[Answer]) -> Answer:
    """The answer to one question."""
    return together([question])[0]
