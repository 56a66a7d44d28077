"""What a page is to a session: what can be set, what is answered, what is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.play.session.fields import Content, Fields, Settings
from fastnn.play.session.measured import Measured


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A page as a file: frames at so many points of a training, up to the step `last`.

    computes: settings after which the script of the file finds the row that is shown itself, as static/row.js does of a
    small network; the others are fixed. told: what a reader is told of that.
    """

    last: int
    points: int
    computes: frozenset[str] = frozenset()
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """fields: all that can be set. texts: words and numbers of the page, from the demonstrations.

    answer: what the kernels make of the settings, as JSON. begin: a training by them. Of those settings that a training
    need not begin anew for, `adjust` tells it. keeps: settings after which it begins anew with the parameters it had.
    program: Python that makes the same steps, or None of settings of which there is none. answers_to: settings after
    which the answer is another; empty is all.
    reads: what the setting `file` becomes of the bytes of one that is dropped on the page. recording: of a page that
    can be written as a file.
    """

    fields: Fields
    texts: Callable[[], dict[str, Any]]
    answer: Callable[[Settings], dict[str, Any]] | None = None
    begin: Callable[[Settings], Measured] | None = None
    adjust: Callable[[Measured, Settings], None] | None = None
    adjusts: frozenset[str] = frozenset()
    keeps: frozenset[str] = frozenset()
    program: Callable[[Settings, int], str | None] | None = None
    answers_to: frozenset[str] = frozenset()
    reads: Callable[[bytes], Content] | None = None
    recording: Recording | None = None
