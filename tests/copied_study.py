"""A study of its own for a test, copied from one that others read meanwhile."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path


def copied_study(study_file: Path, folder: Path) -> Path:
    """Copy a study file and its SQLite database into a new folder; the copy's study file.

    By SQLite's own backup: a process that opens and closes the file itself drops the locks that its connections hold.
    """
    folder.mkdir()
    database = study_file.with_name("study.db")
    for path in study_file.parent.iterdir():
        if path.is_file() and not path.name.startswith(database.name):
            shutil.copy(path, folder)
    with sqlite3.connect(database) as source, sqlite3.connect(folder / database.name) as copy:
        source.backup(copy)
    for connection in (source, copy):
        connection.close()
    return folder / study_file.name
