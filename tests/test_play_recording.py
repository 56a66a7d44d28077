"""What a page as a file is made of: recorded frames, its modules as one script. In a browser: test_play_export.py."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastnn.cli import main
from fastnn.play.export.bundle import bundle
from fastnn.play.export.page import exportable
from fastnn.play.export.recorder import record, steps_to
from fastnn.play.lessons.catalogue import TITLES, lesson
from fastnn.play.server.pages import IMPORT, modules
from fastnn.play.session import frames
from fastnn.play.session.fields import defaults


@pytest.mark.parametrize("name", ["spam", "plane"])
def test_frames_are_those_of_the_training(name: str) -> None:
    page = lesson(name)
    recorded = record(page, [0, 1, 7])
    assert page.begin is not None
    made = page.begin(defaults(page.fields))
    if page.adjust is not None:
        page.adjust(made, defaults(page.fields))
    for step, frame in zip(recorded.steps, recorded.frames, strict=True):
        while made.run.steps < step:
            made.run.advance(until=step)
        assert frames.HEADER.unpack_from(frame)[-1] == step
        names = [each for each, _ in recorded.told[1]["arrays"]]
        sizes = [size for _, size in recorded.told[1]["arrays"]]
        found = np.split(np.frombuffer(frame, "<f4", offset=frames.HEADER.size), np.cumsum(sizes)[:-1])
        for array, values in zip(names, found, strict=True):
            expected = np.asarray(made.arrays(moving=False)[array], "<f4").ravel()
            known = slice(None) if array != "numbers" else [0, 2, 3, 4]  # not how fast it was
            np.testing.assert_array_equal(values[known], expected[known], err_msg=array)


def test_points_are_dense_where_a_training_moves_most() -> None:
    steps = steps_to(9600, 240)
    assert steps[:5] == [0, 1, 2, 3, 4]
    assert steps[-1] == 9600
    assert (np.diff(steps) > 0).all()
    assert (np.diff(steps)[-10:] > 100).all()


def test_all_that_train_by_themselves_can_be_files() -> None:
    training = {name for name in TITLES if lesson(name).begin is not None}
    # The zoo's page has what a step took just now.
    assert set(exportable()) == training - {"zoo"}


@pytest.mark.parametrize("name", TITLES)
def test_every_page_can_be_one_script(name: str) -> None:
    script = bundle(f'import {{ make }} from "./lessons/{name}.js";\nglobalThis.make = make;', modules())
    assert not [line for line in script.splitlines() if line.startswith(("import ", "export "))]
    assert f"modules['lessons/{name}.js']" in script


@pytest.mark.parametrize("name", modules())
def test_a_script_takes_nothing_that_it_does_not_use(name: str) -> None:
    text = modules()[name].read_text(encoding="utf-8")
    taken = [each.split()[-1] for names, _ in IMPORT.findall(text) for each in names.split(",") if each.strip()]
    assert [each for each in taken if len(re.findall(rf"\b{re.escape(each)}\b", text)) < 2] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["neuron", "--export", "f.html"], "the page neuron cannot be exported; expected one of spam, "),
        (["spam", "--export", "."], "it is a folder"), (["spam", "--export", "-"], "writes a file; name one"),
        (["spam", "--export", "f.html", "--port", "8000"], "leave --port and --no-browser out"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_computed(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastnn.play.export.command.exported", lambda name: pytest.fail("it was trained"))
    done = CliRunner().invoke(main, ["play", *arguments])
    assert done.exit_code == 2
    assert words in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_cannot_be_bundled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("export default 1;\n")
    with pytest.raises(ValueError, match="export default"):
        bundle('import { a } from "./a.js";', {"a.js": tmp_path / "a.js"})
