"""`Playground("spam")` shows a page of the playground in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

try:
    import anywidget
    import traitlets
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error.name} must be installed for this: pip install 'fastnn[widget]'") from error

from fastnn.play.export.page import framed
from fastnn.play.lessons import catalogue
from fastnn.play.notebook.views import Views
from fastnn.play.server.pages import STATIC


class Playground(anywidget.AnyWidget):
    """A page in a frame of its own, whose numbers come from this process: two do not meet.

    lesson: its name, see `fastnn play`. height: of the frame, in pixels. ValueError: there is no such page.
    """

    _esm = (STATIC / "widget.js").read_text(encoding="utf-8")
    page = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(760, min=200).tag(sync=True)

    # One that was refused is closed, too, when it is forgotten.
    _views: Views | None = None

    def __init__(self, lesson: str = "spam", height: int = 760) -> None:
        if lesson not in catalogue.TITLES:
            raise ValueError(f"lesson is {lesson!r}; expected one of {', '.join(catalogue.TITLES)}")
        super().__init__(page=framed(lesson), height=height)
        self._views = views = Views(catalogue.lesson(lesson), self.send)

        def hear(_: object, content: dict[str, Any], buffers: Sequence[Any]) -> None:
            views.receive(content, [bytes(each) for each in buffers])

        self.on_msg(hear)

    def close(self) -> None:
        """Its sessions end."""
        if self._views is not None:
            self._views.end()
        super().close()
