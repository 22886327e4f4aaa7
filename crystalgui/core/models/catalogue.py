"""What this machine has: families, trained models and devices, for the window."""

from __future__ import annotations

from collections.abc import Generator

import torch

from crystalgui.core.messages import CatalogueJob, CatalogueReady, Event
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.devices import devices
from crystalgui.core.models.trained import of_project, shipped


def catalogue(job: CatalogueJob) -> Generator[Event, None, None]:
    """Import torch and the families; yields one `CatalogueReady`."""
    models = shipped()
    if job.project is not None:
        known = {m.name for m in models}
        models += [m for m in of_project(job.project) if m.name not in known]
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # its first use takes half a second
    yield CatalogueReady(cards=registry.cards(), models=tuple(models), devices=devices())
