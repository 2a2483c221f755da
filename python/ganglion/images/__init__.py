"""Images from files, decoded while a network trains."""

from ganglion.images.folder import ImageFolder

__all__ = ["ImageFolder"]
