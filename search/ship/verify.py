"""Verifying an exported folder on a machine that never saw its study: is it still, and does it score, what it says?

The checks come in an order in which nothing is loaded that an earlier one does not vouch for: the manifest by its seal,
every file by its hash, the device and the versions by name. Only then is the engine deserialized, in a process of its
own (`recheck.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ...errors import CandidateError, VerificationError
from ...objectives.engines import engine_kind
from .manifest import MANIFEST, Manifest, read_manifest, sha256_of
from .recheck import CheckedPackage, FindImages


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of one check.

    Args:
        detail: what was seen, with units; if it failed, one sentence.
    """

    name: str
    outcome: Literal["passed", "failed"]
    detail: str


def verify_package(folder: Path, find_images: FindImages, *, quick: bool = False) -> Iterator[Check]:
    """Check a folder, step by step; the first failure that later steps would build on is the last.

    Args:
        find_images: gives the evaluation images, in the order of the data set.
        quick: hashes and parity only.

    Raises:
        DatasetError: the images are missing or damaged.
        DiskError: the disk is full.
    """
    manifest = yield from _manifest_checks(folder, quick=quick)
    if manifest is None:
        return
    with tempfile.TemporaryDirectory(prefix="qpareto-verify-") as scratch:
        checked = CheckedPackage(folder=folder, manifest=manifest, scratch=Path(scratch), find_images=find_images)
        parity = _check("parity", checked.parity)
        yield parity
        if quick or parity.outcome == "failed":
            return
        yield _check("accuracy", checked.accuracy)
        yield _check("latency", checked.latency)


def _manifest_checks(folder: Path, *, quick: bool) -> Generator[Check, None, Manifest | None]:
    """What can be checked without loading anything; the manifest if all is well."""
    try:
        manifest = read_manifest(folder)
    except VerificationError as error:
        yield Check(name="manifest", outcome="failed", detail=str(error))
        return None
    yield Check(name="manifest", outcome="passed", detail=f"written {manifest.written} by qpareto {manifest.qpareto}")
    checks = [("files", _files)] if quick else [("files", _files), ("device", _device), ("versions", _versions)]
    for name, step in checks:
        found = _check(name, partial(step, folder, manifest))
        yield found
        if found.outcome == "failed":
            return None
    return manifest


def _check(name: str, step: Callable[[], str]) -> Check:
    try:
        return Check(name=name, outcome="passed", detail=step())
    except (VerificationError, CandidateError) as error:
        return Check(name=name, outcome="failed", detail=str(error))


def _files(folder: Path, manifest: Manifest) -> str:
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    there.pop(MANIFEST, None)
    if unvouched := {file.path for file in manifest.engine.files} - manifest.files.keys():
        raise VerificationError(f"The manifest has no hash of {min(unvouched)}: have it exported again.")
    if missing := sorted(manifest.files.keys() - there.keys()):
        raise VerificationError(f"{missing[0]} is missing: get the folder again from where it was exported.")
    if more := sorted(there.keys() - manifest.files.keys()):
        raise VerificationError(
            f"{more[0]} is not in the manifest: nobody vouches for it, so take it out of the folder."
        )
    for name, expected in manifest.files.items():
        if sha256_of(there[name]) != expected:
            raise VerificationError(f"{name} is not what was exported: its bytes changed. Get the folder again.")
    return f"{len(there)} files are what was exported"


def _device(folder: Path, manifest: Manifest) -> str:
    del folder
    here = engine_kind(manifest.engine.options.kind).device_name()
    if here != manifest.device:
        raise VerificationError(
            f"The engine was measured on {manifest.device}, but this is {here}: neither latency nor engine carry over. "
            "Verify on such a device, check the files alone with --quick, or run `qpareto measure` here."
        )
    return here


def _versions(folder: Path, manifest: Manifest) -> str:
    del folder
    kind = engine_kind(manifest.engine.options.kind)
    here, then = kind.versions(), {name: manifest.versions.get(name) for name in kind.versions()}
    for name, found in here.items():
        if found != then[name]:
            raise VerificationError(
                f"The engine was measured with {name} {then[name]}, but here is {found}: install that version, or "
                "export the engine anew with this one."
            )
    if kind.recipe != manifest.engine.recipe:
        raise VerificationError(
            f"qpareto {manifest.qpareto} built engines otherwise than this one, so the reference would be another: "
            "verify with that version."
        )
    return ", ".join(f"{name} {found}" for name, found in here.items())
