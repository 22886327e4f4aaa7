"""Images: what rolling costs beside a training step, and importing beside plain decoding.

Every ratio compares two things in the same seconds of one core; rounds take
turns and the fastest of each is kept, so that the load of the machine does
not count.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 15
SHAPES = (("MNIST", (64, 1, 28, 28)), ("CIFAR-10", (64, 3, 32, 32)))
PICTURES = 600
Row = dict[str, Any]


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [row for name, shape in SHAPES for row in _rolling(name, shape)]
    finally:
        torch.set_num_threads(before)
    return [*rows, _importing()]


def _fastest(*forms: Callable[[], object]) -> list[float]:
    """Seconds of the fastest round of each; one round before is not counted."""
    best = [float("inf")] * len(forms)
    for number in range(ROUNDS + 1):
        for place, form in enumerate(forms):
            began = time.thread_time()
            form()
            if number:
                best[place] = min(best[place], time.thread_time() - began)
    return best


def _rolling(name: str, shape: tuple[int, ...]) -> list[Row]:
    import torch

    from crystalgui.core.datasets.images.rolling import Rolled, draw, roll
    from crystalgui.core.datasets.images.tables import ImageBatch, ImageTable
    from crystalgui.core.models import _registry as registry

    values = np.random.default_rng(0).integers(0, 256, (512, *shape[1:]), dtype=np.uint8)
    table = ImageTable(values)
    rows, target = torch.arange(shape[0]), torch.arange(shape[0]) % 10
    plain, shifts = table.batch(rows).values, draw(8, (shape[0], 2))

    def one_by_one() -> torch.Tensor:
        pairs = zip(plain, shifts.tolist(), strict=True)
        return torch.stack([torch.roll(v, tuple(s), (1, 2)) for v, s in pairs])

    assert torch.equal(roll(plain, shifts), one_by_one())
    own, theirs = _fastest(lambda: roll(plain, shifts), one_by_one)
    found: list[Row] = [
        {"name": f"rolling {name} sample by sample with torch.roll, against at once",
         "value": theirs / own, "unit": "times as long", "limit": 2.0, "better": "higher"},
    ]  # fmt: skip
    for family, preset in (("dense", "mnist-small"), ("extractor", "small")):
        params, _ = registry.settings(family, preset, {})
        network = registry.build(family, 10, params, shape[1:])

        def step(source: Any, network: Any = network) -> None:
            batch: ImageBatch = source.batch(rows)
            network.zero_grad()
            torch.nn.functional.cross_entropy(network(batch), target).backward()

        with_it, without = _fastest(lambda: step(Rolled(table, 8)), lambda: step(table))
        found.append({
            "name": f"rolling {name}, share of a step of {family} ({preset})",
            "value": 100 * (with_it - without) / with_it, "unit": "%",
            **({"limit": 10.0, "better": "lower"} if family == "extractor" else {}),
        })  # fmt: skip
    return found


def _importing() -> Row:
    from PIL import Image

    from crystalgui.core.datasets.images.importer import import_images

    rng = np.random.default_rng(1)
    files: list[tuple[str, bytes]] = []
    for number in range(PICTURES):
        buffer = io.BytesIO()
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 32)).save(buffer, "JPEG")
        files.append((f"train/{number % 10}/{number}.jpg", buffer.getvalue()))

    def decode() -> None:
        for _, data in files:
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.tar.xz"
        with tarfile.open(path, "w:xz") as archive:
            for name, data in files:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

        def whole() -> None:
            for _ in import_images(path, "pictures", Path(folder) / "out"):
                pass

        plain, imported = _fastest(decode, whole)
    return {"name": "import of a tar.xz of JPEG files, against decoding them alone",
            "value": imported / plain, "unit": "times as long", "limit": 4.0,
            "better": "lower"}  # fmt: skip
