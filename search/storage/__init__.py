"""The study's storage: opened with plain words, patient with a server that restarts, moved, and served to many."""

from .opening import begin_trial, open_storage, shown_url

__all__ = ["begin_trial", "open_storage", "shown_url"]
