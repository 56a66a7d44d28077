"""A session for each place where a widget is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastnn.play.session.fields import Refused, shown
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import message_of, refusal
from fastnn.play.session.session import MOST_SESSIONS, Session

# Seconds until a session that is busy is asked again.
PAUSE = 0.005
# Of what a view calls itself.
MOST_NAME = 64


class Views:
    """send(content, buffers): to all of them; each takes what has its name, from any thread."""

    def __init__(self, lesson: Lesson, send: Callable[[dict[str, Any], list[bytes]], object]) -> None:
        self._lesson, self._send = lesson, send
        self._sessions: dict[str, Session] = {}

    def receive(self, content: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        """What a view says: {"view", "text"}, {"view"} with the bytes of a file, or {"view", "end"}. ValueError: no
        name."""
        view = content.get("view")
        if not isinstance(view, str) or not 0 < len(view) <= MOST_NAME:
            raise ValueError(f"view is {shown(view)}; expected a name of 1 to {MOST_NAME} characters")
        if "end" in content:
            self._end(view)
            return
        try:
            session = self._session(view)
            message = message_of(content.get("text"), bytes(buffers[0]) if buffers else None, session.takes_files)
        except Refused as error:
            self._send({"view": view, "text": refusal(error)}, [])
            return
        while not session.take(message):
            time.sleep(PAUSE)

    def end(self) -> None:
        """All of them."""
        for view in [*self._sessions]:
            self._end(view)

    def _session(self, view: str) -> Session:
        if view not in self._sessions:
            if len(self._sessions) >= MOST_SESSIONS:
                raise Refused("view", f"is one of more than {MOST_SESSIONS}; close another place where this is shown")
            self._sessions[view] = Session(self._lesson, lambda told: self._deliver(view, told))
        return self._sessions[view]

    def _deliver(self, view: str, told: str | bytes) -> None:
        if isinstance(told, str):
            self._send({"view": view, "text": told}, [])
        else:
            self._send({"view": view}, [told])

    def _end(self, view: str) -> None:
        session = self._sessions.pop(view, None)
        while session is not None and not session.take(None):
            time.sleep(PAUSE)
