"""What tests and measurements of the whole cell share."""

import so101_sim  # noqa: F401  before MuJoCo: it chooses the renderer
