"""What the lane does for these pages: reads, checks and writes, never in the window.

Every function takes and gives values; the data set is read once and passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from crystalgui.core.errors import DataError
from crystalgui.core.messages import HamiltonianSource, PhaseDataRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crystalgui.core.datasets.hamiltonians.analysis import Element, Spectrum, SymmetryCheck
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.physics.bands import Bands
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.core.structures.hoppings.model import Hoppings

MOST_POINTS = 8000
"""More points of a cloud help nobody; larger sets are drawn by a random part."""
MOST_NOISY = 3000
"""So many when the noise of each must be drawn again."""
MOST_EMBEDDED = 2000
"""Points of a t-SNE map; its cost grows faster than their number."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ends:
    """Two ends that fit together, and what is known of them."""

    start: Hoppings
    end: Hoppings
    occupied: int
    gaps: tuple[float, float]

    @property
    def words(self) -> str:
        """One sentence."""
        one, other = self.gaps
        return (
            f"{self.start.n_orbitals} orbitals, {self.occupied} bands occupied; smallest direct "
            f"gap {one:.3g} eV at the start and {other:.3g} eV at the end."
        )


def check_ends(start: HamiltonianSource, end: HamiltonianSource, occupied: int) -> Ends:
    """Read both ends and see whether they can be mixed."""
    from crystalgui.core.datasets.hamiltonians.recipes import ends
    from crystalgui.core.physics.labels import Mixture
    from crystalgui.core.physics.symmetries import dimension

    if start == end:
        raise DataError(
            "Both ends are the same Hamiltonian.", "Choose another end, or other settings."
        )
    one, other, filled = ends(PhaseDataRecipe(name="ends", start=start, end=end, occupied=occupied))
    family = Mixture(one, other, filled, max(dimension(one), dimension(other)))
    gaps = (family.smallest_gap(0.0)[0], family.smallest_gap(1.0)[0])
    return Ends(start=one, end=other, occupied=filled, gaps=gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A data set whose making was cut off."""

    recipe: PhaseDataRecipe
    folder: Path


def offers() -> tuple[PhaseDataRecipe, ...]:
    """Recipes of data sets that come with the program, where their files are there."""
    from crystalgui.core.datasets.hamiltonians.recipes import read_recipe, shipped

    found = []
    for path in shipped().values():
        recipe = read_recipe(path)
        if isinstance(recipe, PhaseDataRecipe) and all(
            source.path is None or source.path.exists() for source in (recipe.start, recipe.end)
        ):
            found.append(recipe)
    return tuple(found)


def unfinished(project: Path) -> tuple[Unfinished, ...]:
    """Data sets of a project whose making was cut off."""
    from crystalgui.core.datasets.hamiltonians.generate import begun

    return tuple(
        Unfinished(recipe=recipe, folder=folder)
        for folder, recipe in begun(project / ".crystalgui" / "datasets")
    )


def load(folder: Path) -> PhaseDataset:
    """The data set in a folder."""
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset

    return PhaseDataset.load(folder)


def bare(data: PhaseDataset) -> Hoppings:
    """The start of the line under the name of the data set, for headers of exports."""
    return replace(data.start, source=None, title=data.recipe.title or data.summary.name)


# --------------------------------------------------------------- clouds


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cloud:
    """Places of some samples in a plane.

    ``names`` of the axes as they are read and ``csv`` as columns; ``elements``
    are the two hoppings, where the axes are hoppings.
    """

    rows: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    names: tuple[str, str]
    csv: tuple[str, str]
    note: str = ""
    elements: tuple[Element, Element] | None = None


def gap_cloud(data: PhaseDataset, most: int) -> Cloud:
    """Smallest gap against mixing."""
    from crystalgui.core.datasets.hamiltonians.analysis import subsample

    rows = subsample(data, most)
    return Cloud(
        rows=rows,
        x=data.alpha[rows],
        y=data.gap[rows],
        names=("α", "smallest direct gap (eV)"),
        csv=("x_alpha", "y_gap_eV"),
    )


def hopping_cloud(
    data: PhaseDataset, first: Element | None, second: Element | None, part: str
) -> Cloud:
    """Two hoppings of many samples; without names those that change most along the line."""
    from crystalgui.core.datasets.hamiltonians import analysis

    if first is None or second is None:
        first, second = suggested(data)
    rows = analysis.subsample(data, MOST_POINTS if data.recipe.strength == 0 else MOST_NOISY)
    found = analysis.two_hoppings(data, first, second, rows, part)  # type: ignore[arg-type]
    one, other = found.names
    return Cloud(
        rows=found.rows,
        x=found.x,
        y=found.y,
        names=(f"{one} (eV)".replace("-", "−"), f"{other} (eV)".replace("-", "−")),
        csv=tuple(f"{name.replace(',', ' ')} (eV)" for name in found.names),  # type: ignore[arg-type]
        elements=(first, second),
    )


def suggested(data: PhaseDataset) -> tuple[Element, Element]:
    """The two hoppings that change most along the line, or any two."""
    from crystalgui.core.datasets.hamiltonians.analysis import strongest

    found = strongest(data, 2)
    zero = (0, 0, 0)
    n = data.start.n_orbitals
    spare = [(zero, 0, 0), (zero, n - 1, n - 1)]
    one, other = (*found, *spare)[:2]
    return one, other


def embedding_cloud(data: PhaseDataset, count: int, seed: int) -> Cloud:
    """A t-SNE map of some samples."""
    from crystalgui.core.datasets.hamiltonians import analysis

    found = analysis.embedding(data, analysis.subsample(data, count, seed), seed)
    x, y = found.points.T
    return Cloud(
        rows=found.rows,
        x=x,
        y=y,
        names=("t-SNE 1", "t-SNE 2"),
        csv=("tsne_1", "tsne_2"),
        note=f"{found.sentence} {found.seconds:.1f} s.",
    )


def spectrum(data: PhaseDataset, count: int) -> Spectrum:
    """Singular values of some samples."""
    from crystalgui.core.datasets.hamiltonians import analysis

    return analysis.spectrum(data, analysis.subsample(data, count))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NoisePicture:
    """Noise of a sample on one lattice vector, and the symmetries over all of them.

    ``top`` (eV) is the largest modulus on any lattice vector, so that pictures
    can be compared.
    """

    matrix: NDArray[np.complex128]
    top: float
    check: SymmetryCheck
    csv: str


def noise_picture(data: PhaseDataset, row: int, cell: tuple[int, int, int]) -> NoisePicture:
    """`NoisePicture` of a sample."""
    import numpy as np

    from crystalgui.core.datasets.hamiltonians import analysis

    matrix = analysis.noise_matrix(data, row, cell)
    return NoisePicture(
        matrix=matrix,
        top=float(np.abs(matrix).max(initial=0.0)),
        check=analysis.symmetry_check(data, row),
        csv=analysis.matrix_csv(data, row, cell),
    )


# --------------------------------------------------------------- one sample


def sample_bands(data: PhaseDataset, row: int) -> Bands:
    """Bands of a sample along the standard path."""
    from crystalgui.core.physics.bands import bands
    from crystalgui.core.physics.bloch import one_blas_thread

    with one_blas_thread():
        return bands(data.hamiltonian(row), density=30.0)


def certify(data: PhaseDataset, row: int) -> Certificate:
    """A fresh certificate of a sample."""
    return data.certificate(row)


def write_sample(data: PhaseDataset, row: int, folder: Path) -> Path:
    """Write a sample in the compact format; the file."""
    from crystalgui.core.structures.hoppings.compact import write_compact

    folder.mkdir(parents=True, exist_ok=True)
    number = int(data.samples.number[row])
    path = folder / f"{data.summary.folder.name}-{number:06d}.hoppings.safetensors"
    write_compact(replace(data.hamiltonian(row), source=None), path)
    return path


def samples_csv(data: PhaseDataset, rows: Sequence[int]) -> str:
    """One line a sample: alpha, seed of the noise, phase, gap, k."""
    from crystalgui.core.datasets.hamiltonians.dataset import VIA

    lines = ["row,alpha,noise_seed,phase,direct_gap_eV,k1,k2,k3,via,part"]
    classes = data.summary.classes
    for row in rows:
        numbers = ",".join(f"{x:.10g}" for x in (data.gap[row], *data.k[row]))
        part = "test" if data.is_test[row] else "train"
        lines.append(
            f"{row},{data.alpha[row]:.12g},{data.noise_seed[row]},{classes[data.label[row]]},"
            f"{numbers},{VIA[data.via[row]]},{part}"
        )
    return "\n".join(lines) + "\n"
