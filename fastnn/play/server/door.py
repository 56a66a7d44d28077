"""A page for the browser alone that leads to the address with the token.

What a program is started with is there for everybody on the machine to read, in its list of processes. So a browser is
given the name of a file that only its owner may read, and finds the address in there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fastnn playground</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={address}"></head>
<body><p><a href="{address}">The playground</a></p></body></html>
"""


@contextmanager
def door(address: str) -> Iterator[Path]:
    """The file, which lies in a folder of its own until the end. OSError."""
    with tempfile.TemporaryDirectory(prefix="fastnn-play-") as folder:
        path = Path(folder) / "playground.html"
        path.touch(mode=0o600)
        path.write_text(PAGE.format(address=escape(address)), encoding="utf-8")
        yield path
