"""Real faults in the child processes of whole studies: the trial says why, and the next one is clean."""

from __future__ import annotations

import filecmp
import re
import shutil
import sys
from pathlib import Path

import pytest

from faults import Fault, Saboteur, crash, fill_with_garbage, hang, kill, spoil_newest_engine, starve
from qpareto.objectives.accuracy.heads import Head
from qpareto.objectives.accuracy.parity import PARITY
from qpareto.objectives.isolation.child import BugInChildError
from qpareto.objectives.store import SEAL
from qpareto.search.api import run_study
from qpareto.search.run.worker import Silence
from qpareto.search.study.opening import open_study
from qpareto.search.study.outcome import Outcome
from qpareto.search.study.record import TrialRecord
from qpareto.search.study_file.loading import load_study_file

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds and limits child processes by Linux's means")

SEED = "search.seed=5"  # of eight masks that make eight graphs: a repeated one would start no child process
TRIALS = 8
REASONS = {
    0: r"The step 'build engine' crashed with SIGSEGV \(Segmentation fault\): its log tells where\.",
    2: r"The step 'evaluate' was killed \(SIGKILL\), most likely because memory ran out: free some, or lower .*\.",
    3: r"The step 'time' ran out of memory: free some, or lower engine\.batch\.",
    5: r"The engine in .* is not what was built there: .* It is built again when .* check the disk, or .*\.",
    6: r"The step 'build engine' did not end within 2 s and was stopped: raise engine\.build_timeout_s if .*\.",
}


@pytest.fixture
def undisturbed(study_file: Path) -> list[TrialRecord]:
    return list(run_study(load_study_file(study_file, [SEED, "name=undisturbed"]), trials=TRIALS).records)


def copy_of_cache(assets: Path, folder: Path, *, without: tuple[str, ...]) -> Path:
    """A cache of the test's own, with the calibrations of the common one, and nothing that was evaluated."""
    ignored = shutil.ignore_patterns("accuracy", "logs", *without)
    return Path(shutil.copytree(assets / "cache", folder / "cache", ignore=ignored))


def outcome(record: TrialRecord) -> tuple[str, str, float]:
    assert record.measurement is not None, record.reason
    return record.outcome, record.measurement.engine.graph_hash, record.measurement.accuracy.value


def same_entries(assets: Path, cache: Path, kind: str) -> list[bool]:
    """Of each entry in a test's own cache: whether its files are those of the same entry in the common one.

    Parity apart, and the seal with its hash: it is by the images of whatever test built an engine first.
    """
    files = {
        path.parent: sorted({file.name for file in path.parent.iterdir()} - {PARITY, SEAL})
        for path in (cache / kind).glob("*/*")
    }
    compared = (filecmp.cmpfiles(entry, assets / "cache" / kind / entry.name, files[entry], False) for entry in files)
    return [not differing and not missing for _, differing, missing in compared]


def test_a_fault_fails_its_own_trial_with_its_reason_and_the_next_is_clean(
    assets: Path, study_file: Path, undisturbed: list[TrialRecord], tmp_path: Path
) -> None:
    cache = copy_of_cache(assets, tmp_path, without=("engines", "reference-ms"))
    own = [SEED, f"cache={cache}"]
    faults = {
        0: Fault("engine", crash, "libopenvino.so"),
        2: Fault("accuracy", kill, "libopenvino.so"),
        3: Fault("latency", starve),
        5: Fault("accuracy", spoil_newest_engine(cache)),
    }
    with Saboteur(faults) as listener:
        run_study(load_study_file(study_file, own), trials=6, listener=listener)
    with Saboteur({6: Fault("engine", hang)}) as listener:
        run_study(load_study_file(study_file, [*own, "engine.build_timeout_s=2"]), trials=7, listener=listener)
    records = run_study(load_study_file(study_file, own), trials=TRIALS).records
    assert [record.number for record in records if record.outcome == "failed"] == list(REASONS)
    for number, record in enumerate(records):
        if number not in REASONS:
            assert outcome(record) == outcome(undisturbed[number])
            continue
        said, _, log = str(record.reason).partition(" Its log: ")
        assert re.fullmatch(REASONS[number], said)
        assert Path(log).is_file()
        assert record.measurement is None
    assert "Segmentation fault" in Path(str(records[0].reason).partition(" Its log: ")[2]).read_text()
    # What was evaluated between the faults is to the byte what it is without them: the reference, 3 and the clean ones.
    assert same_entries(assets, cache, "accuracy") == [True] * 5


class SpoilAll(Silence):
    """Damages every engine in a cache as a trial begins, the reference too."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def begin(self, number: int, what: str, *, finished: int) -> None:
        for name in ("engine.bin", "engine.plan"):  # whatever kind other tests have built
            for weights in self._cache.glob(f"engines/*/{name}"):
                fill_with_garbage(weights)


def test_engines_that_were_damaged_in_the_cache_are_built_again_and_fail_no_trial(
    assets: Path, study_file: Path, tmp_path: Path
) -> None:
    spec = load_study_file(study_file, [SEED])
    whole = run_study(spec, trials=2).records
    cache = copy_of_cache(assets, tmp_path, without=())
    again = spec.model_copy(update={"name": "again", "cache": cache})
    found = run_study(again, trials=2, listener=SpoilAll(cache)).records
    assert [outcome(record) for record in found] == [outcome(record) for record in whole]
    assert same_entries(assets, cache, "accuracy") == [True] * 3
    assert same_entries(assets, cache, "engines").count(True) == 2  # the last trial's, and the reference


def test_a_bug_of_ours_in_a_child_process_ends_the_run_and_keeps_its_traceback(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slip(Silence):
        """From the first trial on, children are handed a head that nothing reads."""

        def begin(self, number: int, what: str, *, finished: int) -> None:
            monkeypatch.setattr(Head, "__getstate__", lambda head: vars(head) | {"output": "the first"})

    spec = load_study_file(study_file, ["search.seed=6"])
    with pytest.raises(BugInChildError, match=r"^The step '.*' failed with TypeError: .*\. Its log: ") as bug:
        run_study(spec, trials=TRIALS, listener=Slip())
    assert 'head.py", line ' in bug.value.__notes__[0]
    *others, last = open_study(spec).records()
    assert last.outcome == Outcome.DIED  # a second run takes it up again, in case it was the machine
    assert "BugInChildError: The step " in str(last.reason)
    assert "Traceback" not in str(last.reason)
    assert all(record.outcome == "complete" for record in others)
