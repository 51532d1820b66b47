"""The verb `serve`: the page on this machine."""

import importlib
import ipaddress
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.text import inert, quoted
from jaxscale._data.tables import read_frame
from jaxscale._pages.app.browsers import Browsers

_ALL = ("0.0.0.0", "::")
_PORT = 8462  # taken where it is free, so that links stay the same


def serve(
    runs: Any = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the page until interrupted: drop a table, correct its columns, fit, move sliders (extra `app`).

    Tables stay in the memory of this process, for at most 8 browsers, and go four hours after the last request. A
    browser must show the token in the address that is printed; nothing is written to disk, and no other machine is
    asked for anything.

    Args:
        runs: a table to begin with, anything `read_runs` reads; without it one is dropped on the page.
        host: the address to listen at: this machine alone. Any other lets other machines in, unencrypted.
        port: the port to listen at; by default 8462 where it is free.
        browser: whether to open a browser.
        say: takes the lines that tell the address; by default they go to standard error.

    Raises:
        InputError: the table cannot be read, or nothing can listen there.
        MissingExtraError: starlette or uvicorn is not installed.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    try:
        uvicorn = importlib.import_module("uvicorn")
        routes = importlib.import_module("jaxscale._pages.app.routes")  # imports starlette
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("jaxscale"):
            raise
        raise MissingExtraError("the page needs starlette and uvicorn: pip install 'jaxscale[app]'") from None
    given = None if runs is None else (inert(runs, 400) if isinstance(runs, str) else "table", read_frame(runs))
    listening = _listen(host, port)
    number = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)
    shown = socket.gethostname() if host in _ALL else f"[{host}]" if ":" in host else host
    app = routes.application(Browsers(token, given), _hosts(host, number), f"jaxscale-{number}")
    address = f"http://{shown}:{number}/#token={token}"
    if not _is_loopback(host):
        say(
            f"warning: other machines can reach this page at {shown}:{number}, and what is sent is not encrypted; "
            "an SSH tunnel to a page on 127.0.0.1 is safer"
        )
    say(f"The page is at {address}\nIt stays until you press Ctrl-C. Whoever has this address can use it.")
    importlib.import_module("jaxscale._pages.app.warming").warm()
    if browser:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, ws="none",
        timeout_graceful_shutdown=1, limit_concurrency=256,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int | None) -> socket.socket:
    wanted = _PORT if port is None else port
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            made.bind((host, wanted))
        except OSError:
            if port is not None:
                raise
            made.bind((host, 0))
        made.listen(128)  # from here on a browser that comes waits
    except (OSError, OverflowError) as error:
        made.close()
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"the page cannot listen at {quoted(host)}, port {wanted}: {why}") from None
    return made


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(host: str, port: int) -> tuple[str, ...]:
    """Values of Host that are this page. Where all addresses are listened at, those of this machine's name."""
    names = {"127.0.0.1", "localhost", "[::1]"} if _is_loopback(host) else {f"[{host}]" if ":" in host else host}
    if host in _ALL:
        name = socket.gethostname()
        names |= {"127.0.0.1", "localhost", name, socket.getfqdn()}
        with suppress(OSError):
            names |= {str(a[4][0]) for a in socket.getaddrinfo(name, None, socket.AF_INET)}
    return tuple(f"{n}:{port}" for n in sorted(names))
