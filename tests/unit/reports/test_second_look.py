"""Lists of misclassified crystals: read, refused with place and remedy, written, read again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.errors import DataError
from crystalgui.core.reports.second_look import (
    list_text,
    looked_at,
    read_list,
    said_words,
)
from crystalgui.core.store.verdicts import Judged

HEAD = "id,formula,space group,label,Boosted trees,NNN,CGNN"
YN = "13098,YN,225,SEBR,LCEBR,LCEBR,LCEBR"
V3SB = "1555,V3Sb,223,SEBR,ESFD,ESFD,LCEBR"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "missed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_list_goes_out_with_its_verdicts_and_comes_back(tmp_path: Path) -> None:
    found = read_list(written(tmp_path, HEAD, YN, "", V3SB))
    assert found.models == ("Boosted trees", "NNN", "CGNN")
    assert [c.space_group for c in found.crystals] == [225, 223]
    assert said_words(found.crystals[0], found.models) == "All 3 say LCEBR."
    assert said_words(found.crystals[1], found.models) == "Boosted trees, NNN: ESFD; CGNN: LCEBR."
    first = found.crystals[0]
    own = Judged(id=first.id, formula=first.formula, label=first.label).now(
        "wrong", 'as "ScN",\nwhich is trivial'
    )
    judged = {own.key: own}
    assert looked_at(found.crystals, judged) == 1
    text = list_text(found, judged)
    assert text.splitlines()[1] == (
        '13098,YN,225,SEBR,LCEBR,LCEBR,LCEBR,label looks wrong,"as ""ScN"", which is trivial"'
    )
    again = read_list(written(tmp_path, text.rstrip("\n")))
    assert again.models == found.models
    assert again.crystals == found.crystals
    (kept,) = again.judged
    assert (kept.key, kept.verdict, kept.when) == (own.key, "wrong", "")


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ([""], None, "empty"),
        (["a,b,c", "1,2,3"], 1, "no list of misclassified"),
        (["id,formula,space group,label", "1,YN,225,ES"], 1, "no model"),
        (["id,formula,space group,label,verdict,note", "1,YN,225,ES,,"], 1, "no model"),
        ([HEAD, YN, "1555,V3Sb,223,SEBR,ESFD"], 3, "5 cells"),
        ([HEAD, "1555,V3Sb,Pm-3n,SEBR,ESFD,ESFD,ES"], 2, "space group"),
        ([HEAD, "1555,V3Sb,231,SEBR,ESFD,ESFD,ES"], 2, "space group"),
        ([HEAD, "1555,V3Sb,223,,ESFD,ESFD,ES"], 2, "label is missing"),
        ([HEAD, YN, V3SB, YN], 4, "twice, first in line 2"),
        ([HEAD + ",verdict,note", YN + ",perhaps,"], 2, "no verdict"),
        ([HEAD, '13098,"YN'], 2, "no CSV"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], line: int | None, what: str
) -> None:
    with pytest.raises(DataError, match=what) as found:
        read_list(written(tmp_path, *lines))
    assert found.value.line == line
    assert found.value.hint
    assert found.value.path == tmp_path / "missed.csv"


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path, tmp_path / "none.csv", tmp_path / "binary.csv"):
        with pytest.raises(DataError) as found:
            read_list(path)
        assert found.value.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_a_data_error(tmp_path_factory: object, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"  # type: ignore[attr-defined]
    path.write_bytes(HEAD.encode() + b"\n" + data)
    with suppress(DataError):
        found = read_list(path)
        assert all(len(crystal.answers) == 3 for crystal in found.crystals)
