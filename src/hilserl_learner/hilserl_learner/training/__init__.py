"""A training run: start or resume, take steps in, update, publish, save."""
