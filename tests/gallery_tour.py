"""Pictures of the tour: its steps wait for answers that the shipped networks give meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.gallery import Gallery

PAGES = ("tour-models", "tour-attention")
STEPS = {2: "tour-models", 3: "tour-attention"}


def walk(gallery: Gallery) -> None:
    """Every step, until the last one that is wanted."""
    if not set(PAGES) & set(gallery.wanted):
        return
    gallery.window.start_tour()
    tour = gallery.window.tour
    assert tour is not None
    for number, name in STEPS.items():
        tour.go(number)
        gallery.wait(name, lambda: tour.card.said.text() not in ("", "…"))
        gallery.rest()
        gallery.shoot(tour.step.page, name)
    tour.end()
