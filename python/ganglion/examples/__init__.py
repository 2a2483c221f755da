"""Complete programs, each run by ``python -m ganglion.examples.NAME``."""
