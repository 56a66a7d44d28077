"""What a page may ask, one JSON object a message: strictly these, with strictly these parts."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.play.session.fields import Refused, Whole, shown

# What each has beside "do", and what it may have.
PARTS: dict[str, tuple[set[str], set[str]]] = {
    "open": (set(), {"settings", "weights"}),
    "set": ({"settings"}, set()),
    "frame": (set(), set()),
    "train": (set(), {"until"}),
    "pause": (set(), set()),
    "step": (set(), set()),
    "reset": (set(), set()),
    "put": ({"index", "value"}, set()),
    "pick": ({"index"}, set()),
    "save": ({"form"}, set()),
}
FORMS = ("safetensors", "onnx", "json", "py")
# Bytes of a message, and so of a file.
MOST_MESSAGE = 1 << 20
# Weights travel in a link only where they are so few.
MOST_SHARED = 1000
LAST_STEP = Whole(label="", default=1, low=1, high=10**12)


@dataclass(frozen=True)
class Message:
    do: str
    parts: dict[str, Any] = field(default_factory=dict)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def parse(text: str) -> Message:
    """Refused."""
    try:
        given = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("message", f"is no JSON: {str(error)[:80]}") from None
    if not isinstance(given, dict):
        raise Refused("message", f"is {type(given).__name__}; expected an object")
    do = given.pop("do", None)
    if not isinstance(do, str) or do not in PARTS:
        raise Refused("do", f"is {shown(do)}; expected one of {', '.join(PARTS)}")
    needed, possible = PARTS[do]
    if missing := needed - given.keys():
        raise Refused(min(missing), f"is missing, which {do} needs")
    if extra := given.keys() - needed - possible:
        raise Refused(min(extra)[:40], f"is no part of {do}")
    if "form" in given and given["form"] not in FORMS:
        raise Refused("form", f"is {shown(given['form'])}; expected one of {', '.join(FORMS)}")
    if "until" in given:
        given["until"] = LAST_STEP.read("until", given["until"])
    return Message(do, given)


def message_of(text: Any, content: bytes | None, takes_files: bool) -> Message:
    """What came as text, or as bytes: those are a file, for a page that takes one. Refused."""
    if content is not None and takes_files:
        return Message("give", {"content": content})
    return parse(text if isinstance(text, str) else "")


def refusal(error: Refused, **more: Any) -> str:
    """What a page is told of it."""
    return json.dumps({"refused": {"field": error.field, "told": str(error), **more}})


def weights_of(text: Any, count: int) -> NDArray[np.float32]:
    """float32 in base64url without padding, as a link holds them. Refused."""
    if count > MOST_SHARED:
        raise Refused("weights", f"are of {count:,} parameters; a link holds at most {MOST_SHARED:,}")
    if not isinstance(text, str):
        raise Refused("weights", f"is {type(text).__name__}; expected text")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused("weights", "is no base64url") from None
    if len(content) != 4 * count:
        raise Refused("weights", f"holds {len(content)} bytes; expected {4 * count}, of {count} parameters")
    values = np.frombuffer(content, "<f4")
    if not np.isfinite(values).all():
        raise Refused("weights", "holds a number that is not finite")
    return values
