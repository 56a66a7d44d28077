"""The pages by name, in the order in which one learns."""

from __future__ import annotations

from importlib import import_module

from fastnn.play.session.lesson import Lesson

# Name, the word in the list of pages, the claim of the page. fastnn.play.lessons.NAME has LESSON.
TITLES: dict[str, tuple[str, str]] = {
    "spam": ("Spam", "26 numbers learn to find spam"),
}


def lesson(name: str) -> Lesson:
    found: Lesson = import_module(f"fastnn.play.lessons.{name.replace('-', '_')}").LESSON
    return found
