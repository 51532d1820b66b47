"""Which address does what. Handlers read, ask, answer; what takes time is done in threads beside the server's."""

import json
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from jaxscale._base.errors import InputError, JaxscaleError
from jaxscale._pages.app.app_page import drop_page, looked_at, page_script, page_style, table_page
from jaxscale._pages.app.asked_plan import AskedPlan, answer_to
from jaxscale._pages.app.asked_reading import Reading, on_page
from jaxscale._pages.app.browsers import Browsers, HeldTable
from jaxscale._pages.app.fit_job import FitJob
from jaxscale._pages.app.guard import Guard, TooLarge, body_of, browser_of
from jaxscale._pages.app.slider_model import first_asked
from jaxscale._pages.app.take_away import FILES, Taken, kept_of
from jaxscale._pages.app.uploads import MOST_BYTES, guess, table_of

_BODY = 64 * 2**10


class _Page:
    """The handlers, with what they share: the browsers, and one thread that fits, one table after the other."""

    def __init__(self, browsers: Browsers, cookie: str) -> None:
        self.browsers, self.cookie = browsers, cookie
        self.workers = ThreadPoolExecutor(1, thread_name_prefix="fit")

    def browser(self, request: Request) -> str:
        return browser_of(request.headers.get("cookie", ""), self.cookie)

    def table(self, request: Request) -> HeldTable:
        return self.browsers.table(self.browser(request), request.path_params["id"])

    # --- What a browser needs before it is known ---
    async def drop(self, request: Request) -> Response:
        return HTMLResponse(drop_page())

    async def code(self, request: Request) -> Response:
        return Response(page_script(), media_type="text/javascript")

    async def style(self, request: Request) -> Response:
        return Response(page_style(), media_type="text/css")

    async def icon(self, request: Request) -> Response:
        return Response(status_code=204)

    async def enter(self, request: Request) -> Response:
        """The token for a cookie, which no script can read and no other site's page sends."""
        given = await _json(request)
        secret = self.browsers.enter(str(given.get("token", "")), self.browser(request))
        if secret is None:
            return JSONResponse({"error": "that is not the token that `jaxscale app` printed"}, 403)
        answer = JSONResponse({})
        answer.set_cookie(self.cookie, secret, httponly=True, samesite="strict", path="/")
        return answer

    # --- Tables ---
    async def tables(self, request: Request) -> Response:
        held = self.browsers.tables(self.browser(request))
        told = [{"id": t.id, "name": t.name, "rows": len(t.frame), "fitted": t.fitted is not None} for t in held]
        return JSONResponse({"tables": told})

    async def take(self, request: Request) -> Response:
        data = await body_of(request, MOST_BYTES)
        table = await run_in_threadpool(table_of, data, unquote(request.headers.get("x-table-name", "")))
        self.browsers.hold(self.browser(request), table)
        return JSONResponse({"id": table.id})

    async def show(self, request: Request) -> Response:
        try:
            table = self.table(request)
        except InputError:
            return RedirectResponse("/", 303)
        asked = request.query_params
        return HTMLResponse(
            await run_in_threadpool(_shown, table, asked.get("target", "flops"), asked.get("amount", ""))
        )

    async def look(self, request: Request) -> Response:
        """How the table would be read."""
        table, given = self.table(request), await _json(request)
        found = await run_in_threadpool(guess, table, _reading(table, given))
        return JSONResponse(looked_at(table, found))

    async def fit(self, request: Request) -> Response:
        """Begins a fit; the answer is that of `follow`."""
        table, given = self.table(request), await _json(request)
        table.reading = _reading(table, given)
        if table.job is not None:
            table.job.stop()
        table.job = FitJob(table, self.workers)
        return await self.follow(request)

    async def follow(self, request: Request) -> Response:
        """A stream of lines, one JSON each, until the fit under way is done or fails."""
        job = self.table(request).job
        if job is None:
            raise InputError("there is no fit under way")

        async def lines() -> AsyncIterator[str]:
            line: dict[str, Any] = {}
            known = job.known
            with job.heard():
                while not ("done" in line or "error" in line):
                    line, known = await run_in_threadpool(job.next_line, known)
                    yield json.dumps(line, allow_nan=False) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def stop(self, request: Request) -> Response:
        table = self.table(request)
        if table.job is not None:
            table.job.stop()
        return JSONResponse({})

    async def plan(self, request: Request) -> Response:
        table, given = self.table(request), await _json(request)
        return JSONResponse(await run_in_threadpool(_quietly, answer_to, _fitted(table), AskedPlan.of(given)))

    async def file(self, request: Request) -> Response:
        table, name = self.table(request), request.path_params["file"]
        if name not in FILES:
            raise HTTPException(404)
        kind, make = FILES[name]
        asked = request.query_params
        taken = Taken(table.name, _fitted(table), AskedPlan.of(asked), kept_of(asked.getlist("keep")))
        text = await run_in_threadpool(_quietly, make, taken)
        return Response(text, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def application(browsers: Browsers, hosts: tuple[str, ...], cookie: str = "jaxscale") -> Starlette:
    """The page as an ASGI application, which answers under these values of Host alone."""
    page = _Page(browsers, cookie)
    routes = [
        Route("/", page.drop),
        Route("/app.js", page.code),
        Route("/look.css", page.style),
        Route("/favicon.ico", page.icon),
        Route("/api/enter", page.enter, methods=["POST"]),
        Route("/api/tables", page.tables, methods=["GET"]),
        Route("/api/tables", page.take, methods=["POST"]),
        Route("/api/tables/{id}/fit", page.fit, methods=["POST"]),
        Route("/api/tables/{id}/fit", page.follow, methods=["GET"]),
        Route("/api/tables/{id}/look", page.look, methods=["POST"]),
        Route("/api/tables/{id}/stop", page.stop, methods=["POST"]),
        Route("/api/tables/{id}/plan", page.plan, methods=["POST"]),
        Route("/tables/{id}", page.show),
        Route("/tables/{id}/{file}", page.file),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts, known=browsers.knows, cookie=cookie)],
        exception_handlers={JaxscaleError: _refused, HTTPException: _missing},
    )


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": on_page(error)}, 413 if isinstance(error, TooLarge) else 400)


async def _missing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse("there is no such page here", status)


async def _json(request: Request) -> dict[str, Any]:
    data = await body_of(request, _BODY)
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError("the request is not JSON") from None
    if not isinstance(given, dict):
        raise InputError("the request is not a JSON object")
    return given


def _reading(table: HeldTable, given: dict[str, Any]) -> Reading:
    return Reading.of(given, {str(name) for name in table.frame.columns})


def _fitted(table: HeldTable) -> Any:
    if table.fitted is None:
        raise InputError("fit this table first")
    return table.fitted


def _shown(table: HeldTable, target: str, amount: str) -> str:
    if table.fitted is None:
        return table_page(table, None)
    try:
        return table_page(table, first_asked(table.fitted, target, amount))
    except InputError as error:
        return table_page(table, first_asked(table.fitted, "flops", ""), on_page(error))


def _quietly(work: Any, *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(*arguments)
