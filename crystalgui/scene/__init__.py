"""Pictures of crystals and Brillouin zones with VTK, without Qt."""
