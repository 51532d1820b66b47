"""A record that has a report: it only points to `jaxscale._pages`, which stands on all records and is looked up when
one is asked for."""

from importlib import import_module
from pathlib import Path
from typing import Any, Literal


class Reported:
    """A record that `jaxscale._pages` writes a report of."""

    def report_html(
        self,
        path: str | Path | None = None,
        *,
        plans: Any = (),
        compare: Any = None,
        title: str = "",
        form: Literal["html", "md", "json"] | None = None,
    ) -> str:
        """Everything about the decision in one file that needs nothing else: the best size, tokens and loss with their
        intervals and how far to trust them; then the verdict with what to do, sliders that plan again in the page,
        pictures, tables, the fit card, and the lines of Python and shell that make it again.

        Nothing in the file is fetched from anywhere; the same records give the same bytes. Returns the text.

        Args:
            path: where to write it, if anywhere.
            plans: plans of this fit, or paths of files of theirs. The first is the decision, in it the largest budget;
                of a fit without any, and of a law of N and D, a plan for ten times the largest run.
            compare: a comparison of laws, or the path of its file.
            title: the heading, in place of the decision in a sentence.
            form: "html", or without pictures and sliders "md" (Markdown) or "json" (plain data); by the ending of the
                path where it is not said.

        Raises:
            InputError: a plan is of another fit, a file is none of these, or the path ends in something else.
        """
        return import_module("jaxscale._pages.write_report").write_report(self, path, plans, compare, title, form)
