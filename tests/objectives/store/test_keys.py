from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpareto.objectives.store import content_key, file_hash

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from("abcd"), json_values))
def test_a_key_depends_on_the_inputs_and_not_on_their_order(inputs: dict[str, Any]) -> None:
    key = content_key(**inputs)
    assert len(key) == 32
    assert int(key, 16) >= 0
    assert content_key(**dict(reversed(inputs.items()))) == key
    assert content_key(**inputs, e=1) != key


def test_a_key_is_the_same_on_every_machine() -> None:
    expected = hashlib.sha256(b'{"method":"max","sizes":[1,2]}').hexdigest()
    assert content_key(sizes=(1, 2), method="max") == expected[:32]


def test_a_number_that_is_none_has_no_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_key(nothing=float("nan"))


def test_a_files_hash_is_of_its_bytes_and_not_of_its_name(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for path, content in ((one, b"1"), (same, b"1"), (other, b"2")):
        path.write_bytes(content)
    assert file_hash(one) == file_hash(same) != file_hash(other)
    assert file_hash([one, other]) == file_hash([same, other]) != file_hash([other, one])
