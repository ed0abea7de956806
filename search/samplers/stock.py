"""Samplers that others wrote: Optuna's own by name, and any other by where it is."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ...errors import StudyFileError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

NAMED = {
    "tpe": "TPESampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
    "gp": "GPSampler",
    "random": "RandomSampler",
}
HUB = "optunahub:"  # and a package's path there, such as samplers/auto_sampler
GP_SWITCHES = 25  # at 90 dimensions Optuna's GPSampler takes 4 s a suggestion


def sampler_of_name(name: str, *, seed: int, options: Mapping[str, Any] | None = None) -> BaseSampler:
    """A fresh sampler.

    Args:
        name: a key of `NAMED`, an import path such as `optuna.samplers.QMCSampler`, or `optunahub:` and a path there.
        seed: given to it if it takes one.
        options: keyword arguments of its constructor.

    Raises:
        StudyFileError: there is no such sampler, it refuses its options, or something that it needs is missing.
    """
    from optuna.exceptions import ExperimentalWarning

    kind, options = _sampler_class(name), options or {}
    known = _parameters(kind)
    if unknown := sorted(options.keys() - known if known is not None else ()):
        told = ", ".join(sorted((known or set()) - {"seed"})) or "none"
        raise StudyFileError(f"search.sampler_options: {name} has no {unknown[0]!r}; its options are {told}.")
    if "seed" in options:
        raise StudyFileError(
            "search.sampler_options holds a seed: write it as search.seed, which seeds every proposal."
        )
    seeded = {"seed": seed} if known is None or "seed" in known else {}
    try:
        with warnings.catch_warnings(category=ExperimentalWarning, action="ignore"):
            return kind(**options, **seeded)
    except Exception as error:  # whatever somebody's constructor raises
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise StudyFileError(
            f"search.sampler: {name} cannot be made with {dict(options)} ({reason}): correct "
            "search.sampler_options, or install what it names."
        ) from error


def check_sampler(name: str, *, options: Mapping[str, Any], switches: int) -> None:
    """Tell before a study begins that its sampler cannot search it.

    Args:
        switches: how many the space has.

    Raises:
        StudyFileError: as for `sampler_of_name`; or the space is too large for `gp`.
    """
    if name == "auto":
        return
    if name == "gp" and switches > GP_SWITCHES:
        raise StudyFileError(
            f"search.sampler: gp is for at most {GP_SWITCHES} switches, and this space has {switches}: "
            "set space.mask.groups: block, or take another sampler."
        )
    sampler_of_name(name, seed=0, options=options)


def _sampler_class(name: str) -> type[BaseSampler]:
    import optuna

    if name.startswith(HUB):
        return _hub_class(name.removeprefix(HUB))
    path = f"optuna.samplers.{NAMED[name]}" if name in NAMED else name
    module_name, _, class_name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except Exception as error:  # whatever somebody's module raises
        raise StudyFileError(
            f"search.sampler: {name} cannot be imported ({error}): correct the path, or install it."
        ) from error
    if found is None:
        raise StudyFileError(f"search.sampler: {module_name} has no {class_name}: correct the path.")
    if not (inspect.isclass(found) and issubclass(found, optuna.samplers.BaseSampler)):
        raise StudyFileError(f"search.sampler: {name} is no class of Optuna samplers (optuna.samplers.BaseSampler).")
    return found


@cache  # a sampler is made for each proposal, and its package fetched and run once
def _hub_class(package: str) -> type[BaseSampler]:
    """The one sampler of a package of OptunaHub, which is fetched from there."""
    import optuna

    try:
        optunahub = importlib.import_module("optunahub")
    except ImportError as error:
        raise StudyFileError(f"search.sampler: {HUB}{package} needs `pip install optunahub` ({error}).") from error
    try:
        module = optunahub.load_module(package)
    except Exception as error:  # the network, git, or what that package needs
        raise StudyFileError(f"search.sampler: {HUB}{package} cannot be loaded ({error}).") from error
    public = [getattr(module, name) for name in getattr(module, "__all__", vars(module))]
    samplers = [one for one in public if inspect.isclass(one) and issubclass(one, optuna.samplers.BaseSampler)]
    found = [one for one in samplers if not one.__module__.startswith("optuna.")]  # those it only imports
    if len(found) != 1:
        names = ", ".join(one.__name__ for one in found) or "none"
        raise StudyFileError(f"search.sampler: {HUB}{package} should hold one sampler, and holds {names}.")
    return found[0]


def _parameters(kind: type[BaseSampler]) -> set[str] | None:
    """The names of a constructor's arguments; None if it takes any."""
    parameters = inspect.signature(kind).parameters.values()
    if any(one.kind == inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return {one.name for one in parameters}
