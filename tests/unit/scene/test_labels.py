"""Words beside points: none covers another word, or a ball."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from crystalgui.scene.camera import Projection
from crystalgui.scene.labels import WIDTH, Word, place

SIZE = (400, 300)


class Label:
    """What a text actor is told."""

    offset = (0, 0)

    def SetDisplayOffset(self, right: int, up: int) -> None:
        self.offset = (right, up)


def view() -> Projection:
    """Ten pixels a unit, x to the right and z up."""
    return Projection(
        right=np.array([1.0, 0, 0]),
        up=np.array([0, 0, 1.0]),
        forward=np.array([0, 1.0, 0]),
        position=np.array([0, -50.0, 0]),
        focal=np.zeros(3),
        scale=0.1,
        size=SIZE,
        perspective=False,
    )


def box(word: Word) -> np.ndarray:
    """Left, bottom, right, top in pixels, y up."""
    at = 10 * word.at[[0, 2]] + word.actor.offset
    half = np.array([0.5 * WIDTH * len(word.text), 0.5]) * word.size
    return np.concatenate([at - half, at + half])


def covered(a: np.ndarray, b: np.ndarray) -> bool:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return bool((sides > 1.0).all())


def test_words_of_near_points_keep_clear() -> None:
    points = [np.array(x) for x in ((0.0, 0, 0), (0.3, 0, 0.9), (-0.6, 5.0, 0.4), (8.0, 0, 3.0))]
    words = [
        Word(text, at, 14.0, Label())
        for text, at in zip(("A", "CBM", "gap", "L"), points, strict=True)
    ]
    place(words, [(at, 0.5) for at in points], view(), 1.0)
    for first, second in combinations(words, 2):
        assert not covered(box(first), box(second)), (first.text, second.text)
    for word in words:
        for at in points:
            ball = np.concatenate([10 * at[[0, 2]] - 5, 10 * at[[0, 2]] + 5])
            assert not covered(box(word), ball), word.text


def test_a_lone_word_stands_at_the_upper_right() -> None:
    word = Word("Γ", np.zeros(3), 15.0, Label())
    place([word], [], view(), 2.0)
    right, up = word.actor.offset
    assert 0 < right < 30
    assert 0 < up < 40
    place([], [], view(), 1.0)
