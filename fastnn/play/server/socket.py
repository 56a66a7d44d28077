"""A page's WebSocket: its messages to a session, the session's frames and words to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.session.fields import Refused
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import message_of, refusal
from fastnn.play.session.session import MOST_SESSIONS, Session

# What waits to be sent to a page that does not read; then it is let go.
MOST_UNSENT = 64
# Seconds until a session that is busy is asked again whether it takes a message.
PAUSE = 0.005
# Seconds that a session has to make room for the next.
MOMENT = 1.0
TRY_AGAIN, UNACCEPTABLE, TOO_SLOW = 1013, 1003, 1008


class Outbox:
    """What a session's thread hands to the loop of the server."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.is_full = False

    def deliver(self, content: str | bytes) -> None:
        """From any thread; at the end of a server its loop may be gone."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put, content)

    def _put(self, content: str | bytes) -> None:
        if self._waiting.qsize() < MOST_UNSENT:
            self._waiting.put_nowait(content)
        else:
            self.is_full = True

    async def send_on(self, socket: WebSocket) -> None:
        while True:
            content = await self._waiting.get()
            await (socket.send_text(content) if isinstance(content, str) else socket.send_bytes(content))


class Sockets:
    """All that are open."""

    def __init__(self) -> None:
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """One page, from its first message to its last."""
        name = socket.path_params["lesson"]
        await socket.accept()
        if name not in TITLES:
            await socket.close(UNACCEPTABLE, "no such page")
            return
        await self._room()
        if self._open >= MOST_SESSIONS:
            told = f"{MOST_SESSIONS} pages are open, as many as may; close one, and load this again"
            await socket.send_text(refusal(Refused("page", told)))
            await socket.close(TRY_AGAIN)
            return
        self._open += 1
        try:
            # An import, which may take long: the loop goes on.
            await meet(socket, await asyncio.to_thread(lesson, name))
        finally:
            self._open -= 1

    async def _room(self) -> None:
        """A page that is loaded again comes before the thread of its last session has ended: that is waited for."""
        for _ in range(round(MOMENT / PAUSE)):
            if self._open < MOST_SESSIONS:
                return
            await asyncio.sleep(PAUSE)


async def meet(socket: WebSocket, lesson: Lesson) -> None:
    """A session, until its page has gone and its thread has ended."""
    outbox = Outbox()
    session = Session(lesson, outbox.deliver)
    sending = asyncio.create_task(outbox.send_on(socket))
    try:
        with suppress(WebSocketDisconnect):
            await _receive(socket, session, outbox)
    finally:
        sending.cancel()
        while not session.take(None):
            await asyncio.sleep(PAUSE)
        while session.is_alive and not _server_ends():
            await asyncio.sleep(PAUSE)


def _server_ends() -> bool:
    """Then nobody waits for a thread, which may be compiling: it ends with the process."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _receive(socket: WebSocket, session: Session, outbox: Outbox) -> None:
    """Until the page goes, or says what no page of ours says."""
    while not outbox.is_full:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        try:
            message = message_of(received.get("text"), received.get("bytes"), session.takes_files)
        except Refused as error:
            await socket.send_text(refusal(error))
            await socket.close(UNACCEPTABLE)
            return
        while not session.take(message):
            await asyncio.sleep(PAUSE)
    # The close waits behind all that was not read.
    with suppress(TimeoutError):
        await asyncio.wait_for(socket.close(TOO_SLOW), MOMENT)
