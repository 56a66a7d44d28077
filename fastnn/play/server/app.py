"""Routes, and a server of them on a port of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from fastnn.play.lessons import catalogue
from fastnn.play.lessons.catalogue import TITLES
from fastnn.play.server.guard import Guard, Keys
from fastnn.play.server.pages import modules, page, style
from fastnn.play.server.socket import Sockets
from fastnn.play.session.messages import MOST_MESSAGE
from fastnn.play.session.session import load

LOOPBACK = "127.0.0.1"


def application(keys: Keys, first: str) -> Guard:
    """first: the page that / leads to."""
    scripts = modules()

    async def start(request: Request) -> Response:
        return RedirectResponse(f"/{first}", 303)

    async def lesson(request: Request) -> Response:
        name = request.path_params["lesson"]
        return HTMLResponse(page(name)) if name in TITLES else _nothing()

    async def style_sheet(request: Request) -> Response:
        return Response(style(), media_type="text/css")

    async def script(request: Request) -> Response:
        file = scripts.get(request.path_params["name"])
        return Response(file.read_bytes(), media_type="text/javascript") if file else _nothing()

    routes = [
        Route("/", start), Route("/static/style.css", style_sheet), Route("/static/{name:path}", script),
        Route("/{lesson}", lesson), WebSocketRoute("/socket/{lesson}", Sockets().serve),
    ]  # fmt: skip
    return Guard(Starlette(routes=routes), keys)


def _nothing() -> Response:
    return PlainTextResponse("There is no such page.\n", 404)


def listening(port: int) -> socket.socket:
    """On loopback alone; 0 is any port that is free. OSError."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was ours a moment ago
    try:
        made.bind((LOOPBACK, port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def serve(listener: socket.socket, keys: Keys, first: str, ready: Callable[[], object]) -> None:
    """Until Ctrl-C."""
    config = uvicorn.Config(
        application(keys, first), http="h11", ws="websockets-sansio", ws_max_size=MOST_MESSAGE, lifespan="off",
        log_level="critical", access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=0,
    )  # fmt: skip
    server = uvicorn.Server(config)
    threading.Thread(target=lambda: load(catalogue.lesson(first)), name="fastnn play loads", daemon=True).start()
    ready()
    server.run(sockets=[listener])
