from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from qpareto.objectives.store.use import touch
from store_contents import unused_for

KEEPER = """
import sys, time; from pathlib import Path
from qpareto.objectives.store import use
use._TICK_S = 0.05
for path in sys.argv[1:]:
    use.keep(Path(path), every_s=0.1)
print("keeps", flush=True); sys.stdin.read()
"""


def used_again(path: Path) -> bool:
    for _ in range(3000):
        if time.time() - path.stat().st_mtime < 3600:
            return True
        time.sleep(0.02)
    return False


def test_what_a_living_process_keeps_is_touched_until_it_dies_or_the_thing_is_gone(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept", tmp_path / "gone"
    for folder in (kept, gone):
        folder.mkdir()
    command: list[str | Path] = [sys.executable, "-c", KEEPER, kept, gone]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "keeps\n"
        gone.rmdir()
        for _ in range(2):
            unused_for(kept)
            assert used_again(kept)
        keeper.kill()
        keeper.wait()
        unused_for(kept)
        time.sleep(0.3)
        assert time.time() - kept.stat().st_mtime > 3600


def test_what_is_not_there_cannot_be_touched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        touch(tmp_path / "absent")


def test_who_may_only_read_uses_it_without_a_sign() -> None:
    touch(Path("/proc/self"))
