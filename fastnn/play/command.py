"""What `fastnn play` does between its options and the server."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

import click

from fastnn.bench.progress import say
from fastnn.play.lessons.catalogue import TITLES

PACKAGES = ("starlette", "uvicorn", "websockets")


def run_play(lesson: str, port: int, browser: bool) -> None:
    """Serves until Ctrl-C. click.UsageError before anything is opened."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise click.UsageError(f"{' and '.join(missing)} must be installed for this: pip install 'fastnn[play]'")
    if lesson not in TITLES:
        raise click.UsageError(f"there is no page {lesson}; expected one of {', '.join(TITLES)}")
    from fastnn.play.server.app import listening, serve
    from fastnn.play.server.door import door
    from fastnn.play.server.guard import Keys

    try:
        listener = listening(port)
    except OSError as error:
        raise click.UsageError(f"port {port} of this machine cannot be had: {error.strerror}") from error
    keys = Keys(listener.getsockname()[1])
    address = f"http://{keys.hosts[0]}/{lesson}?token={keys.token}"

    with _ended_as_by_an_exception(), ExitStack() as stack:

        def tell() -> None:
            say(f"the playground is at {address}\nfor this machine alone; Ctrl-C ends it")
            if browser:
                import webbrowser

                file = stack.enter_context(door(address))
                threading.Thread(target=webbrowser.open, args=[file.as_uri()], daemon=True).start()

        serve(listener, keys, lesson, tell)


@contextmanager
def _ended_as_by_an_exception() -> Iterator[None]:
    """A signal that ends the process clears away what was made for it, as Ctrl-C does. uvicorn raises SIGTERM anew when
    it has closed its sockets."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
