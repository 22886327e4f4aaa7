"""What every scene is: renderers upon each other in one window, with one camera."""

from __future__ import annotations

from typing import Any

from vtkmodules.vtkRenderingCore import vtkRenderer


class LayeredScene:
    """Base of scenes; a subclass makes the renderers and fills them.

    Attributes
    ----------
    renderer : vtkRenderer
        The layer whose camera the others follow.
    actors : dict
        Named actors, forgotten with the window.
    """

    renderer: vtkRenderer
    actors: dict[str, Any]
    _window: Any = None

    @property
    def renderers(self) -> tuple[vtkRenderer, ...]:
        """The layers, lowest first."""
        return (self.renderer,)

    @property
    def camera(self) -> Any:
        """The `vtkCamera` that the layers share."""
        return self.renderer.GetActiveCamera()

    def attach(self, window: Any) -> None:
        """Put the layers into a render window."""
        window.SetNumberOfLayers(len(self.renderers))
        for layer in self.renderers:
            window.AddRenderer(layer)
        self._window = window

    def detach(self) -> None:
        """Free every VTK object; the scene is empty afterwards."""
        window, self._window = self._window, None
        for layer in self.renderers:
            layer.RemoveAllViewProps()
            if window is not None:
                window.RemoveRenderer(layer)
        self.actors.clear()
