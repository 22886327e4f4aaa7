"""What a data set of zones holds: samples of each phase by family, as table and as card."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crystalgui.core.datasets.hamiltonians.families import FAMILIES
from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset


def shares_json(data: ZoneDataset) -> dict[str, Any]:
    """Samples of each phase by family, and what is kept apart."""
    rows = []
    for name, counts, left in data.shares():
        family = FAMILIES.get(name)
        mine = [one for one in data.apart if one.family == name]
        rows.append({
            "family": name,
            "title": family.title if family else name,
            "dimension": family.dimension if family else 0,
            "counts": dict(zip(data.summary.classes, counts, strict=True)),
            "apart": left,
            "apart_labels": dict(sorted(Counter(one.label for one in mine).items())),
        })  # fmt: skip
    return {
        "name": data.summary.name,
        "classes": list(data.summary.classes),
        "counts": list(data.summary.counts),
        "families": rows,
        "remarks": list(data.remarks),
        "digest": data.summary.digest,
    }


def shares_csv(data: ZoneDataset) -> str:
    """The same as a table: one row a family, shares in parts of its samples."""
    classes = data.summary.classes
    head = ["family", "dimension", *classes, *(f"share of {c}" for c in classes), "apart"]
    lines = [",".join(head)]
    for row in shares_json(data)["families"]:
        counts = list(row["counts"].values())
        total = max(1, sum(counts))
        cells = [row["family"], row["dimension"], *counts]
        cells += [f"{count / total:.4f}" for count in counts]
        lines.append(",".join(str(cell) for cell in [*cells, row["apart"]]))
    return "\n".join(lines) + "\n"


def card(data: ZoneDataset) -> str:
    """The data card: what is in it and how it was made."""
    recipe, classes = data.recipe, data.summary.classes
    lines = [
        f"# {recipe.title or recipe.name}",
        "",
        f"{len(data):,} Hamiltonians of {len(data.families)} families, each sampled on "
        f"{recipe.mesh} points along every reciprocal vector in whose direction anything hops "
        f"(eq. 13 of Bird 2023) and kept as {len(data.names)} gauge-invariant channels.",
        "",
        "| family | dimension | " + " | ".join(classes) + " | apart |",
        "|" + "---|" * (len(classes) + 3),
    ]
    for row in shares_json(data)["families"]:
        counts = " | ".join(f"{count:,}" for count in row["counts"].values())
        lines.append(f"| {row['title']} | {row['dimension']} | {counts} | {row['apart']} |")
    lines.append("")
    for name in data.families:
        if name in FAMILIES:
            lines.append(f"- {FAMILIES[name].title}: {FAMILIES[name].text}")
    lines += [
        f"- Draws depend on family, seed ({recipe.seed}) and number alone. Each phase is that of "
        "the certified classifier; what it calls metal, undefined or unresolved is kept apart.",
        "- Phases are strong: a weak topological insulator counts as trivial. Chern insulators, "
        "quantum spin Hall insulators and chains with Zak phase pi count as topological.",
        "- Families are balanced between phases by how settings are drawn, so shares say nothing "
        "about nature.",
        *(f"- {remark}" for remark in data.remarks),
    ]
    return "\n".join(lines) + "\n"
