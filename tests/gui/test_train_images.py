"""The Train page with images: import without labels, pictures of each class, rolling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Card
from crystalgui.core.datasets.images.dataset import ImageDataset
from crystalgui.core.datasets.images.preview import LARGEST, Samples, samples
from crystalgui.core.errors import DataError
from crystalgui.core.messages import EstimateReady, ImportJob
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.importing import LABELS, NO_LABELS, ImportDialog
from crystalgui.gui.panels.train.pictures import GAP, ROW, TILE, Pictures
from crystalgui.gui.session import Session
from tests.gui.sessions import CGNN, SHIPPED, PlayedEngine, tqc
from tests.models.images import CLASSES, files, pictures

NETWORK = Card(
    name="net", title="Network of images", tasks=("classification",), inputs="image zone", paper=""
)


@pytest.fixture
def data(tmp_path: Path) -> ImageDataset:
    return pictures(tmp_path / "pictures", 60)


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine], data: ImageDataset) -> TrainPanel:
    session, _ = played
    folder = session.project.folder
    with Project.open(folder) as project:
        for summary in (tqc(folder), data.summary):
            project.register_dataset(summary)
    session.project.set_catalogue((CGNN, NETWORK), [SHIPPED], (("cpu", "CPU"),))
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1060, 860)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and len(session.project.datasets) == 2)
    return panel


def choose(page: TrainPanel, name: str) -> None:
    box = page.setup.data.choice
    box.setCurrentIndex(box.findData(name))


def test_pictures_counts_and_facts(qtbot: QtBot, page: TrainPanel) -> None:
    choose(page, "pictures")
    card = page.setup.data
    qtbot.waitUntil(lambda: card.pictures.shown == (20, 20, 20))
    assert card.pictures.isVisibleTo(card)
    assert not card.balance.isVisibleTo(card)
    assert card.pictures.accessibleDescription() == "dot: 20, bar: 20, cross: 20"
    assert card.pictures.height() == 3 * ROW
    words = " ".join(label for label, *_ in _facts(page))
    assert words == "Images Size Edition Duplicates"
    assert ("Size", "8 × 8 points, grey") in _facts(page)
    assert ("Edition", "made-up edition") in _facts(page)
    choose(page, "tqc")
    assert not card.pictures.isVisibleTo(card)
    assert card.balance.isVisibleTo(card)


def _facts(page: TrainPanel) -> list[tuple[str, ...]]:
    from crystalgui.gui.panels.train.data import dataset_facts

    assert page.setup.data.current is not None
    return dataset_facts(page.setup.data.current)


def test_many_classes_are_bars(page: TrainPanel, data: ImageDataset) -> None:
    names = tuple(map(str, range(40)))
    many = replace(data.summary, name="many", classes=names, counts=(3,) * 40)
    page.setup.data.set_datasets([many])
    assert page.setup.data.balance.isVisibleTo(page.setup.data)
    assert not page.setup.data.pictures.isVisibleTo(page.setup.data)


def test_rolling_is_for_what_is_periodic(page: TrainPanel) -> None:
    setup = page.setup
    choose(page, "pictures")
    assert setup.training.editor("rolling").isVisibleTo(setup)
    assert setup.training.editor("replicas").isVisibleTo(setup)
    setup.training.editor("rolling").setValue(5)
    recipe = setup.recipe()
    assert recipe is not None
    assert (recipe.rolling, recipe.model, recipe.split.kind) == (5, "net", "given")
    assert "rolled by up to 5 points" in setup.data.pictures.accessibleDescription()
    setup.set_recipe(replace(recipe, rolling=3))
    assert setup.recipe() == replace(recipe, rolling=3)
    choose(page, "tqc")
    assert not setup.training.editor("rolling").isVisibleTo(setup)
    recipe = setup.recipe()
    assert recipe is not None
    assert (recipe.rolling, recipe.model) == (0, "cgnn")


def test_leakage_is_counted_in_images(
    page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    choose(page, "pictures")
    recipe = page.setup.recipe()
    assert recipe is not None
    answer = EstimateReady(
        parameters=1, seconds_per_epoch=1.0, memory_bytes=1, device="cpu", sizes=(8, 1, 1),
        leakage=2,
    )  # fmt: skip
    page.setup.show_estimate(recipe, answer)
    assert "2 images are on both sides" in page.setup._leakage.text()


# ------------------------------------------------------------------ painting


def grabbed(widget: Pictures) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def test_tiles_are_shifted_periodically(qtbot: QtBot, tmp_path: Path) -> None:
    widget = Pictures()
    qtbot.addWidget(widget)
    widget.resize(400, ROW)
    widget.set_counts(("a",), (7,))
    picture = np.zeros((1, TILE, TILE, 3), np.uint8)
    picture[0, 3:9, 4:12] = (255, 0, 0)
    widget.set_samples(Samples(tmp_path, (picture,), TILE))
    top = (ROW - TILE) // 2

    def tile() -> np.ndarray:
        found = grabbed(widget)
        reds = (found[..., 0] > 200) & (found[..., 1] < 50)
        left = np.flatnonzero((found[top : top + TILE].max(2) == 0).any(0))[0]
        return np.asarray(reds[top : top + TILE, left : left + TILE])

    plain = tile()
    assert plain.sum() == 48
    assert plain[3:9, 4:12].all()
    widget.set_rolling(13)
    rolled = tile()
    assert rolled.sum() == 48
    shifts = [
        (y, x)
        for y in range(-13, 14)
        for x in range(-13, 14)
        if (np.roll(plain, (y, x), (0, 1)) == rolled).all()
    ]
    assert len(shifts) == 1
    assert shifts != [(0, 0)]
    widget.set_rolling(0)
    assert (tile() == plain).all()


def test_as_many_tiles_as_there_is_room(qtbot: QtBot, data: ImageDataset) -> None:
    widget = Pictures()
    qtbot.addWidget(widget)
    widget.set_counts(CLASSES, (20, 20, 20))
    widget.set_samples(samples(data.summary.folder))
    seen = []
    for width in (240, 240 + 3 * (TILE + GAP)):
        widget.resize(width, 3 * ROW)
        found = grabbed(widget)[ROW // 2]
        seen.append(int((np.diff((found.sum(1) < 150).astype(int)) == 1).sum()))
    assert seen[1] > seen[0]


def test_samples_are_few_and_small(tmp_path: Path) -> None:
    made = pictures(tmp_path / "large", 12, side=150, channels=3)
    found = samples(tmp_path / "large", 2)
    assert [len(values) for values in found.values] == [2, 2, 2]
    assert max(found.values[0].shape[1:3]) <= LARGEST
    assert (found.values[1][1] == made.values[4].transpose(1, 2, 0)[::3, ::3]).all()
    assert found.side == 150
    with pytest.raises(DataError, match="no imported data set"):
        samples(tmp_path)


# ------------------------------------------------------------------ import


def test_the_dialog_asks_no_labels_of_images(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "my_mnist"
    folder.mkdir()
    idx = folder / "train-images-idx3-ubyte.gz"
    idx.write_bytes(b"")
    dialog = ImportDialog(frozenset())
    qtbot.addWidget(dialog)
    button = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    dialog.source.setText(str(idx))
    assert dialog.labels.placeholderText() == NO_LABELS
    assert dialog.answer() == (idx, None, "my mnist")
    assert button.isEnabled()
    (tmp_path / "other").mkdir()
    dialog.source.setText(str(tmp_path / "other"))
    assert dialog.labels.placeholderText() == LABELS
    assert not button.isEnabled()
    assert "table" in dialog.advice()


def test_images_are_imported_and_shown(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    source = files(tmp_path)
    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.resize(1060, 860)
    page.show()
    page.import_data(source, None, "drawn")
    card = page.setup.data
    qtbot.waitUntil(lambda: card.pictures.shown == (20, 20, 20))
    assert card.current is not None
    assert (card.current.name, card.current.shape) == ("drawn", (1, 8, 8))


def test_the_job_has_no_labels(page: TrainPanel, played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    page.import_data(Path("images.tar.xz"), None, "mine")
    job = engine.jobs[-1]
    assert isinstance(job, ImportJob)
    assert (job.labels, job.source, job.name) == (None, Path("images.tar.xz"), "mine")
    assert job.project == session.project.folder
