"""The family trees of 1986: two families of twelve, one the mirror of the other, and who is what to whom."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# Of each family: couples, each with its children; the two families are alike, person by person.
NAMES = {
    "English": (
        "Christopher", "Penelope", "Andrew", "Christine", "Margaret", "Arthur", "Victoria", "James", "Jennifer",
        "Charles", "Colin", "Charlotte",
    ),
    "Italian": (
        "Roberto", "Maria", "Pierro", "Francesca", "Gina", "Emilio", "Lucia", "Marco", "Angela", "Tomaso", "Alfonso",
        "Sophia",
    ),
}  # fmt: skip
# Husband, wife, and their children, by their places in the lists.
COUPLES = ((0, 1, (5, 6)), (2, 3, (7, 8)), (5, 4, ()), (7, 6, (10, 11)), (9, 8, ()))
MEN = {0, 2, 5, 7, 9, 10}
RELATIONS = (
    "father", "mother", "husband", "wife", "son", "daughter", "uncle", "aunt", "brother", "sister", "nephew", "niece"
)  # fmt: skip
FAMILY = 12
Facts = Mapping[tuple[int, int], frozenset[int]]


def facts() -> Facts:
    """By person and relation, those who stand so to that person: "Colin has aunt: Margaret, Jennifer" is one of 104."""
    found: dict[tuple[int, int], frozenset[int]] = {}
    for family in range(len(NAMES)):
        for person in range(FAMILY):
            for relation, kin in enumerate(_kin(person).values()):
                if kin:
                    found[FAMILY * family + person, relation] = frozenset(FAMILY * family + each for each in kin)
    return found


def _kin(person: int) -> dict[str, set[int]]:
    """By relation, in the order of RELATIONS."""
    spouse, children = _spouse(person), _children(person)
    siblings = _siblings(person)
    parents = _parents(person)
    elders = {each for parent in parents for sibling in _siblings(parent) for each in {sibling, *_spouse(sibling)}}
    young = {each for near in {person, *spouse} for sibling in _siblings(near) for each in _children(sibling)}
    pairs = (parents, spouse, children, elders, siblings, young)
    found: dict[str, set[int]] = {}
    for (man, woman), kin in zip(zip(RELATIONS[::2], RELATIONS[1::2], strict=True), pairs, strict=True):
        found |= {man: kin & MEN, woman: kin - MEN}
    return found


def _spouse(person: int) -> set[int]:
    return {each for man, woman, _ in COUPLES for each in (man, woman) if person in (man, woman)} - {person}


def _children(person: int) -> set[int]:
    return {child for man, woman, children in COUPLES if person in (man, woman) for child in children}


def _parents(person: int) -> set[int]:
    return {each for man, woman, children in COUPLES if person in children for each in (man, woman)}


def _siblings(person: int) -> set[int]:
    return {child for _, _, children in COUPLES if person in children for child in children} - {person}


def as_rows(known: Facts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs (facts, 24 + 12), one person and one relation at 1, and answers (facts, 24), all who are right at 1."""
    people = FAMILY * len(NAMES)
    x, y = np.zeros((len(known), people + len(RELATIONS))), np.zeros((len(known), people))
    for row, ((person, relation), kin) in enumerate(known.items()):
        x[row, [person, people + relation]] = 1
        y[row, sorted(kin)] = 1
    return x, y
