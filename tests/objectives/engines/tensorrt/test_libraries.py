from __future__ import annotations

from qpareto.objectives.engines.tensorrt import libraries
from qpareto.objectives.engines.tensorrt.libraries import advice_of_failure

NO_CUDNN = "libcudnn.so.8: cannot open shared object file: No such file or directory"


def test_a_tensorrt_that_is_not_there_is_installed() -> None:
    assert advice_of_failure(["No module named 'tensorrt'"], "pip install x") == "install it with pip install x"


def test_a_library_that_is_missing_is_named_with_the_package_that_brings_it() -> None:
    missing = [name for name in libraries._BROUGHT_BY if not libraries._loads(name)]
    advice = advice_of_failure([NO_CUDNN], "pip install x")
    assert all(name in advice for name in missing)
    assert ("'nvidia-cudnn-cu12==8.9.7.29'" in advice) == ("libcudnn.so.8" in missing)
    assert "LD_LIBRARY_PATH" in advice


def test_a_library_loads_if_the_system_has_it() -> None:
    assert libraries._loads("libc.so.6")
    assert not libraries._loads("libno-such-thing.so.1")
