"""Samplers that others wrote: found, made with their options, or refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from qpareto.errors import StudyFileError
from qpareto.search.samplers.stock import GP_SWITCHES, NAMED, check_sampler, sampler_of_name
from qpareto.search.study_file.spec import SAMPLERS

OWN = """
import optuna

class Mine(optuna.samplers.RandomSampler):
    def __init__(self, steps, *, seed=None):
        super().__init__(seed)
        self.steps, self.given = steps, seed

class Unseeded(optuna.samplers.RandomSampler):
    def __init__(self):
        super().__init__(0)

class Anything(optuna.samplers.RandomSampler):
    def __init__(self, **options):
        super().__init__(options["seed"])
        self.options = options

class Lacking(optuna.samplers.RandomSampler):
    def __init__(self):
        raise ImportError("No module named 'absent'.")

nothing = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The import path of a package of the user's own."""
    folder = tmp_path / "users_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "samplers.py").write_text(OWN)
    (folder / "broken.py").write_text("import absent_library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_package", raising=False)
    monkeypatch.delitem(sys.modules, "users_package.samplers", raising=False)
    return "users_package"


def test_the_study_file_knows_the_named_samplers_and_ours() -> None:
    assert set(SAMPLERS) == {"auto", *NAMED}


@pytest.mark.parametrize("name", NAMED)
def test_every_name_is_optunas_own(name: str) -> None:
    assert type(sampler_of_name(name, seed=3)).__name__ == NAMED[name]


def test_an_import_path_is_found_and_given_its_options_and_the_seed(own: str) -> None:
    made = sampler_of_name(f"{own}.samplers.Mine", seed=7, options={"steps": 2})
    assert (vars(made)["steps"], vars(made)["given"]) == (2, 7)
    assert type(sampler_of_name(f"{own}.samplers.Unseeded", seed=7)).__name__ == "Unseeded"
    assert vars(sampler_of_name(f"{own}.samplers.Anything", seed=7, options={"a": 1}))["options"] == {"a": 1, "seed": 7}
    assert isinstance(sampler_of_name("optuna.samplers.QMCSampler", seed=0), optuna.samplers.QMCSampler)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("optuna.samplers.TPESample", {}, "optuna.samplers has no TPESample"),
        ("no_such_package.Sampler", {}, "no_such_package.Sampler cannot be imported .No module named"),
        ("users_package.broken.Sampler", {}, "cannot be imported .No module named 'absent_library'"),
        ("users_package.samplers.nothing", {}, "no class of Optuna samplers"),
        ("optuna.study.Study", {}, "no class of Optuna samplers"),
        ("users_package.samplers.Lacking", {}, "cannot be made .*No module named 'absent'.*install what it names"),
        ("optuna.samplers.BaseSampler", {}, "cannot be made .*abstract"),
        ("tpe", {"startup": 3}, "tpe has no 'startup'; its options are .*n_startup_trials"),
        ("nsga2", {"population_size": 1}, "cannot be made with .*correct search.sampler_options"),
        ("users_package.samplers.Mine", {}, "steps"),
        ("users_package.samplers.Unseeded", {"steps": 3}, "has no 'steps'; its options are none"),
        ("tpe", {"seed": 3}, "write it as search.seed"),
        ("optunahub:samplers/anything", {}, "pip install optunahub"),
    ],
)
def test_what_cannot_be_made_is_told_in_one_sentence(own: str, name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyFileError, match=said) as caught:
        check_sampler(name, options=options, switches=5)
    assert "\n" not in str(caught.value)


def test_a_package_of_optunahub_gives_its_one_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    class Theirs(optuna.samplers.RandomSampler):
        pass

    class Another(optuna.samplers.RandomSampler):
        pass

    packages = {
        "samplers/one": SimpleNamespace(Theirs=Theirs, TPESampler=optuna.samplers.TPESampler, number=3),
        "samplers/public": SimpleNamespace(Theirs=Theirs, Another=Another, __all__=["Another"]),
        "samplers/two": SimpleNamespace(Theirs=Theirs, Another=Another),
        "samplers/none": SimpleNamespace(),
    }
    monkeypatch.setitem(sys.modules, "optunahub", SimpleNamespace(load_module=packages.__getitem__))
    assert isinstance(sampler_of_name("optunahub:samplers/one", seed=0), Theirs)
    assert isinstance(sampler_of_name("optunahub:samplers/public", seed=0), Another)
    for package, said in (("two", "holds Theirs, Another"), ("none", "holds none"), ("absent", "cannot be loaded")):
        with pytest.raises(StudyFileError, match=said):
            sampler_of_name(f"optunahub:samplers/{package}", seed=0)


def test_gp_is_refused_where_it_would_take_seconds_a_suggestion() -> None:
    check_sampler("gp", options={}, switches=GP_SWITCHES)
    with pytest.raises(StudyFileError, match=r"has 90: set space\.mask\.groups: block"):
        check_sampler("gp", options={}, switches=90)
    check_sampler("auto", options={}, switches=90)
