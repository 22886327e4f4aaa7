"""The certificate on paper and in tables: what it says, that it is vector, that it repeats."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from crystalgui.core.errors import DataError
from crystalgui.core.messages import REPORT_SECTIONS, ReportJob, ReportWritten
from crystalgui.core.physics.parities import Parities
from crystalgui.core.physics.wilson import flow
from crystalgui.core.physics.z2 import half_plane, z2_plane
from crystalgui.core.physics.zoo import bhz, cubic, haldane, kane_mele, ssh
from crystalgui.core.reports import pdf
from crystalgui.core.reports.certificate import (
    amount,
    certificate_csv,
    flow_csv,
    index_rows,
    parity_rows,
    read_flow,
    sentence,
    surface_words,
)
from crystalgui.core.reports.report import report_from_files
from crystalgui.core.reports.topology import flow_figure, topology
from crystalgui.core.structures.hoppings.writer import write_hr
from tests import certificates


def text_of(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("h", "odd"),
    [
        (kane_mele(), True),
        (kane_mele(staggered=0.5), False),
        (bhz(M=2.0), True),
        (bhz(M=-1.0), False),
    ],
)
def test_a_flow_reads_as_its_index(h: Any, odd: bool) -> None:
    plane = z2_plane(h, 2, half_plane(2, 0.0))
    reading = read_flow(plane.flow)
    assert reading.half
    assert reading.crossed % 2 == plane.value == odd
    assert len(reading.rings[0]) == reading.crossed
    assert reading.text == f"Z₂ = {int(odd)}"


@pytest.mark.parametrize(("phi", "turns"), [(np.pi / 2, -1), (-np.pi / 2, 1)])
def test_the_sum_of_centres_turns_with_the_chern_number(phi: float, turns: int) -> None:
    reading = read_flow(flow(haldane(phi=phi), certificates.WHOLE, 1))
    assert not reading.half
    assert reading.winding == turns


def test_the_table_has_every_record() -> None:
    _, made = certificates.weyl()
    found = records(certificate_csv(made))
    nodes = [row for row in found if row["record"] == "node"]
    assert [row["chirality"] for row in nodes] == ["1", "-1", "-1", "1"]
    assert np.allclose(
        [[float(row[k]) for k in ("k1", "k2", "k3")] for row in nodes],
        [node.k for node in made.nodes],
    )
    checks = {row["name"]: row for row in found if row["record"] == "check"}
    assert (checks["slices"]["passed"], checks["slices"]["value"]) == ("no", "")
    assert checks["sum of chiralities"]["value"] == "0.0"
    direct = next(row for row in found if row["name"] == "direct")
    assert float(direct["value"]) == made.gaps.direct.energy
    assert direct["unit"] == "eV"


def test_parities_and_indices_are_rows() -> None:
    _, made = certificates.topological()
    pairs = Parities(
        trim=np.array([[0, 0, 0], [0.5, 0, 0]]),
        odd_pairs=np.array([1, 2]),
        z2=(1, 0, 0, 0),
        z4=3,
        gaps=np.array([0.4557, 3e-5]),
        sharpness=1.0,
        odd_states=np.array([2, 4]),
        deviation=1e-9,
    )
    full = replace(
        made,
        parities=pairs,
        indices=replace(made.indices, z2=(1, 0, 0, 1), z4=3, chern=(0, -1, 2), winding=1),
    )
    assert parity_rows(full)[0] == ("(0, 0, 0)", "1", "0.4557")
    assert parity_rows(full)[1] == ("(½, 0, 0)", "2", "3.0e−05")
    rows = dict(index_rows(full))
    assert rows["Z₂ (ν₀;ν₁ν₂ν₃)"] == "(1;001)"
    assert rows["Chern number"] == "0, −1, 2"
    table = {row["name"]: row["value"] for row in records(certificate_csv(full))}
    assert (table["z2 nu3"], table["chern 2"], table["z4"], table["winding"]) == (
        "1",
        "-1",
        "3",
        "1",
    )
    text = text_of(pdf.build(topology(full, "X", "x_hr.dat"), "t", "t"))
    for phrase in ("Topological insulator", "converged", "(1;001)", "Odd Kramers pairs"):
        assert phrase in text, phrase


def test_words() -> None:
    assert sentence("chern insulator, C = -1, k-points") == "Chern insulator, C = −1, k-points"
    assert sentence("") == ""
    assert amount(-0.25) == "−0.2500"
    assert amount(0.0) == "0.0000"
    assert surface_words(half_plane(2, 0.5)) == "(½ t, s, ½)"
    assert surface_words(certificates.WHOLE) == "(t, s, 0)"


def test_flows_are_drawn_as_vectors() -> None:
    _, made = certificates.topological()
    one = made.flows[0][1]
    figure = flow_figure([(f"k{i}", one) for i in range(4)], 480, 220)
    assert len(figure.axes) == 4
    dots = figure.axes[0].lines[1]
    assert np.allclose(np.sort(dots.get_ydata()), np.sort(one.centres.ravel()))
    assert figure.axes[0].get_title() == "k0:  Z₂ = 1"
    failed = flow_figure([("a", replace(one, converged=False))], 200, 150)
    assert failed.axes[0].get_title() == "a:  not converged"
    data = pdf.build(topology(made, "Kane-Mele", "km_hr.dat"), "t", "t")
    reader = PdfReader(io.BytesIO(data))
    assert not any(page.images for page in reader.pages)
    assert flow_csv(one).count("\n") == 1 + len(one.t)


def written(files: Sequence[Path], out: Path, **more: Any) -> tuple[Path, ...]:
    (*_, end) = report_from_files(files, out, date="2026-01-02", **more)
    assert isinstance(end, ReportWritten)
    return end.paths


def test_a_report_certifies_a_file_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "cubic_hr.dat"
    write_hr(cubic(M=2.0), path)
    more = {"occupied": {"cubic_hr.dat": 2}, "sections": ("topology", "versions")}
    for name in "ab":
        paths = written([path], tmp_path / name, **more)
        assert [p.name for p in paths] == ["report.pdf", "cubic_hr.dat-certificate.csv"]
    for name in ("report.pdf", "cubic_hr.dat-certificate.csv"):
        a, b = ((tmp_path / folder / name).read_bytes() for folder in "ab")
        assert a == b
    text = text_of((tmp_path / "a" / "report.pdf").read_bytes())
    assert "Topological insulator" in text
    assert "(1;000)" in text
    assert "Direct gap" in text
    assert "Bands along" not in text
    table = records((tmp_path / "a" / "cubic_hr.dat-certificate.csv").read_text("utf-8"))
    assert {row["name"]: row["value"] for row in table}["z2 nu0"] == "1"


def test_a_filling_without_a_gap_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "km_hr.dat"
    write_hr(kane_mele(), path)
    written([path], tmp_path / "r.pdf", occupied={"km_hr.dat": 4}, sections=("topology",))
    text = text_of((tmp_path / "r.pdf").read_bytes())
    assert "topology" in text
    assert "4" in text
    assert "converged" not in text


def test_a_chain_has_no_plane(tmp_path: Path) -> None:
    path = tmp_path / "ssh_hr.dat"
    write_hr(ssh(), path)
    written([path], tmp_path / "r.pdf", occupied={"ssh_hr.dat": 1}, sections=("topology",))
    assert "Zak phase" in text_of((tmp_path / "r.pdf").read_bytes())


def test_the_sections_are_listed_once(tmp_path: Path) -> None:
    assert ReportJob(out=tmp_path).sections == tuple(REPORT_SECTIONS)
    with pytest.raises(DataError, match="no section bandz") as caught:
        report_from_files([tmp_path], tmp_path / "r.pdf", sections=("bandz",))
    assert "topology" in caught.value.hint
