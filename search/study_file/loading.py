"""Reading a study file: YAML, overrides, the environment, one sentence on what is wrong."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ...errors import StudyFileError
from .spec import VERSION, StudySpec


def load_study_file(path: Path, overrides: Iterable[str] = ()) -> StudySpec:
    """Read and check a study file.

    Args:
        path: a YAML file.
        overrides: `key.of.section=value` each, value in YAML; they replace what the file says.

    Raises:
        StudyFileError: one sentence on the first thing that is wrong.
    """
    document = _read_yaml(path)
    for override in overrides:
        _override(document, override)
    try:
        spec = StudySpec.model_validate(_expanded(document))
    except ValidationError as error:
        raise StudyFileError(f"{path.name}: {_first_problem(error)}") from None
    return _with_absolute_paths(spec, path.absolute().parent)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyFileError(f"There is no study file {path}: `qpareto run --help` shows an example.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyFileError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise StudyFileError(f"{path} holds {found}, not the keys of a study file: `qpareto schema` tells them.")
    if document.get("version") != VERSION:
        raise StudyFileError(
            f"{path.name} is of version {document.get('version')!r}, but this qpareto reads version {VERSION}: "
            f"write `version: {VERSION}` if it is a new file."
        )
    return document


def _override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise StudyFileError(f"--set {override}: write key=value, such as --set search.trials=20.")
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(document.setdefault(section, {}), dict):
            document[section] = {}
        document = document[section]
    try:
        document[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StudyFileError(f"--set {key}: '{text}' is no YAML value ({' '.join(str(error).split())}).") from error


def _expanded(value: Any) -> Any:
    """Replace `${NAME}` by the environment's value in every string."""
    if isinstance(value, dict):
        return {key: _expanded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    return re.sub(r"\$\{(\w+)\}", _from_environment, value) if isinstance(value, str) else value


def _from_environment(found: re.Match[str]) -> str:
    if found[1] not in os.environ:
        raise StudyFileError(
            f"The study file uses ${{{found[1]}}}, but {found[1]} is not set: export it, or use --set."
        )
    return os.environ[found[1]]


def _with_absolute_paths(spec: StudySpec, folder: Path) -> StudySpec:
    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return Path(os.path.normpath(folder / os.path.expanduser(value)))  # noqa: PTH111 - Path's own raises
        if isinstance(value, BaseModel):
            return value.model_copy(update={name: absolute(item) for name, item in value})
        return tuple(map(absolute, value)) if isinstance(value, tuple) else value

    found = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:)(.+)", spec.storage)
    storage = f"{found[1]}{os.path.normpath(folder / found[2])}" if found else spec.storage
    changed: StudySpec = absolute(spec).model_copy(update={"storage": storage})
    return changed


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = [str(part) for part in problem["loc"] if "[" not in str(part)]  # without `tuple[str, ...]` of a union
    if problem["type"] == "extra_forbidden":
        known = _keys_at(where[:-1])
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.0)
        return f"unknown key '{'.'.join(where)}': the nearest known one is '{'.'.join([*where[:-1], *near])}'."
    if problem["type"] == "missing":
        return f"'{'.'.join(where)}' is missing: `qpareto schema` tells what it holds."
    found = "" if isinstance(problem["input"], Mapping) else f" (found {problem['input']!r})"
    message = problem["msg"].removeprefix("Value error, ")
    return f"'{'.'.join(where)}'{found}: {message[0].lower()}{message[1:]}."


def _keys_at(sections: list[str]) -> list[str]:
    model: type[BaseModel] = StudySpec
    for section in sections:
        annotation = model.model_fields[section].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(x for x in options if isinstance(x, type) and issubclass(x, BaseModel))
    return list(model.model_fields)
