"""Forms made from cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QValidator
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Param
from crystalgui.core.messages import ErrorInfo, SplitSpec, TrainRecipe
from crystalgui.gui.panels.forms import ParamForm, RealBox
from crystalgui.gui.panels.train import recipe as recipes
from crystalgui.gui.panels.train.recipe import remedies
from tests.gui.sessions import BROKEN, CGNN, tqc


def test_a_field_for_every_parameter_with_label_unit_help_and_bounds(qtbot: QtBot) -> None:
    form = ParamForm(CGNN.params)
    qtbot.addWidget(form)
    assert form.names == tuple(p.name for p in CGNN.params)
    assert form.values() == {p.name: p.default for p in CGNN.params}
    cutoff = form.editor("cutoff")
    assert (cutoff.minimum(), cutoff.maximum()) == (2.0, 12.0)
    assert form._labels["cutoff"].text() == "Cut-off, Å"
    cutoff.setValue(99.0)
    assert form.value("cutoff") == 12.0


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_overrides_are_what_differs_from_the_preset(qtbot: QtBot, preset: str) -> None:
    form = ParamForm(CGNN.params)
    qtbot.addWidget(form)
    form.set_baseline(recipes.model_baseline(CGNN, preset))
    assert form.overrides() == {}
    assert form.value("width") == CGNN.presets[preset]["width"]
    with qtbot.waitSignal(form.edited) as edit:
        form.editor("depth").setValue(7)
    assert edit.args == ["depth"]
    assert form.overrides() == {"depth": 7}
    assert form._labels["depth"].property("role") == "accent"
    form.set_value("depth", CGNN.presets[preset]["depth"])
    assert form.overrides() == {}
    assert form._labels["depth"].property("role") == "muted"


def test_values_keep_the_type_of_the_default(qtbot: QtBot) -> None:
    form = ParamForm(
        (
            Param(name="a", label="a", default=True),
            Param(name="b", label="b", default=3),
            Param(name="c", label="c", default=1e-3),
            Param(name="d", label="d", default="x", choices=("x", "y")),
            Param(name="e", label="e", default="free"),
        )
    )
    qtbot.addWidget(form)
    form.set_value("d", "y")
    form.set_value("e", "words")
    form.set_value("a", False)
    assert form.values() == {"a": False, "b": 3, "c": 1e-3, "d": "y", "e": "words"}
    assert [type(v) for v in form.values().values()] == [bool, int, float, str, str]


@pytest.mark.parametrize(
    ("text", "value"), [("3e-4", 3e-4), ("0,5", 0.5), ("1E-9", 1e-9), ("7", 7.0)]
)
def test_real_numbers_are_typed_as_people_write_them(qtbot: QtBot, text: str, value: float) -> None:
    box = RealBox()
    qtbot.addWidget(box)
    box.setRange(1e-9, 10.0)
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert box.value() == pytest.approx(value)
    assert float(box.text()) == pytest.approx(value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_refused(qtbot: QtBot, text: str) -> None:
    box = RealBox()
    qtbot.addWidget(box)
    assert box.validate(text, 0)[0] == QValidator.State.Invalid


def test_real_box_steps_on_every_scale(qtbot: QtBot) -> None:
    box = RealBox()
    qtbot.addWidget(box)
    box.setRange(0.0, 10.0)
    for start in (1e-5, 1e-3, 1.0):
        box.setValue(start)
        box.stepBy(1)
        assert start < box.value() <= 2 * start


def test_the_form_says_what_is_missing(tmp_path: Path) -> None:
    split = {"kind": "composition", "validation": 0.1, "test": 0.1, "split_seed": 0}
    data = tqc(tmp_path)
    assert recipes.problem(data, CGNN, split) == ""
    assert "data set" in recipes.problem(None, CGNN, split)
    assert "model" in recipes.problem(data, None, split)
    assert "No module." in recipes.problem(data, BROKEN, split)
    assert "one class" in recipes.problem(replace(data, counts=(5, 0, 0, 0, 0)), CGNN, split)
    assert "no crystals" in recipes.problem(data, CGNN, {**split, "test": 0.8, "validation": 0.3})
    assert "validation" in recipes.problem(data, CGNN, {**split, "validation": 0.0})
    only_classes = replace(CGNN, tasks=("classification",))
    numbers = replace(data, task="regression", classes=(), counts=())
    assert "regression" in recipes.problem(numbers, only_classes, split)


def test_a_recipe_has_everything_the_forms_say(tmp_path: Path) -> None:
    training = {p.name: p.default for p in (*recipes.TRAINING, *recipes.MORE)}
    made = recipes.make_recipe(
        card=CGNN,
        preset="small",
        params={"depth": 4},
        training={**training, "epochs": 3, "learning_rate": 5e-4},
        split={"kind": "random", "validation": 0.2, "test": 0.15, "split_seed": 9},
        dataset=tmp_path,
    )
    assert made == TrainRecipe(
        model="cgnn",
        dataset=tmp_path,
        preset="small",
        params={"depth": 4},
        epochs=3,
        learning_rate=5e-4,
        split=SplitSpec(kind="random", validation=0.2, test=0.15, seed=9),
    )


def test_defaults_of_the_form_are_those_of_the_recipe(tmp_path: Path) -> None:
    plain = TrainRecipe(model="cgnn", dataset=tmp_path)
    for param in (*recipes.TRAINING, *recipes.MORE):
        assert getattr(plain, param.name) == param.default


def test_remedies_change_the_setting_that_failed(tmp_path: Path) -> None:
    recipe = TrainRecipe(model="cgnn", dataset=tmp_path, learning_rate=1e-2, batch_size=64)
    (slower,) = remedies(recipe, ErrorInfo(title="NaN", kind="nan"))
    assert slower.recipe == replace(recipe, learning_rate=1e-3)
    (smaller,) = remedies(recipe, ErrorInfo(title="memory", kind="memory"))
    assert smaller.recipe == replace(recipe, batch_size=32)
    (cpu,) = remedies(recipe, ErrorInfo(title="no GPU", kind="device"))
    assert cpu.recipe == replace(recipe, device="cpu")
    assert remedies(recipe, ErrorInfo(title="?", kind="internal")) == ()
    assert remedies(replace(recipe, batch_size=1), ErrorInfo(title="m", kind="memory")) == ()
