"""The content-addressed cache: what a step made is kept under the hash of everything that decided it."""

from .disk import disk_errors, made_aside, replace_file, write_whole
from .keys import content_key, file_hash
from .remote import Remote
from .report import CacheReport, KindReport, cache_report
from .seal import SEAL, is_whole
from .store import Store
from .use import touch

__all__ = [
    "SEAL",
    "CacheReport",
    "KindReport",
    "Remote",
    "Store",
    "cache_report",
    "content_key",
    "disk_errors",
    "file_hash",
    "is_whole",
    "made_aside",
    "replace_file",
    "touch",
    "write_whole",
]
