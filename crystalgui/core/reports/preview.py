"""Pages of a PDF as pixels, through pdfium, so that a preview shows the file itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError


def page_images(path: Path | str, width: int, most: int = 50) -> list[NDArray[np.uint8]]:
    """Render the pages of a PDF.

    Parameters
    ----------
    path : Path
    width : int, pixels
        Width of every picture.
    most : int
        Pages after this one are left out.

    Returns
    -------
    list of (height, width, 3) uint8, RGB
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(Path(path))
    except (OSError, pypdfium2.PdfiumError) as error:
        raise FileError(
            "The document cannot be shown.", "Write the report again.", str(error), path=path
        ) from error
    try:
        images = []
        for number in range(min(len(document), most)):
            page = document[number]
            bitmap = page.render(scale=width / page.get_width(), rev_byteorder=True)
            images.append(np.array(bitmap.to_numpy()[:, :, :3]))
            bitmap.close()
            page.close()
        return images
    finally:
        document.close()


def page_count(path: Path | str) -> int:
    """Number of pages of a PDF."""
    import pypdfium2

    document = pypdfium2.PdfDocument(Path(path))
    try:
        return len(document)
    finally:
        document.close()
