"""What this machine has, for the window: families, models, devices and experiments."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from crystalgui.core.experiments import _registry as registry
from crystalgui.core.messages import CatalogueJob, CatalogueReady, Event
from crystalgui.core.models.catalogue import catalogue as known


def catalogue(job: CatalogueJob) -> Generator[Event, None, None]:
    """The models' catalogue with the experiments added; yields one `CatalogueReady`."""
    for event in known(job):
        if isinstance(event, CatalogueReady):
            cuda = any(key == "cuda" for key, _ in event.devices)
            yield replace(event, experiments=registry.cards("cuda" if cuda else "cpu"))
        else:
            yield event
