"""The playground in a notebook: sessions of its views, and what goes over the kernel's socket. In a browser:
test_play_notebook_page.py."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import Any

import needs
import pytest
from processes import run_python
from sessions import EPOCH, fitted
from test_play_plane import CSV

import fastnn
from fastnn.play.lessons.catalogue import lesson
from fastnn.play.notebook.views import Views
from fastnn.play.session import frames
from fastnn.play.session.session import MOST_SESSIONS

needs.package("pyarrow")


class Kernel:
    """What views were sent, by their names."""

    def __init__(self, name: str = "spam") -> None:
        self.sent: queue.Queue[tuple[dict[str, Any], list[bytes]]] = queue.Queue()
        self.views = Views(lesson(name), lambda content, buffers: self.sent.put((content, buffers)))

    def say(self, view: str, **message: Any) -> None:
        self.views.receive({"view": view, "text": json.dumps(message)}, [])

    def told(self, view: str, key: str) -> Any:
        while True:
            content, _ = self.sent.get(timeout=60)
            assert content["view"] == view
            if "text" in content and key in (found := json.loads(content["text"])):
                return found[key]

    def file(self, view: str) -> bytes:
        self.say(view, do="save", form="safetensors")
        while True:
            content, buffers = self.sent.get(timeout=60)
            if buffers and buffers[0][1] == frames.FILE:
                assert content == {"view": view}
                return buffers[0][frames.HEADER.size :]


def test_a_view_trains_as_fit_does(tmp_path: Path) -> None:
    kernel = Kernel()
    kernel.say("a", do="open")
    kernel.say("a", do="train", until=10 * EPOCH)
    assert kernel.told("a", "paused") == 10 * EPOCH
    assert kernel.file("a") == fitted(tmp_path, 10, batch=32, optimizer=fastnn.SGD(0.1))
    kernel.views.end()


def test_two_views_do_not_meet_and_one_ends_alone() -> None:
    kernel = Kernel()
    kernel.say("a", do="open")
    kernel.told("a", "layout")
    kernel.say("b", do="open", settings={"seed": 3})
    kernel.told("b", "layout")
    first, second = kernel.file("a"), kernel.file("b")
    assert first != second
    kernel.views.receive({"view": "a", "end": True}, [])
    assert kernel.file("b") == second
    kernel.views.end()


def test_a_file_comes_as_bytes() -> None:
    kernel = Kernel("plane")
    kernel.say("a", do="open")
    kernel.told("a", "words")
    kernel.views.receive({"view": "a"}, [CSV])
    assert kernel.told("a", "words")["title"] == "300 rows of your file"
    kernel.views.end()


@pytest.mark.parametrize("view", [None, 7, "", "x" * 65])
def test_a_view_without_a_name_is_refused(view: Any) -> None:
    with pytest.raises(ValueError, match="expected a name of 1 to 64 characters"):
        Kernel().views.receive({"view": view, "text": "{}"}, [])


def test_what_no_page_says_is_told_and_more_than_eight_are_too_many() -> None:
    kernel = Kernel()
    for content in ({"view": "a", "text": "no JSON"}, {"view": "a"}, {"view": "a", "text": 7}):
        kernel.views.receive(content, [])
        assert kernel.told("a", "refused")["field"] == "message"
    for at in range(MOST_SESSIONS - 1):
        kernel.say(f"b{at}", do="open")
        kernel.told(f"b{at}", "layout")
    kernel.say("c", do="open")
    assert "is one of more than 8" in kernel.told("c", "refused")["told"]
    kernel.views.end()


def test_the_widget_carries_messages_to_its_views_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    needs.package("anywidget")
    from fastnn.play.notebook.widget import Playground

    sent: queue.Queue[tuple[Any, Any]] = queue.Queue()
    monkeypatch.setattr(Playground, "send", lambda _, content, buffers=None: sent.put((content, buffers)))
    widget = Playground("neuron", height=500)
    assert widget.height == 500
    assert "default-src 'none'" in widget.page
    widget._handle_custom_msg({"view": "a", "text": '{"do": "open"}'}, [])
    found: dict[str, Any] = {}
    while "answer" not in found:
        content, _ = sent.get(timeout=60)
        found |= json.loads(content["text"])
    assert found["answer"]["sum"] == pytest.approx(0.98)
    widget.close()
    with pytest.raises(ValueError, match="lesson is 'tank'; expected one of neuron, spam"):
        Playground("tank")


def test_without_the_extra_one_sentence_says_how() -> None:
    source = """
import json, sys
sys.modules["anywidget"] = None
try:
    import fastnn.play.notebook.widget
except ModuleNotFoundError as error:
    print(json.dumps(str(error)))
"""
    assert run_python(source) == "anywidget must be installed for this: pip install 'fastnn[widget]'"
