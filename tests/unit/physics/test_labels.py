"""Labels along a path: few certificates, many samples, no wrong one."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.physics import zoo
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.labels import Mixture, label_path, path_csv


def test_a_certificate_speaks_for_its_stretch() -> None:
    a, b = zoo.kane_mele(staggered=0.1), zoo.kane_mele(staggered=0.5)
    alphas = np.linspace(0, 1, 41)
    samples = sorted(label_path(a, b, 2, alphas), key=lambda s: s.alpha)
    closing = (3 * np.sqrt(3) * 0.06 - 0.1) / 0.4
    for sample in samples:
        inside = sample.alpha < closing
        assert sample.label == ("topological insulator" if inside else "trivial insulator")
    assert sum(sample.via == "certificate" for sample in samples) < 6


def test_every_label_is_that_of_a_certificate_of_its_own() -> None:
    a = zoo.fu_kane_mele(bonds=(1.05, 0.8, 1, 1), staggered=0.3)
    b = zoo.fu_kane_mele(bonds=(1.4, 0.8, 1, 1), staggered=0.3)
    samples = list(label_path(a, b, 2, 15))
    assert {s.label for s in samples} == {
        "trivial insulator",
        "Weyl semimetal",
        "topological insulator",
    }
    mixture = Mixture(a, b, 2)
    for sample in samples[::3]:
        assert classify(mixture.at(sample.alpha), 2).label == sample.label


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.47, 0.62, 1.0])
def test_the_gap_of_a_scan_is_the_gap(alpha: float) -> None:
    mixture = Mixture(zoo.bitei_p22(0.0), zoo.bitei_p22(2.0), 12)
    gap, k = mixture.smallest_gap(alpha)
    assert gap == pytest.approx(gaps(mixture.at(alpha), 12).direct.energy, abs=2e-5)
    assert k.shape == (3,)


def test_the_table() -> None:
    samples = list(label_path(zoo.bhz(M=1.0), zoo.bhz(M=2.0), 2, 3))
    lines = path_csv(samples).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("alpha,label,status")


def test_two_processes_say_the_same() -> None:
    a, b = zoo.kane_mele(staggered=0.1), zoo.kane_mele(staggered=0.5)
    one = [(s.alpha, s.label, s.gap) for s in label_path(a, b, 2, 9)]
    two = [(s.alpha, s.label, s.gap) for s in label_path(a, b, 2, 9, processes=2)]
    assert one == two
