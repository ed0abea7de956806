"""Keys of the store tell which version of our code made an entry: no figure is stale without a word."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import entry_versions
from entry_versions import ENTRIES, ROOT, Made, node_of, present, record, shape
from qpareto.objectives.store import content_key

FLOORS = [path for floor in ("objectives", "search", "spaces") for path in sorted((ROOT / floor).rglob("*.py"))]
CALLS = [
    node
    for path in FLOORS
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call)
]


@pytest.mark.parametrize("kind", list(ENTRIES))
def test_code_that_makes_an_entry_changes_with_its_version(kind: str) -> None:
    then, now = record().get(kind), present()[kind]
    assert now == then, (
        f"The code that makes '{kind}' is not what was recorded: {', '.join(ENTRIES[kind].by)}. If what it makes may "
        f"differ, raise {ENTRIES[kind].version}, which is {now['version']}; then run `python tests/entry_versions.py` "
        "to record the code."
    )


def test_every_kind_of_entry_has_a_version() -> None:
    told = {
        node.args[0].value
        for node in CALLS
        if isinstance(node.func, ast.Attribute) and node.func.attr == "make" and isinstance(node.args[0], ast.Constant)
    }
    assert {"calibrated", "accuracy", "engines"} <= told
    assert told | {"reference-ms", "spread"} == {kind.partition(" of ")[0] for kind in ENTRIES}
    assert record().keys() == ENTRIES.keys()


@pytest.mark.parametrize("made", ENTRIES.values(), ids=list(ENTRIES))
def test_a_version_is_in_a_key(made: Made) -> None:
    name = made.version
    keys = [node for node in CALLS if isinstance(node.func, ast.Name) and node.func.id == "content_key"]
    told = [getattr(word.value, "attr", getattr(word.value, "id", None)) for key in keys for word in key.keywords]
    assert name in told


def test_the_first_version_is_in_no_key_and_the_next_one_is() -> None:
    assert content_key(model="m", made_by=1) == content_key(model="m")
    assert len({content_key(model="m", made_by=version) for version in (1, 2, 3)}) == 3


@pytest.mark.parametrize(
    ("changed", "alike"),
    [
        ("def f(x):\n    return x + 1\n", True),
        ('"""Another."""\nimport os\n\ndef f(x):\n    """Told."""\n    return x + 1  # why\n', True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x, y=0):\n    return x + 1\n", False),
        ("FLOOR = 1\n\ndef f(x):\n    return x + 1\n", False),
    ],
)
def test_what_a_code_computes_counts_and_not_how_it_is_told(
    changed: str, alike: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_versions, "ROOT", tmp_path)
    made = Made(None, "", ("module",))
    (tmp_path / "module.py").write_text('"""One."""\nimport sys\n\ndef f(x):\n    """Add."""\n    return x + 1\n')
    code = made.code
    (tmp_path / "module.py").write_text(changed)
    assert (made.code == code) is alike


def test_a_function_alone_is_what_stands_after_a_colon() -> None:
    whole = node_of("objectives.accuracy.data.images")
    function = node_of("objectives.accuracy.data.images:letterbox")
    method = node_of("objectives.engines.openvino.kind:OpenVinoKind.build")
    assert shape(function) in shape(whole)
    assert shape(method).startswith("FunctionDef(name='build'")
