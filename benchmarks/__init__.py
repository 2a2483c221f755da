"""How fast ganglion is, beside others. The method stands in README.md."""
