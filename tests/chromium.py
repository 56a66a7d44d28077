"""A real Chromium for tests of pages, one for each file of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import needs
import pytest

# Without a sandbox, as where tests run as root, and without the browser's own errands on the network.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For files that say first that they need Chromium and playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=needs.chromium(), args=ARGUMENTS)
        yield started
        started.close()
