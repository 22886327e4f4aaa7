"""report.pdf: what it says, that it is vector, that it repeats, and what it refuses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from pypdf import PdfReader

from crystalgui.core.cards import TrainedModel
from crystalgui.core.errors import CrystalError, DataError, FileError
from crystalgui.core.messages import Event, Prediction, Progress, ReportJob, ReportWritten
from crystalgui.core.reports.preview import page_count, page_images
from crystalgui.core.reports.report import report_from_files, sort_files, write_report
from crystalgui.core.resources import examples
from tests.predicted import predicted

NACL = examples() / "structures" / "NaCl.vasp"
BI2SE3 = examples() / "structures" / "Bi2Se3.vasp"
BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"
CLASSES = ("LCEBR", "NLC", "SEBR")
CARD = TrainedModel(
    name="a-model",
    family="cgnn",
    title="A model & its <card>",
    folder="",
    task="classification",
    target="class",
    classes=CLASSES,
    metrics={"accuracy": 0.8125},
    data="1,234 crystals",
    coarse={"LCEBR": "trivial", "NLC": "topological", "SEBR": "topological"},
)


def row(file: str, **more: object) -> Prediction:
    values = {"formula": "NaCl", "space_group": "P6_3/mmc", "prediction": "LCEBR"}
    return predicted(
        file=file,
        probability=0.9,
        probabilities=(("LCEBR", 0.9), ("NLC", 0.1)),
        **{**values, **more},  # type: ignore[arg-type]
    )


def text_of(path: Path) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def last(events: Iterable[Event]) -> Event:
    *before, end = events
    totals = [e for e in before if isinstance(e, Progress)]
    assert all(a.done <= b.done for a, b in pairwise(totals))
    return end


def test_everything_that_was_promised_is_printed(tmp_path: Path) -> None:
    end = last(
        report_from_files(
            [NACL, BITEI],
            tmp_path / "out",
            heading="Salts & <bands>",
            predictions=[
                row(str(NACL), warnings=("a warning",), coarse=(("coarsely", 0.9),)),
                predicted(file="x", error="why"),
            ],
            trained=CARD,
            date="2026-01-02",
        )
    )
    assert isinstance(end, ReportWritten)
    table = "bitei_hr.dat.gz-certificate.csv"
    assert {p.name for p in end.paths} == {"report.pdf", "predictions.csv", table}
    text = text_of(tmp_path / "out" / "report.pdf")
    for phrase in (
        "Salts & <bands>",
        "2026-01-02",
        "NaCl.vasp",
        "Fm-3m",
        "225",
        "Inequivalent".upper(),
        "Direct gap",
        "Fermi",
        "Γ",
        "a warning",
        "coarsely",
        "why",
        "Model card",
        "A model & its <card>",
        "topological: NLC, SEBR",
        "0.8125",
        "spglib",
        hashlib.sha256(NACL.read_bytes()).hexdigest(),
        hashlib.sha256(BITEI.read_bytes()).hexdigest(),
    ):
        assert phrase in text, phrase


def test_figures_are_vectors_and_fonts_are_embedded(tmp_path: Path) -> None:
    list(report_from_files([NACL, BITEI], tmp_path / "r.pdf"))
    reader = PdfReader(tmp_path / "r.pdf")
    curves = 0
    for page in reader.pages:
        assert not page.images
        curves += page.get_contents().get_data().count(b" c")
        for font in page["/Resources"]["/Font"].values():
            font = font.get_object()
            if "Inter" in font["/BaseFont"]:
                assert "/FontFile2" in font["/FontDescriptor"].get_object()
    assert curves > 100


def test_the_same_report_has_the_same_bytes_except_for_its_date(tmp_path: Path) -> None:
    for name, date in (("a", "2026-01-02"), ("b", "2026-01-02"), ("c", "2026-01-03")):
        list(report_from_files([BI2SE3, BITEI], tmp_path / f"{name}.pdf", date=date))
    a, b, c = ((tmp_path / f"{n}.pdf").read_bytes() for n in "abc")
    assert a == b
    assert a != c


def test_nothing_runs_out_of_the_page(tmp_path: Path) -> None:
    long = "Ba12Ca4Sr8Y4Cu24Bi8O80Fe12Co12Ni4Zn16Mn8Ti20"
    rows = [row("a" * 120 + ".vasp", formula=long, prediction="W" * 60)] * 3
    job = ReportJob(out=tmp_path / "r.pdf", predictions=tuple(rows), heading="H" * 300)
    list(write_report(job))
    for image in page_images(tmp_path / "r.pdf", 595):
        ink = (image < 250).any(axis=(0, 2)).nonzero()[0]
        assert ink.min() >= 50
        assert ink.max() <= 545


def test_a_long_table_repeats_its_head_on_every_page(tmp_path: Path) -> None:
    rows = tuple(row(f"crystal-{i}.vasp") for i in range(150))
    list(
        write_report(ReportJob(out=tmp_path / "r.pdf", predictions=rows, sections=("predictions",)))
    )
    pages = [page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages]
    assert len(pages) > 2
    assert all("Space group" in page for page in pages if "crystal-" in page)
    assert all(f"crystal-{i}.vasp" in "\n".join(pages) for i in (0, 75, 149))
    assert f"{len(pages)} / {len(pages)}" in pages[-1]


def test_a_warning_stays_with_its_row_and_a_huge_one_fits(tmp_path: Path) -> None:
    rows = [row(f"crystal-{i}.vasp", warnings=(f"warning-{i} ",)) for i in range(60)]
    rows += [row("huge.vasp", warnings=("w " * 9000,)), predicted(file="x", error="e " * 9000)]
    job = ReportJob(out=tmp_path / "r.pdf", predictions=tuple(rows), sections=("predictions",))
    list(write_report(job))
    for page in PdfReader(tmp_path / "r.pdf").pages:
        text = page.extract_text()
        for i in range(60):
            assert (f"crystal-{i}.vasp" in text) == (f"warning-{i}\n" in text)


def test_sections_can_be_left_out(tmp_path: Path) -> None:
    job = ReportJob(
        out=tmp_path / "r.pdf", crystals=(NACL,), predictions=(row("x"),), trained=CARD, sections=()
    )
    list(write_report(job))
    text = text_of(tmp_path / "r.pdf")
    assert "Inputs" in text
    for phrase in ("Space group", "Model card", "spglib"):
        assert phrase not in text


def test_one_unreadable_file_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.vasp"
    broken.write_text("title\n1.0\n1 0 0\n")
    list(report_from_files([broken, NACL, tmp_path / "gone.vasp"], tmp_path / "r.pdf"))
    text = text_of(tmp_path / "r.pdf")
    assert "NaCl" in text
    assert "broken.vasp" in text
    assert "gone.vasp" in text


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        list(write_report(ReportJob(out=tmp_path)))
    with pytest.raises(DataError):
        list(write_report(ReportJob(out=tmp_path / "p.csv", crystals=(NACL,))))
    with pytest.raises(FileError) as caught:
        list(report_from_files([tmp_path / "gone.vasp"], tmp_path / "r.pdf"))
    assert caught.value.path == tmp_path / "gone.vasp"
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_said_by_name(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with pytest.raises(CrystalError) as caught:
        list(report_from_files([NACL], blocker / "r.pdf"))
    assert caught.value.hint


def test_an_occupation_can_be_chosen(tmp_path: Path) -> None:
    list(report_from_files([BITEI], tmp_path / "r.pdf", occupied={BITEI.name: 4}))
    text = text_of(tmp_path / "r.pdf")
    assert "Direct gap between bands 4 and 5" in text
    list(report_from_files([BITEI], tmp_path / "all.pdf", occupied={BITEI.name: 999}))
    assert "999 occupied bands" in text_of(tmp_path / "all.pdf")


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "POSCAR").write_bytes(NACL.read_bytes())
    list(report_from_files([tmp_path / "one", tmp_path / "two"], tmp_path / "r.pdf"))
    text = text_of(tmp_path / "r.pdf")
    assert "one/POSCAR" in text
    assert "two/POSCAR" in text


def test_hoppings_are_paired_with_their_own_crystal(tmp_path: Path) -> None:
    list(report_from_files([BI2SE3, BITEI], tmp_path / "near.pdf"))
    text = text_of(tmp_path / "near.pdf")
    assert "BiTeI · bands" in text
    far = tmp_path / "far_hr.dat.gz"
    far.write_bytes(BITEI.read_bytes())
    list(report_from_files([far, BITEI.parent / "POSCAR"], tmp_path / "far.pdf"))
    assert "lattice from POSCAR" in text_of(tmp_path / "far.pdf").replace("\n", " ")


def test_files_are_sorted_by_kind() -> None:
    crystals, hoppings, companions = sort_files([BITEI.parent, NACL])
    assert [p.name for p in hoppings] == [BITEI.name]
    assert NACL in crystals
    assert BITEI.parent / "POSCAR" in crystals + companions


def test_the_preview_shows_the_file(tmp_path: Path) -> None:
    list(report_from_files([NACL], tmp_path / "r.pdf"))
    images = page_images(tmp_path / "r.pdf", 300)
    assert len(images) == page_count(tmp_path / "r.pdf")
    assert images[0].shape[1] == 300
    assert abs(images[0].shape[0] - 300 * 297 / 210) < 2
    assert images[0].min() < 60 < 250 < images[0].max()
    (tmp_path / "no.pdf").write_bytes(b"no pdf")
    with pytest.raises(FileError):
        page_images(tmp_path / "no.pdf", 300)
