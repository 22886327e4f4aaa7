"""Targets: names, units and classes, what follows from what, and impossible labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystalgui.core.datasets.labels import read_labels
from crystalgui.core.datasets.targets import (
    DERIVED,
    TARGETS,
    TQC_COARSE,
    Value,
    classes_among,
    cleaned,
    derived,
    point_group_of,
    target_named,
    unit_of,
)
from crystalgui.core.errors import DataError
from crystalgui.core.models.trained import coarse_classes
from tests.models.samples import table

RECORDS = table(6)


def same(value: Value) -> dict[str, Value]:
    return dict.fromkeys(RECORDS.ids, value)


def test_names_are_found_however_they_are_spelt() -> None:
    for name in ("space_group", "Space group", "space-group", "SPACE  GROUP"):
        assert target_named(name) is TARGETS["space_group"]
    assert target_named("colour") is None
    assert (unit_of("Formation energy"), unit_of("tqc"), unit_of("x")) == ("eV/atom", "", "")
    assert DERIVED == ("tqc3", "space_group", "point_group", "metal")


def test_point_groups_are_those_of_spglib() -> None:
    import spglib

    seen = set()
    for hall in range(1, 531):
        group = spglib.get_spacegroup_type(hall)
        assert point_group_of(group.number) == group.pointgroup_international
        seen.add(group.pointgroup_international)
    assert seen == set(TARGETS["point_group"].classes)
    assert len(TARGETS["space_group"].classes) == 230
    for number in (0, 231):
        with pytest.raises(DataError, match="no space group"):
            point_group_of(number)


def test_three_classes_of_five() -> None:
    five = dict(zip(RECORDS.ids, ("ES", "ESFD", "NLC", "SEBR", "LCEBR", "ES"), strict=True))
    target, values = derived("tqc3", "tqc", {**five}, RECORDS)
    assert target is TARGETS["tqc3"]
    assert list(values.values()) == [
        "semimetal", "semimetal", "insulator", "insulator", "trivial", "semimetal",
    ]  # fmt: skip
    assert set(TQC_COARSE) == set(TARGETS["tqc"].classes)
    assert set(TQC_COARSE.values()) == set(TARGETS["tqc3"].classes)
    assert coarse_classes(TARGETS["tqc"].classes) == TQC_COARSE
    with pytest.raises(DataError, match="'TI', which is none of the classes"):
        derived("tqc3", "tqc", same("TI"), RECORDS)


def test_symmetry_follows_from_labels_or_structures() -> None:
    _, values = derived("point-group", "space_group", same("62"), RECORDS)
    assert set(values.values()) == {"mmm"}
    _, found = derived("point_group", "tqc", same("ES"), RECORDS)
    assert [found[key] for key in RECORDS.ids] == [
        point_group_of(int(number)) for number in RECORDS.space_group
    ]
    _, kept = derived("space_group", "space_group", same("62"), RECORDS)
    assert set(kept.values()) == {"62"}


def test_only_a_gap_of_zero_is_a_metal() -> None:
    gaps: dict[str, Value] = dict(zip(RECORDS.ids, (0.0, 1e-4, 2.0, "0", "0.0", "3"), strict=True))
    _, values = derived("metal", "band_gap", gaps, RECORDS)
    assert list(values.values()) == [
        "metal", "insulator", "insulator", "metal", "metal", "insulator",
    ]  # fmt: skip
    with pytest.raises(DataError, match="no number"):
        derived("metal", "band_gap", same("wide"), RECORDS)
    with pytest.raises(DataError, match="does not follow"):
        derived("metal", "tqc", same("ES"), RECORDS)
    for name in ("formation_energy", "colour"):
        with pytest.raises(DataError, match="No labels can be derived") as caught:
            derived(name, "tqc", same("ES"), RECORDS)
        assert "tqc3" in caught.value.hint


class TestCleaning:
    def test_energies_of_whole_cells_are_refused_rather_than_thinned(self) -> None:
        sizes = {str(i): 1 + i % 8 for i in range(40)}
        cells: dict[str, Value] = {key: -1.5 * atoms for key, atoms in sizes.items()}
        with pytest.raises(DataError, match="25 of 40 values are beyond") as caught:
            cleaned(TARGETS["formation_energy"], cells, sizes)
        assert "Divide every formation energy" in caught.value.hint
        few = {key: -1.5 if int(key) else -12.0 for key in cells}
        kept, reasons = cleaned(TARGETS["formation_energy"], few, dict.fromkeys(few, 8))
        assert (len(kept), list(reasons)) == (39, ["0"])

    def test_formation_energies(self) -> None:
        values: dict[str, Value] = {"a": -1.5, "b": -24.0, "c": 99.0, "d": -4.49, "e": "x"}
        kept, reasons = cleaned(
            TARGETS["formation_energy"], values, {"a": 8, "b": 8, "c": 2, "d": 1, "e": 1}
        )
        assert kept == {"a": -1.5, "d": -4.49}
        assert "divided by the 8 atoms of the cell it is -3: probably not per atom" in reasons["b"]
        assert reasons["c"] == "99 is beyond -5 to 3 eV/atom"
        assert reasons["e"] == "'x' is no number"

    def test_band_gaps_are_not_negative(self) -> None:
        values: dict[str, Value] = {"a": 0.0, "b": -0.1, "c": float("inf")}
        kept, reasons = cleaned(TARGETS["band_gap"], values, dict.fromkeys("abc", 1))
        assert list(kept) == ["a"]
        assert list(reasons) == ["b", "c"]

    def test_magnetic_orderings_in_words(self) -> None:
        words = ("nm", "Non-magnetic", "ferromagnetic", "FIM", "antiferro magnetic", "spiral")
        values: dict[str, Value] = dict(zip("abcdef", words, strict=True))
        kept, reasons = cleaned(TARGETS["magnetic_ordering"], values, dict.fromkeys("abcdef", 1))
        assert list(kept.values()) == ["NM", "NM", "FM", "FiM", "AFM"]
        assert reasons == {"f": "spiral is no magnetic ordering"}

    def test_another_scheme_of_classes_is_left_alone(self) -> None:
        values: dict[str, Value] = {"a": "TI", "b": "SM", "c": "ES"}
        assert cleaned(TARGETS["tqc"], values, dict.fromkeys("abc", 1)) == (values, {})


class TestLabelFiles:
    def test_space_groups_are_classes_not_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "space_group.csv"
        path.write_text("id,label\n" + "".join(f"{i},{1 + (i * 7) % 100}\n" for i in range(200)))
        found = read_labels(path)
        assert found.task == "classification"
        assert found.classes == tuple(map(str, range(1, 101)))

    def test_known_classes_keep_their_order(self, tmp_path: Path) -> None:
        path = tmp_path / "tqc.csv"
        path.write_text("id,label\n1,NLC\n2,NLC\n3,LCEBR\n")
        assert read_labels(path).classes == ("LCEBR", "NLC")
        path.write_text("id,label\n1,NLC\n2,NLC\n3,A\n")
        assert read_labels(path).classes == ("NLC", "A")
        assert classes_among("tqc", {"A"}) == classes_among("x", {"A"}) == ()

    def test_few_whole_band_gaps_are_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "band_gap.csv"
        path.write_text("id,label\n1,0\n2,1\n3,2\n")
        assert read_labels(path).task == "regression"
