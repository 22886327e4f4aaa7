"""Picture every page of the real window, light and dark, so that a person can look.

    python -m tests.gallery FOLDER [--only PAGE]... [--size 1600x1000]

Opens the shipped examples, makes a small data set from them, trains on it,
classifies, writes a report, and takes a picture of each page on the way.
Nothing is played: what stands in the pictures was computed a moment before.
Starts a virtual display where there is none.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import gallery_evidence, gallery_second_look, gallery_tour

if TYPE_CHECKING:
    from crystalgui.gui.session import Session
    from crystalgui.gui.window import MainWindow

PAGES = (
    "welcome",
    "structure",
    "electronic",
    "topology",
    "phases",
    "plane",
    "surface",
    "design",
    "classify",
    "classify-evaluation",
    "train",
    "left-step",
    "training",
    "network",
    "attention",
    "invariance",
    "sweep",
    "phase-data",
    "phase-data-made",
    "runs",
    "experiments",
    "report",
    *gallery_evidence.PAGES,
    *gallery_second_look.PAGES,
    *gallery_tour.PAGES,
)
FAMILIES = (("O", "oxide"), ("Te", "telluride"), ("Se", "selenide"), ("S", "sulphide"))
COPIES = 10
PATIENCE = 420.0


def main(arguments: list[str] | None = None) -> int:
    """Make the pictures; 1 when a page did not come to rest in time."""
    parser = argparse.ArgumentParser(prog="tests.gallery", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("--only", action="append", choices=PAGES, help="picture this page")
    parser.add_argument("--size", default="1600x1000", help="window in pixels")
    options = parser.parse_args(arguments)
    width, height = (int(n) for n in options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, display(width, height):
        os.environ["CRYSTALGUI_HOME"] = home
        with opened_window(width, height) as gallery:
            gallery.wanted = tuple(options.only or PAGES)
            gallery.out = options.out
            gallery.walk(Path(home))
    for line in gallery.troubles:
        print(line, file=sys.stderr)
    return 1 if gallery.troubles else 0


@contextmanager
def display(width: int, height: int) -> Iterator[None]:
    """A virtual display on Linux without one."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        yield
        return
    from pyvirtualdisplay.display import Display

    with Display(visible=False, size=(width + 40, height + 40), color_depth=24):
        yield


@contextmanager
def opened_window(width: int, height: int) -> Iterator[Gallery]:
    """The window with a real engine, as `crystalgui.app` makes it."""
    from PySide6.QtGui import QCursor

    from crystalgui.app import application
    from crystalgui.core.settings import Settings, default_project
    from crystalgui.engine.engine import Engine
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.notifications import Notifications
    from crystalgui.gui.session import create_session
    from crystalgui.gui.theme import theme
    from crystalgui.gui.window import MainWindow

    app = application()
    theme().install("light")
    engine, lane, notifications = Engine(), Lane(), Notifications()
    session = create_session(engine, lane, notifications, Settings(), default_project())
    window = MainWindow(session, notifications)
    window.resize(width, height)
    window.move(0, 0)
    window.show()
    QCursor.setPos(width + 30, height + 30)  # nothing is hovered
    yield Gallery(window, session)
    lane.shutdown()
    engine.shutdown()
    window.leave()
    window.deleteLater()
    app.processEvents()


class Gallery:
    """A walk through the window."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        self.window, self.session = window, session
        self.out = Path()
        self.wanted: tuple[str, ...] = PAGES
        self.troubles: list[str] = []

    # --------------------------------------------------------------- waiting

    def wait(self, what: str, done: Callable[[], object], seconds: float = PATIENCE) -> bool:
        """Let the window live until ``done()``; a page that never gets there is a trouble."""
        from PySide6.QtCore import QEventLoop, QTimer

        limit = time.monotonic() + seconds
        loop, timer = QEventLoop(), QTimer()
        answer: list[bool] = []

        def look() -> None:
            try:
                ready = bool(done())
            except Exception as error:  # noqa: BLE001 - an endless loop would say it forever
                self.troubles.append(f"{what}: {type(error).__name__}: {error}")
                ready = True
            if ready or time.monotonic() > limit:
                answer.append(ready)
                loop.quit()

        timer.setInterval(50)
        timer.timeout.connect(look)
        timer.start()
        loop.exec()
        timer.stop()
        if not answer[-1]:
            self.troubles.append(f"{what}: not done after {seconds:.0f} s")
        return answer[-1]

    def rest(self, seconds: float = 1.3) -> None:
        """Let painting and answers settle."""
        self.wait("lane", lambda: not self.session.lane.busy and not self.window.waiting_page)
        limit = time.monotonic() + seconds
        self.wait("painting", lambda: time.monotonic() > limit)

    def submit(self, job: object) -> str:
        """Run a job of the engine to its end; its id."""
        job_id = self.session.jobs.submit(job)  # type: ignore[arg-type]
        self.wait(type(job).__name__, lambda: not self.alive(job_id))
        return job_id

    def alive(self, job_id: str) -> bool:
        """Whether a job still runs."""
        row = self.session.jobs.row(job_id)
        return row is not None and row.alive

    # -------------------------------------------------------------- pictures

    def shoot(self, page: str, name: str = "") -> None:
        """A page in both themes."""
        from crystalgui.gui.theme import theme

        name = name or page
        if name not in self.wanted:
            return
        if self.window.page != page:
            self.window.show_page(page)
        for mode in ("light", "dark"):
            theme().set_mode(mode)
            self.rest()
            path = self.out / f"{name}-{mode}.png"
            if not self.window.grab().save(str(path)):
                self.troubles.append(f"{path}: cannot be written")
            print(path)
        theme().set_mode("light")

    def walk(self, home: Path) -> None:
        """Every page, in the order in which a person would meet them."""
        from crystalgui.core.messages import CatalogueJob
        from crystalgui.core.resources import examples

        self.submit(CatalogueJob(project=self.session.project.folder))
        self.shoot("welcome")
        folder = examples()
        names = ("Bi2Se3", "SrTiO3", "TaAs", "YBa2Cu3O7")
        self.open([folder / "structures" / f"{name}.vasp" for name in names])
        self.choose("YBa2Cu3O7.vasp")
        self.shoot("structure")
        self.open([folder / "hoppings" / "bitei" / "bitei_hr.dat.gz"])
        self.choose("bitei_hr.dat.gz")
        self.shoot("electronic")
        self.topology()
        self.phases(folder / "hoppings" / "bitei-pressure" / "bitei-pressure_hr.dat.gz")
        self.surface("bitei-pressure_hr.dat.gz")
        self.design()
        if {"train", "left-step", "training", "runs"} & set(self.wanted):
            self.train(home)
        self.attention(home)
        self.phase_data()
        self.classify(sorted((folder / "structures").iterdir()))
        self.choose("Bi2Se3.vasp")
        self.shoot("experiments")
        gallery_evidence.walk(self, home)
        gallery_second_look.walk(self, home)
        gallery_tour.walk(self)
        self.report()

    def topology(self) -> None:
        """The certificate of the Hamiltonian that is shown."""
        if "topology" not in self.wanted:
            return
        page, room = self.room("topology")
        self.wait("certificate", lambda: room.card.certificate)
        network = room.network
        if network.models.count():
            network.ask_now()
            self.wait("answer of the network", lambda: network.answer or network.state.error)
        self.shoot("electronic", "topology")
        page.rooms.show_room("bands")

    def phases(self, other: Path) -> None:
        """A mixture with noise, then the plane of the first preset."""
        if not {"phases", "plane", "surface"} & set(self.wanted):
            return
        before = self.session.project.current
        self.open([other])
        self.session.project.set_current(before)
        if not {"phases", "plane"} & set(self.wanted):
            return
        page, room = self.room("phases")
        for mode, name in (("path", "phases"), ("plane", "plane")):
            if name in self.wanted:
                room.setup.set_mode(mode)
                room.setup.steps.setValue(21)
                room.setup.run.click()
                self.wait(name, lambda: not room.state.alive)
                self.shoot("electronic", name)
        page.rooms.show_room("bands")

    def surface(self, name: str) -> None:
        """States of the surface of a topological insulator."""
        if "surface" not in self.wanted:
            return
        self.choose(name)
        page, room = self.room("surface")
        self.wait("surface", lambda: room.shown is not None and not room.busy)
        self.shoot("electronic", "surface")
        page.rooms.show_room("bands")

    def design(self) -> None:
        """The strain that gives the first wanted gap."""
        if "design" not in self.wanted:
            return
        page, room = self.room("design")
        self.wait("design", lambda: room.setup.start.isEnabled())
        room.setup.start.click()
        self.wait("design", lambda: not room.state.alive)
        self.shoot("electronic", "design")
        page.rooms.show_room("bands")

    def room(self, name: str) -> tuple[Any, Any]:
        """The Electronic page, and one of its rooms in front."""
        self.window.show_page("electronic")
        self.rest()
        page: Any = self.window.page_widget("electronic")
        page.rooms.show_room(name)
        self.wait(name, lambda: page.rooms.room(name) is not None)
        return page, page.rooms.room(name)

    def open(self, paths: list[Path]) -> None:
        """Open files and wait until they are read."""
        self.window.open_paths(paths)
        self.wait("files", lambda: not self.session.project.busy)

    def choose(self, name: str) -> None:
        """Make a file the current one."""
        project = self.session.project
        project.set_current(next(file for file in project.files if file.name == name))

    def classify(self, paths: list[Path]) -> None:
        """All example crystals through the best shipped models, and what those are worth."""
        self.window.show_page("classify")
        self.rest()
        page: Any = self.window.page_widget("classify")
        page.classify(paths)
        if job_id := self.session.predictions.job_id:
            self.wait("classify", lambda: not self.alive(job_id))
        page.view.setCurrentIndex(page.table.index(3, 0))
        self.wait("preview", lambda: page.preview._pages.currentIndex() == 1)
        self.shoot("classify")
        if "classify-evaluation" in self.wanted:
            page.tabs.setCurrentIndex(1)
            self.wait("evaluation", lambda: page.evaluation and page.evaluation.shown)
            page.evaluation.slider.setValue(140)
            self.shoot("classify", "classify-evaluation")
            page.tabs.setCurrentIndex(0)

    def train(self, home: Path) -> None:
        """A data set, its form, a run while it runs, and the list of runs."""
        from crystalgui.core.messages import ImportJob, SplitSpec, TrainRecipe

        structures, labels = data_set(home / "crystals")
        self.submit(
            ImportJob(
                project=self.session.project.folder,
                source=structures,
                labels=labels,
                name="example families",
            )
        )
        self.shoot("train")
        self.left_step()
        if not self.session.project.datasets:
            self.troubles.append("the data set was not imported")
            return
        if not {"train", "training", "runs"} & set(self.wanted):
            return
        for seed in (0, 1):
            recipe = TrainRecipe(
                model="cgnn",
                dataset=self.session.project.datasets[-1].folder,
                epochs=20,
                batch_size=16,
                split=SplitSpec(kind="random"),
                seed=seed,
                title=f"families, seed {seed}",
            )
            self.window.show_page("train")
            self.rest()
            view = self.window.page_widget("train").train(recipe)  # type: ignore[union-attr]
            if seed == 0:
                self.wait("epochs", lambda v=view: v.epoch >= 12 or not v.alive)
                self.shoot("train", "training")
            self.wait("training", lambda v=view: not v.alive)
        self.session.runs.refresh()
        self.shoot("runs")

    def left_step(self) -> None:
        """How the chosen network reads elements, by block and by a value."""
        if "left-step" not in self.wanted:
            return
        from crystalgui.gui.theme import theme

        self.window.show_page("train")
        self.rest()
        panel: Any = self.window.page_widget("train")
        setup = panel.setup
        setup.model_choice.setCurrentIndex(setup.model_choice.findData("nnn"))
        setup.encoding_chip.click()
        window = setup.encoding
        window.table.select((64,))
        for mode, by in (("light", "block"), ("dark", "electronegativity")):
            theme().set_mode(mode)
            window.colour.setCurrentIndex(window.colour.findData(by))
            self.rest()
            path = self.out / f"left-step-{mode}.png"
            if not window.grab().save(str(path)):
                self.troubles.append(f"{path}: cannot be written")
            print(path)
        theme().set_mode("light")
        window.close()

    def attention(self, home: Path) -> None:
        """The form that draws its network, and the inside of that network as it trains."""
        if not {"network", "attention", "invariance", "sweep"} & set(self.wanted):
            return
        from crystalgui.core.messages import ImportJob

        project = self.session.project
        digits = data_set_of_digits(home / "digits")
        self.submit(ImportJob(project=project.folder, source=digits, name="digits"))
        if not any(data.name == "digits" for data in project.datasets):
            self.troubles.append("the images were not imported")
            return
        self.window.show_page("train")
        self.rest()
        panel: Any = self.window.page_widget("train")
        panel.setup_chip.setChecked(True)
        setup = panel.setup
        setup.data.choose(next(data.folder for data in project.datasets if data.name == "digits"))
        setup.model_choice.setCurrentIndex(setup.model_choice.findData("extractor"))
        for name, value in (("kind", "free"), ("width", 8), ("attention", "softmax")):
            setup.params.set_value(name, value)
            setup.params.edited.emit(name)
        for name, value in (("epochs", 12), ("batch_size", 32), ("learning_rate", 2e-3)):
            setup.training.editor(name).setValue(value)
        self.shoot("train", "network")
        if {"attention", "invariance"} & set(self.wanted):
            view = panel.train(setup.recipe())
            self.wait("attention", lambda: view.epoch >= 9 or not view.alive)
            self.shoot("train", "attention")
            self.wait("training", lambda: not view.alive)
            self.invariance(panel)
        self.sweep()

    def sweep(self) -> None:
        """Networks against the degree of rolling, and the inside of one, while some still train."""
        if "sweep" not in self.wanted:
            return
        from crystalgui.gui.panels.runs.new_sweep import SweepDialog

        self.window.show_page("runs")
        self.rest()
        page: Any = self.window.page_widget("runs")
        page.ask_sweep()
        (dialog,) = page.findChildren(SweepDialog)
        dialog.family.setCurrentIndex(dialog.family.findText("Medium extractor"))
        dialog.check("kind", "standard", "high-bandwidth")
        dialog.check("convolution", "convolution", "toroidal-sum")
        small = {"rollings": "0, 1, 2, 3", "repeats": 2, "epochs": 4, "train": 400, "test": 200}
        small["batch_size"] = 16
        for name, value in small.items():
            dialog.form.set_value(name, value)
        dialog.start.click()
        run = self.session.runs.runs[0]
        self.wait("networks", lambda: len(run.points) >= 24 or not run.alive)
        page.sweep.inside.click()
        self.shoot("runs", "sweep")
        self.session.runs.cancel(run)
        self.wait("the end of the sweep", lambda: not run.alive)

    def invariance(self, panel: Any) -> None:
        """What the network that was trained last answers when its images are rolled."""
        if "invariance" not in self.wanted:
            return
        panel.invariance_chip.setChecked(True)
        asking = panel.invariance.asking
        self.wait("the trained network", lambda: asking.run.isEnabled())
        asking.form.set_value("rollings", "0, 1, 2, 3, 4")
        asking.run.click()
        self.wait("invariance", lambda: panel.invariance.state.done)
        self.shoot("train", "invariance")

    def phase_data(self) -> None:
        """A small data set of Hamiltonians, made through its four steps, and a view of it."""
        if not {"phase-data", "phase-data-made"} & set(self.wanted):
            return
        from crystalgui.core.messages import HamiltonianSource

        self.window.show_page("train")
        self.rest()
        panel: Any = self.window.page_widget("train")
        panel.make_phase_data()
        flow = panel.phase_data.flow
        fixed = {"b2": 0.8, "staggered": 0.3}
        for row, d in ((flow.ends.start, 0.05), (flow.ends.end, 0.4)):
            source = HamiltonianSource(model="fu-kane-mele", settings={**fixed, "d": d})
            flow.ends.choose(row, source)
        flow.ends.watch_settings()
        flow.noise.strength.setValue(0.005)
        flow.size_step.name.setText("diamond")
        flow.size_step.set_size(80, 20)
        flow.show_step(3)
        self.wait("ends", lambda: flow.recipe() is not None)
        flow.next.click()
        self.wait("phase data", lambda: not flow.state.alive)
        self.shoot("train", "phase-data-made")
        explore = panel.phase_data.explore
        panel.explore_phase_data(flow.state.summary)
        self.wait("data", lambda: explore.data is not None)
        explore.show_view("gap")
        explore.choose_sample(7)
        self.wait("certificate", lambda: explore.sample.certificate is not None)
        self.shoot("train", "phase-data")

    def report(self) -> None:
        """The pages of a report, once they are set."""
        if "report" not in self.wanted:
            return
        self.window.show_page("report")
        self.rest()
        page = self.window.page_widget("report")
        self.wait("report", lambda: page.export_pdf.isEnabled() and page.pages.images)  # type: ignore[union-attr]
        self.shoot("report")


def data_set(folder: Path) -> tuple[Path, Path]:
    """Shaken and strained copies of the example crystals, labelled by their anion."""
    import numpy as np

    from crystalgui.core.resources import examples
    from crystalgui.core.structures.cells import strained
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.elements import SYMBOLS
    from crystalgui.core.structures.files import read_crystal, write_poscar

    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    lines = ["id,label"]
    for path in sorted((examples() / "structures").iterdir()):
        crystal = read_crystal(path)
        symbols = {SYMBOLS[z] for z in crystal.composition}
        label = next((name for anion, name in FAMILIES if anion in symbols), "other")
        for number in range(COPIES):
            shift = rng.normal(0, 0.03, crystal.cart.shape) @ np.linalg.inv(crystal.lattice)
            shaken = Crystal(
                lattice=crystal.lattice, frac=crystal.frac + shift, species=crystal.species
            )
            noise = rng.normal(0, 0.02, (3, 3))
            name = f"{path.stem}-{number}"
            write_poscar(strained(shaken, (noise + noise.T) / 2), folder / f"{name}.vasp")
            lines.append(f"{name},{label}")
    labels = folder.with_name("labels.csv")
    labels.write_text("\n".join(lines) + "\n", "utf-8")
    return folder, labels


def data_set_of_digits(folder: Path) -> Path:
    """The handwritten digits that come with scikit-learn (8 x 8), every third one to test."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        part = folder / ("test" if number % 3 == 0 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * (255 / 16)).astype("uint8")).save(part / f"{number}.png")
    return folder


if __name__ == "__main__":
    sys.exit(main())
