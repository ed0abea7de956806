"""The study's storage: opened with plain words, patient with a server that restarts, moved, and served to many."""

from .opening import open_storage, shown_url

__all__ = ["open_storage", "shown_url"]
