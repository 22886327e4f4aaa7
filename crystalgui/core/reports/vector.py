"""Matplotlib figures on a reportlab page, as vectors.

`CanvasRenderer` is a matplotlib backend that draws paths and text with the
operators of the page itself.  Compared with saving each figure as a PDF and
merging files, the text uses the fonts that the page already embeds, nothing
is rasterised, the bytes are reproducible, and no third PDF library is needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D, Transform
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import Flowable

from crystalgui.core.reports.typography import BOLD, FILES, ITALIC, REGULAR, register_fonts
from crystalgui.core.resources import resource

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

_CAPS = {"butt": 0, "round": 1, "projecting": 2}
_JOINS = {"miter": 0, "round": 1, "bevel": 2}
POINTS_PER_INCH = 72.0


def _face(prop: FontProperties) -> str:
    """The embedded face that stands for a matplotlib font."""
    weight = prop.get_weight()
    if weight in ("bold", "semibold", "demibold", "heavy", "black") or (
        isinstance(weight, (int, float)) and weight >= 600
    ):
        return BOLD
    return ITALIC if prop.get_style() in ("italic", "oblique") else REGULAR


class CanvasRenderer(RendererBase):
    """Draw a figure on a reportlab canvas; one point is one matplotlib pixel.

    Parameters
    ----------
    canvas : reportlab canvas, its origin at the lower left of the figure
    width, height : float, points
    """

    def __init__(self, canvas: Any, width: float, height: float) -> None:
        super().__init__()
        register_fonts()
        self.canvas = canvas
        self.width = width
        self.height = height

    def flipy(self) -> bool:
        """The page counts upwards."""
        return False

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Size in points."""
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        """Identity: both count in points."""
        return points

    def _page_path(self, path: Outline, transform: Transform) -> Any:
        """The outline as a page path; quadratic curves become cubic ones."""
        page = self.canvas.beginPath()
        last = np.zeros(2)
        for vertices, code in path.iter_segments(transform, simplify=False, curves=True):
            v = np.asarray(vertices, dtype=float)
            if code == Outline.MOVETO:
                page.moveTo(*v)
            elif code == Outline.LINETO:
                page.lineTo(*v)
            elif code == Outline.CURVE3:
                control, end = v[:2], v[2:]
                page.curveTo(
                    *(last + 2 / 3 * (control - last)), *(end + 2 / 3 * (control - end)), *end
                )
            elif code == Outline.CURVE4:
                page.curveTo(*v)
            elif code == Outline.CLOSEPOLY:
                page.close()
            last = v[-2:]
        return page

    def _clip(self, gc: GraphicsContextBase) -> None:
        """Restrict drawing to the clip rectangle and path of the artist."""
        box = gc.get_clip_rectangle()
        if box is not None:
            page = self.canvas.beginPath()
            page.rect(box.x0, box.y0, box.width, box.height)
            self.canvas.clipPath(page, stroke=0, fill=0)
        clip: Any = gc.get_clip_path()
        path, transform = clip
        if path is not None and transform is not None:
            self.canvas.clipPath(self._page_path(path, transform), stroke=0, fill=0)

    def draw_path(
        self,
        gc: GraphicsContextBase,
        path: Outline,
        transform: Transform,
        rgbFace: Any = None,
    ) -> None:
        """Fill and stroke one outline."""
        width = float(gc.get_linewidth())
        red, green, blue, alpha = gc.get_rgb()
        stroke = width > 0 and alpha > 0
        fill = rgbFace is not None and (len(rgbFace) < 4 or rgbFace[3] > 0)
        if not (stroke or fill):
            return
        canvas = self.canvas
        canvas.saveState()
        self._clip(gc)
        if fill:
            face_alpha = gc.get_alpha() if gc.get_forced_alpha() or len(rgbFace) < 4 else rgbFace[3]
            canvas.setFillColorRGB(*rgbFace[:3], alpha=face_alpha)
        if stroke:
            canvas.setStrokeColorRGB(red, green, blue, alpha=alpha)
            canvas.setLineWidth(width)
            canvas.setLineCap(_CAPS[gc.get_capstyle()])
            canvas.setLineJoin(_JOINS[gc.get_joinstyle()])
            pattern: Any = gc.get_dashes()
            offset, dashes = pattern
            if dashes is not None:
                canvas.setDash([float(d) for d in dashes], float(offset))
        canvas.drawPath(self._page_path(path, transform), stroke=int(stroke), fill=int(fill))
        canvas.restoreState()

    def draw_image(
        self, gc: GraphicsContextBase, x: float, y: float, im: Any, transform: Any = None
    ) -> None:
        """Place a raster, lower left corner at (x, y)."""
        from PIL import Image
        from reportlab.lib.utils import ImageReader

        height, width = im.shape[:2]
        if transform is None:
            transform = Affine2D().scale(width, height).translate(x, y)
        a, b, c, d, e, f = transform.to_values()
        self.canvas.saveState()
        self._clip(gc)
        self.canvas.transform(a, b, c, d, e, f)
        picture = Image.fromarray(np.ascontiguousarray(im[::-1]))
        self.canvas.drawImage(ImageReader(picture), 0, 0, 1, 1, mask="auto")
        self.canvas.restoreState()

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Write a label with the page's fonts; mathematics becomes outlines."""
        if ismath:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        red, green, blue, alpha = gc.get_rgb()
        self.canvas.saveState()
        self._clip(gc)
        self.canvas.setFillColorRGB(red, green, blue, alpha=alpha)
        self.canvas.translate(x, y)
        self.canvas.rotate(angle)
        self.canvas.setFont(_face(prop), prop.get_size_in_points())
        self.canvas.drawString(0, 0, s)
        self.canvas.restoreState()

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        """Extent of a label, in points, by the metrics of the page's fonts."""
        if ismath:
            measured = super().get_text_width_height_descent(s, prop, ismath)
            return float(measured[0]), float(measured[1]), float(measured[2])
        size = prop.get_size_in_points()
        width = float(pdfmetrics.stringWidth(s, _face(prop), size))
        return width, 0.93 * size, 0.2 * size


class FigureBlock(Flowable):
    """A matplotlib figure as a block of the page.

    Parameters
    ----------
    figure : Figure
        Its own size in inches is the printed size.
    align : {"LEFT", "CENTER", "RIGHT"}
    """

    def __init__(self, figure: Figure, align: str = "LEFT") -> None:
        super().__init__()
        self.figure = figure
        inches = figure.get_size_inches()
        self.width, self.height = (float(v) * POINTS_PER_INCH for v in inches)
        self.hAlign = align

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Fixed size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw at the current origin."""
        self.figure.set_dpi(POINTS_PER_INCH)
        self.figure.draw(CanvasRenderer(self.canv, self.width, self.height))


@lru_cache(maxsize=1)
def _teach_fonts() -> None:
    """Make the faces of the page known to matplotlib, which measures mathematics itself."""
    from matplotlib.font_manager import fontManager

    for file in FILES.values():
        fontManager.addfont(resource("fonts", file))


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of the given printed size in points."""
    _teach_fonts()
    return Figure(
        figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH),
        dpi=POINTS_PER_INCH,
        facecolor="none",
        edgecolor="none",
    )
