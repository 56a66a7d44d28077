"""A page's own thread: it trains, and in between does what it is told and shows what it has been asked for."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Set
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from fastnn.bench.compiling import announced
from fastnn.play.session import frames
from fastnn.play.session.fields import Refused, Settings, Whole, as_json, defaults, finite, read
from fastnn.play.session.files import file_of, forms_of
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.measured import Measured
from fastnn.play.session.messages import MOST_MESSAGE, MOST_SHARED, Message, refusal, weights_of
from fastnn.play.session.run import Steps
from fastnn.simd.machine import pace

# Of one process.
MOST_SESSIONS = 8
# Frames that a page may ask for ahead.
MOST_CREDIT = 2
# Messages that wait; who sends more is not read until some are done.
WAITING = 64
# A weight that is typed.
LARGEST = 1e6
T = TypeVar("T")


@cache
def one_cores_peak() -> float:
    """FLOP/s."""
    return pace("float32")


def load(lesson: Lesson) -> None:
    """What a page of it will ask for first, so that its kernels are there: half a second while a browser starts."""
    settings = defaults(lesson.fields)
    lesson.texts()
    if lesson.begin is not None:
        made = lesson.begin(settings)
        made.arrays(moving=False)
        made.run.advance(until=1)
        one_cores_peak()
    if lesson.answer is not None:
        lesson.answer(settings)


class Session:
    """deliver(text or bytes) is called from the session's thread, and must return at once."""

    def __init__(self, lesson: Lesson, deliver: Callable[[str | bytes], None]) -> None:
        self._lesson, self._deliver = lesson, deliver
        self._inbox: queue.Queue[Message | None] = queue.Queue(WAITING)
        self._settings: Settings = defaults(lesson.fields)
        self._watched: Measured | None = None
        self._trains = False
        self._until: int | None = None
        self._credit, self._changed, self._layout = 0, False, 0
        self._answer_due = False
        self._answered: Settings | None = None
        self._actions: dict[str, Callable[..., None]] = {
            "open": self._open, "set": self._set, "frame": self._frame, "train": self._go, "pause": self._pause,
            "step": self._step, "reset": self._reset, "put": self._put, "pick": self._pick, "save": self._save,
            "give": self._give,
        }  # fmt: skip
        self._thread = threading.Thread(target=self._live, name="fastnn play", daemon=True)
        self._thread.start()

    def take(self, message: Message | None) -> bool:
        """False where as many wait as may. None ends the session; one that met a fault takes all, and does nothing."""
        if not self.is_alive:
            return True
        with suppress(queue.Full):
            self._inbox.put_nowait(message)
            return True
        return False

    @property
    def is_alive(self) -> bool:
        """Whether its thread is still there."""
        return self._thread.is_alive()

    @property
    def takes_files(self) -> bool:
        return self._lesson.reads is not None

    def _live(self) -> None:
        try:
            with announced(lambda told: self._tell(told=told)):
                while self._hear():
                    if self._trains:
                        self._train()
                    self._show()
        except Exception as error:
            self._deliver(refusal(Refused("page", f"met a fault of fastnn: {error!r}; load it again")))
            raise

    def _hear(self) -> bool:
        """Does what is asked; waits for that where there is nothing else to do. False at the end."""
        message = self._next(wait=not self._trains)
        while message is not None:
            if message.do == "end":
                return False
            self._do(message)
            message = self._next(wait=False)
        return True

    def _next(self, wait: bool) -> Message | None:
        try:
            found = self._inbox.get(wait)
        except queue.Empty:
            return None
        return Message("end") if found is None else found

    def _do(self, message: Message) -> None:
        try:
            self._actions[message.do](**message.parts)
        except Refused as error:
            self._refuse(error)

    def _refuse(self, error: Refused, **more: Any) -> None:
        """With the settings as they are, for a page that shows others by now."""
        self._deliver(refusal(error, settings=as_json(self._lesson.fields, self._settings), **more))

    def _tell(self, **told: Any) -> None:
        self._deliver(json.dumps(told, allow_nan=False))

    # What a page may ask ----------------------------------------------------------------------------------------------

    def _open(self, settings: Any = None, weights: Any = None) -> None:
        """First of all; the page learns what there is. A link that is refused is told, and the defaults are shown."""
        lesson = self._lesson
        try:
            given = read(lesson.fields, {} if settings is None else settings)
        except Refused as error:
            given, weights = {}, None
            self._deliver(refusal(error, link=True))
        self._settings |= given
        self._tell(
            fields={name: each.describe() for name, each in lesson.fields.items()}, texts=lesson.texts(),
            settings=as_json(lesson.fields, self._settings), most_shared=MOST_SHARED, most_file=MOST_MESSAGE,
            forms=forms_of(lesson),
            comes=["answer"] * bool(lesson.answer) + ["frame"] * bool(lesson.begin),
        )  # fmt: skip
        self._begin()
        if weights is not None and self._watched is not None:
            self._with_weights(self._watched, weights)
        self._answer_due = lesson.answer is not None

    def _with_weights(self, watched: Measured, weights: Any) -> None:
        try:
            watched.run.write(weights_of(weights, watched.network.parameter_count), "its weights came with a link")
        except Refused as error:
            self._deliver(refusal(error, link=True))

    def _set(self, settings: Any) -> None:
        given = read(self._lesson.fields, settings)
        before = self._settings
        changed = {name for name, value in given.items() if value != before[name]}
        self._settings = before | given
        if changed - self._lesson.adjusts:
            try:
                self._begin(kept=changed & self._lesson.keeps if changed <= self._keepable else frozenset())
            except Refused:
                self._settings = before
                raise
        elif self._watched is not None and self._lesson.adjust is not None:
            self._lesson.adjust(self._watched, self._settings)
        self._changed = True
        self._answer_due = self._answer_due or bool(changed & self._lesson.answers_to) or (
            self._lesson.answer is not None and not self._lesson.answers_to
        )  # fmt: skip

    def _frame(self) -> None:
        self._credit = min(MOST_CREDIT, self._credit + 1)

    def _go(self, until: int | None = None) -> None:
        run, last = self._trainable(), self._required().last
        if until is not None and until <= run.steps:
            raise Refused("until", f"is {until}; expected more than the {run.steps} steps that were made")
        self._trains, self._until = True, min((each for each in (until, last) if each is not None), default=None)

    def _pause(self) -> None:
        self._trains, self._changed = False, True

    def _step(self) -> None:
        run = self._trainable()
        self._trains = False
        run.advance(until=run.steps + 1)
        self._changed = True

    def _reset(self) -> None:
        self._required()
        self._begin()

    def _put(self, index: Any, value: Any) -> None:
        watched = self._required()
        watched.run.put(self._index(watched, index), finite("value", value, LARGEST))
        self._changed = True

    def _pick(self, index: Any) -> None:
        watched = self._required()
        watched.picked = self._index(watched, index)
        self._changed = True

    def _give(self, content: bytes) -> None:
        if self._lesson.reads is None:
            raise Refused("file", "is nothing that this page takes")
        self._set({"file": self._lesson.reads(content)})

    def _save(self, form: str) -> None:
        watched = self._required()
        content = file_of(watched, form, self._lesson, self._settings)
        self._deliver(frames.encode_file(watched.run.steps, content))

    # ------------------------------------------------------------------------------------------------------------------

    def _required(self) -> Measured:
        if self._watched is None:
            raise Refused("do", "is nothing that this page trains")
        return self._watched

    def _trainable(self) -> Steps:
        watched = self._required()
        run, last = watched.run, watched.last
        if run.is_over:
            raise Refused("train", f"is not possible: the loss is not finite since step {run.stopped_at}; reset first")
        if last is not None and run.steps >= last:
            raise Refused("train", f"is not possible: the schedule ended with step {last}; reset first")
        return run

    def _index(self, watched: Measured, given: Any) -> int:
        return Whole(label="", default=0, low=0, high=watched.network.parameter_count - 1).read("index", given)

    @property
    def _keepable(self) -> frozenset[str]:
        return self._lesson.keeps | self._lesson.adjusts

    def _begin(self, kept: Set[str] = frozenset()) -> None:
        """A training from its first step; kept: settings that were changed, after which it goes on from the parameters
        that it has learned or was given. Those that were only drawn are drawn again, as these settings draw them."""
        lesson, before = self._lesson, self._watched
        self._trains, self._changed = False, True
        if lesson.begin is None:
            return
        made = _made(lesson.begin, self._settings)
        if before is not None:
            made.picked = before.picked
            if kept and (before.run.steps or before.run.by_hand):
                made.run.network.parameters = before.network.parameters
                made.run.by_hand = before.run.by_hand or f"{' and '.join(sorted(kept))} was changed on the way"
        if lesson.adjust is not None:
            lesson.adjust(made, self._settings)
        self._watched = made
        self._layout += 1
        self._tell(
            layout=self._layout, arrays=frames.layout_of(made.arrays(moving=False)),
            words=made.words() | {"peak": one_cores_peak()},
        )  # fmt: skip

    def _train(self) -> None:
        run = self._required().run
        run.advance(until=self._until)
        self._changed = True
        if run.is_over or run.steps == self._until:
            self._trains = False
            self._tell(paused=run.steps, over=run.is_over)

    def _show(self) -> None:
        """What is new, where a page waits for it."""
        while self._answer_due and self._lesson.answer is not None:
            self._answer_due = False
            self._answer(self._lesson.answer)
        if self._credit and self._changed and self._watched is not None:
            self._credit, self._changed = self._credit - 1, False
            watched = self._watched
            self._deliver(frames.encode(self._layout, watched.run.steps, watched.arrays(self._trains)))

    def _answer(self, answer: Callable[[Settings], dict[str, Any]]) -> None:
        """Where there is none, the settings of the last come back; where it is the first, those of the page."""
        try:
            self._tell(answer=_made(answer, self._settings))
            self._answered = self._settings
        except Refused as error:
            self._answer_due = self._answered is None
            self._settings = self._answered or defaults(self._lesson.fields)
            self._refuse(error, link=self._answer_due)


def _made(make: Callable[[Settings], T], settings: Settings) -> T:
    """What a lesson makes of settings. Refused, too, where fastnn says that they are none of a network."""
    try:
        return make(settings)
    except Refused:
        raise
    except ValueError as error:
        raise Refused("settings", f"make no network: {error}") from error
