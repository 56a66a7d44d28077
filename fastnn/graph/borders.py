"""The borders of windows as ONNX tells them, in pixels or by name; see fastnn.graph.forms."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.graph.forms import Form

Pair = tuple[int, int]


def require_sides(window: Sequence[int]) -> tuple[int, ...]:
    """ValueError: a window of other sides than one or two."""
    if len(window) not in (1, 2):
        raise ValueError(f"its windows have {len(window)} sides; expected one or two")
    return tuple(window)


def borders(form: Form, window: Sequence[int], strides: Sequence[int]) -> list[Pair]:
    """Pixels before and after each side of the images that come. ValueError: a name that needs their size, which is not
    known, or another name."""
    named, count = form.settings.get("auto_pad", "NOTSET"), len(window)
    if named in ("SAME_UPPER", "SAME_LOWER"):
        spread = form.settings.get("dilations", [1] * count)
        return [
            same(side, (size - 1) * apart + 1, stride, below=named == "SAME_UPPER")
            for side, size, stride, apart in zip(_sides(form, count), window, strides, spread, strict=True)
        ]
    if named not in ("NOTSET", "VALID"):
        raise ValueError(f"its auto_pad is {named!r}; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    pads = [*form.settings.get("pads", ())] if named == "NOTSET" else []
    pads = pads or 2 * count * [0]
    if len(pads) != 2 * count:
        raise ValueError(f"its pads are {pads}; expected two for each of {count} sides")
    return list(zip(pads[:count], pads[count:], strict=True))


def same(side: int, window: int, stride: int, below: bool = True) -> Pair:
    """Of a side with ceil(side / stride) places; below: where an odd pixel is, else it is above."""
    more = max((-(-side // stride) - 1) * stride + window - side, 0)
    return (more // 2, more - more // 2) if below else (more - more // 2, more // 2)


def even(form: Form, pads: Sequence[Pair]) -> tuple[int, ...]:
    """As many pixels before as after. ValueError: not so."""
    if any(before != after for before, after in pads):
        named = form.settings.get("auto_pad", "NOTSET")
        said = "pads" if named == "NOTSET" else f"auto_pad is {named!r} and its pads"
        there = [before for before, _ in pads] + [after for _, after in pads]
        raise ValueError(f"its {said} are {there}; expected as many pixels on both sides")
    return tuple(before for before, _ in pads)


def _sides(form: Form, count: int) -> Sequence[int]:
    if form.rows is None or len(form.rows) != count + 1:
        raise ValueError(f"its auto_pad is {form.settings['auto_pad']!r} of rows {form.rows}; expected {count} sides")
    return form.rows[:-1]
