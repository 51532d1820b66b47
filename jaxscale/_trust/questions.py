"""What is asked of one table, asked of many at once: the robust fits that each waits for are made together.

A question that needs robust fits is a generator, written for one table: it yields those it needs and goes on when they
are there.
"""

from collections.abc import Generator, Iterable
from typing import TypeVar

from jaxscale._trust.robust_fits import Asked, RobustFits, each_fit

Answer = TypeVar("Answer")
Asking = Generator[list[Asked], list[RobustFits], Answer]


def together(questions: Iterable[Asking[Answer]]) -> list[Answer]:
    """The answers to all questions, in their order."""
    waiting = dict(enumerate(questions))
    needed: dict[int, list[Asked]] = {}
    answers: dict[int, Answer] = {}

    def go_on(k: int, fits: list[RobustFits] | None) -> None:
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
        fits = iter(each_fit([one for asked in now.values() for one in asked]))
        for k, asked in now.items():
            go_on(k, [next(fits) for _ in asked])
    return [answers[k] for k in sorted(answers)]


def answered(question: Asking[Answer]) -> Answer:
    """The answer to one question."""
    return together([question])[0]
