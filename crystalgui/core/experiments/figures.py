"""Figures of experiments: the style of the reports, on paper and on a dark screen.

An experiment draws once, with the colours of a `Style`; what it draws is
written as a vector PDF and as a PNG for each theme of the window.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.atomic import write_atomic
from crystalgui.core.reports import typography as ink
from crystalgui.core.reports.figures import SIZE, quiet_axes, sequential
from crystalgui.core.reports.typography import OKABE_ITO, REGULAR, phase_colour
from crystalgui.core.reports.vector import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

DOTS_PER_INCH = 220


@dataclass(frozen=True, slots=True)
class Style:
    """The colours of a theme, and axes that wear them."""

    dark: bool
    ground: str
    text: str
    muted: str
    line: str
    accent: str

    def axes(self, figure: Figure, rows: int = 1, columns: int = 1, **spacing: float) -> list[Axes]:
        """``rows`` by ``columns`` quiet axes, row by row.

        ``spacing`` is that of `Figure.subplots_adjust`, for labels that need more.
        """
        width, height = (72.0 * s for s in figure.get_size_inches())
        grid = figure.subplots(rows, columns, squeeze=False)
        place = {
            "left": 44 / width,
            "right": 1 - 10 / width,
            "bottom": 34 / height,
            "top": 1 - 20 / height,
            "wspace": 0.35,
            "hspace": 0.5,
            **spacing,
        }
        figure.subplots_adjust(**place)
        for axes in grid.flat:
            self.dress(axes)
        return list(grid.flat)

    def dress(self, axes: Axes) -> None:
        """Thin frame, small labels, in the colours of the theme."""
        quiet_axes(axes)
        axes.set_facecolor("none")
        for spine in axes.spines.values():
            spine.set_color(self.line)
        axes.tick_params(labelcolor=self.text, color=self.muted)

    def label(self, axes: Axes, x: str = "", y: str = "", title: str = "") -> None:
        """Names of the axes and a title, small and muted."""
        words: dict[str, Any] = {"fontsize": SIZE, "color": self.muted, "family": REGULAR}
        axes.set_xlabel(x, labelpad=3, **words)
        axes.set_ylabel(y, labelpad=3, **words)
        axes.set_title(
            title, fontsize=SIZE + 0.5, color=self.text, family=REGULAR, loc="left", pad=5
        )

    def legend(self, axes: Axes, **where: Any) -> None:
        """A legend without a frame."""
        axes.legend(
            frameon=False, labelcolor=self.text, prop={"family": REGULAR, "size": SIZE}, **where
        )

    def colour(self, index: int) -> str:
        """The colour of a series: Okabe and Ito, the first ones first."""
        return OKABE_ITO[index % len(OKABE_ITO)]

    @staticmethod
    def phase(label: str) -> str:
        """The colour that a phase has everywhere."""
        return phase_colour(label)

    @staticmethod
    def sequential() -> Colormap:
        """The sequential colour map of the window."""
        return sequential()

    def confusion(
        self,
        axes: Axes,
        mean: Floats,
        classes: Sequence[str],
        spread: Floats | None = None,
        title: str = "",
    ) -> None:
        """A confusion matrix in per cent of each true class.

        Parameters
        ----------
        mean, spread : (c, c) float64, per cent; rows are true classes
        classes : sequence of str
        title : str
        """
        from matplotlib.colors import LinearSegmentedColormap

        ramp = LinearSegmentedColormap.from_list("ramp", [self.ground, self.accent])
        axes.imshow(np.asarray(mean) / 100, cmap=ramp, vmin=0, vmax=1, aspect="auto")
        for i, j in np.ndindex(*np.shape(mean)):
            words = f"{mean[i][j]:.1f}"
            if spread is not None and np.isfinite(spread[i][j]):
                words += f"\n± {spread[i][j]:.1f}"
            strong = mean[i][j] > 55
            axes.text(
                j, i, words, ha="center", va="center", fontsize=SIZE, family=REGULAR,
                color=("#ffffff" if not self.dark else self.ground) if strong else self.text,
            )  # fmt: skip
        short = [name.removesuffix(" insulator").removesuffix(" semimetal") for name in classes]
        axes.set_xticks(range(len(short)), short)
        axes.set_yticks(range(len(short)), short)
        axes.tick_params(length=0)
        self.label(axes, "predicted", "true (%)", title)


LIGHT = Style(False, "#ffffff", ink.TEXT, ink.MUTED, ink.LINE, ink.ACCENT)
DARK = Style(True, "#1b1f26", "#e6eaf0", "#8a95a6", "#2c323c", "#6ea3ff")

Draw = Callable[["Figure", Style], None]


def write_figure(stem: Path, draw: Draw, width: float, height: float) -> None:
    """Draw twice; writes ``stem``.pdf, ``stem``.png and ``stem``-dark.png.

    Parameters
    ----------
    stem : Path, without an ending
    draw : callable of (Figure, Style)
    width, height : float, points
    """
    pictures: list[tuple[str, Style, dict[str, Any]]] = [
        (".pdf", LIGHT, {"format": "pdf", "metadata": {"CreationDate": None}}),
        (".png", LIGHT, {"format": "png", "dpi": DOTS_PER_INCH}),
        ("-dark.png", DARK, {"format": "png", "dpi": DOTS_PER_INCH}),
    ]
    figures = {style: new_figure(width, height) for style in (LIGHT, DARK)}
    for style, figure in figures.items():
        draw(figure, style)
    for ending, style, options in pictures:
        buffer = io.BytesIO()
        figures[style].savefig(buffer, facecolor=style.ground, **options)
        write_atomic(stem.with_name(stem.name + ending), buffer.getvalue())
