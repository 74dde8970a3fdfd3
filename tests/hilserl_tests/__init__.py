"""Support code for tests and measurements of the whole cell."""

import so101_sim  # noqa: F401  before MuJoCo: it chooses the renderer
