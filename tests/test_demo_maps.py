"""Arrays as small images, in a terminal and on a page."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from fastnn.demo.display.demonstration import Demonstration, Section
from fastnn.demo.display.maps import ABOVE, BELOW, Map, Maps, as_svg, lines


def of(*arrays: object, **settings: object) -> Maps:
    found = tuple(Map(caption=str(number), values=np.array(each)) for number, each in enumerate(arrays))
    return Maps(title="some", maps=found, **settings)  # type: ignore[arg-type]


def cells(maps: Maps) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(as_svg(maps, maps.maps[0])) if each.get("class") != "edge"]


def test_characters_tell_size_and_sign() -> None:
    found = list(lines(of([[0.0, 0.3, 0.5, 0.7, 1.0], [0.0, -0.3, -0.5, -0.7, -1.0]], signed=True), 80))
    assert found[1:3] == ["".join(2 * each for each in shades).rstrip() for shades in (ABOVE, BELOW)]
    assert found[3] == "above 0 ░▒▓█, below ·-=≡"
    assert len(list(lines(of([[1.0]]), 80))) == 2


def test_sizes_are_those_of_the_largest_of_all_maps_or_of_the_one_said() -> None:
    assert list(lines(of([[1.0]], [[4.0]]), 80))[1] == "░░  ██"
    assert list(lines(of([[1.0]], [[4.0]], largest=1.0), 80))[1] == "██  ██"
    assert list(lines(of([[0.0]]), 80)) == ["0", ""]


def test_maps_stand_side_by_side_as_far_as_they_fit() -> None:
    found = list(lines(of(*[np.ones((2, 4))] * 9), 80))
    assert len(found) == 2 * 3
    assert max(map(len, found)) == 8 * 8 + 7 * 2 == 78
    assert len(list(lines(of(np.ones((2, 4)), np.ones((5, 4))), 80))) == 6
    assert max(map(len, lines(of(np.ones((3, 200))), 80))) == 200


def test_a_mark_stands_below_its_column() -> None:
    marked = Maps(title="", maps=(Map(caption="", values=np.ones((2, 20)), marks=(3,)),))
    assert list(lines(marked, 80))[-1] == "   ^"
    (mark,) = [each for each in cells(marked) if each.get("class") == "mark"]
    assert str(mark.get("d")).startswith("M3.5 2.2")


def test_strengths_of_a_page_are_the_numbers_and_neighbours_that_are_alike_are_one() -> None:
    found = cells(of([[1.0, 1.0, 0.5], [0.0, 0.25, 0.25]], largest=1.0))
    assert [(each.get("x"), each.get("y"), each.get("width"), each.get("fill-opacity")) for each in found] == [
        ("0", "0", "2", "1"), ("2", "0", "1", "0.5"), ("1", "1", "2", "0.25"),
    ]  # fmt: skip


def test_areas_of_signed_maps_are_the_numbers_and_shapes_their_signs() -> None:
    above, below = cells(of([[1.0, -0.25, 0.0]], signed=True))
    assert (above.tag, above.get("class"), above.get("width")) == ("rect", "above", "1.00")
    assert (below.tag, below.get("class"), below.get("r"), below.get("cx")) == ("circle", "below", "0.25", "1.5")


@pytest.mark.parametrize("values", [np.ones(3), np.ones((0, 2)), np.array([[np.nan]])], ids=["row", "empty", "nan"])
def test_what_is_no_map_is_refused(values: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="expected finite numbers"):
        Map(caption="x", values=values)


def test_a_page_names_each_map_and_says_how_signs_look() -> None:
    from fastnn.demo.display.page import page

    maps = Maps(title="weights <of> it", signed=True, maps=(Map(caption="filter & 1", values=np.eye(3)),))
    html = page(Demonstration(title="t", sections=(Section("s", (maps, of(np.ones((2, 9))))),), numbers={}))
    assert 'role="group" aria-label="weights &lt;of&gt; it"' in html
    assert 'role="img" aria-label="filter &amp; 1"' in html
    assert html.count("Squares are above 0, circles below.") == 1
    assert html.count('class="wide"') == 1
    assert html.count("<svg") == 2
