"""Import the package first: it chooses how MuJoCo renders."""

import so101_sim  # noqa: F401
