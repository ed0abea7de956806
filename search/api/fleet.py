"""What can be done with many workers: launch them on this machine or on a Ray cluster."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial

from ...errors import QParetoError
from ...objectives.engines import engine_kind
from ..fleet.interrupts import Interrupts
from ..fleet.pins import Pin, pins_on_cores, pins_on_gpus, present_cores, present_gpus
from ..fleet.place import Place
from ..fleet.processes import Processes
from ..fleet.ray_cluster import LOCAL, RayCluster, Share
from ..fleet.supervisor import Command, Patience, Supervisor
from ..results.study_results import Results
from ..run.progress import Progress, Watch
from ..run.stopping import mark_interrupted, stoppable
from ..run.watching import Watching
from ..run.worker import Silence
from ..show.terminal.progress import progress
from ..study_file.spec import StudySpec
from .study import compare_builds, confirm_study, join_study, prepare_study, results

_log = logging.getLogger(__name__)

SQLITE_WORKERS = 16  # together 3 trials a second on two cores, more of them fewer (docs/fleet.md)

Watcher = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """How many workers a study gets, and where.

    Args:
        workers: at least 1.
        ray: a Ray cluster's address, or `local` for one on this machine; None for plain processes here.
        cores: CPU cores of each worker. Processes are pinned to theirs, and to any if None; Ray counts them, and
            takes as many as the engine has threads if None.
    """

    workers: int
    ray: str | None = None
    cores: int | None = None


def launch_study(
    spec: StudySpec,
    fleet: Fleet,
    *,
    trials: int | None = None,
    timeout_s: float | None = None,
    watcher: Watcher | None = None,
) -> Results:
    """Run a study with many workers until it has its trials; each that dies is started again.

    One worker comes first, alone: it checks all that the study file names, makes the study, and calibrates and builds
    what all the others then find. At the end one confirms the front, as `run_study` does. Where builds choose kernels
    by timing them, and so take long, all share out those by which builds are compared, and the confirmation.
    Ctrl-C stops gently, a second one at once. Only the main thread can launch.

    Args:
        trials, timeout_s: as of `run_study`.
        watcher: told now and then where the study stands.

    Raises:
        QParetoError: the study file or the fleet is at fault, or all workers were given up.
        KeyboardInterrupt: the fleet was stopped; what is finished is kept.
    """
    _check(spec, fleet)
    device = engine_kind(spec.engine.kind).device_name() if spec.devices == "each" else None
    deadline_s = _deadline_s(spec, timeout_s)
    with _place(spec, fleet) as place, Interrupts() as interrupts:
        launch = _Launch(spec, place=place, workers=fleet.workers, command=interrupts.command, device=device)
        launch.prepare()
        launch.search(trials=trials, deadline_s=deadline_s, watcher=watcher)
        if spec.data.confirm is not None:
            launch.confirm()
    return results(spec, device=device)


@dataclass(frozen=True)
class _Launch:
    """The parts of a launch, each done by one worker or by all, in processes of their own.

    Each raises:
        QParetoError: the last one's refusal, when all were given up.
        KeyboardInterrupt: it was stopped; trials whose workers were killed are marked, so that they are tried again.
    """

    spec: StudySpec
    _: KW_ONLY
    place: Place
    workers: int
    command: Callable[[], Command]
    device: str | None

    def prepare(self) -> None:
        """Make the study, and what all workers then find."""
        if self._builds_take_long:
            logs = self.place.logs()
            _log.info("one worker calibrates, and builds the first engines, which may take minutes: see %s", logs)
        self._once(prepare_study, workers=1)
        if self._builds_take_long:
            _log.info("%d workers build some of these again, to tell how far builds differ", self.workers)
            self._once(compare_builds, workers=self.workers)

    def search(self, *, trials: int | None, deadline_s: float | None, watcher: Watcher | None) -> None:
        """Run trials; a worker that dies is started again."""
        with Watching(self.spec, device=self.device, trials=trials) as watching:
            fleet = Supervisor(
                place=self.place,
                workers=self.workers,
                work=lambda: partial(_join, self.spec, trials, _left_s(deadline_s)),
                command=self.command,
                tick=partial(_tell, watching, watcher),
            )
            self._run(fleet)
        if watcher is not None:
            watcher(Watch(self.spec, device=self.device).progress(trials=trials))

    def confirm(self) -> None:
        """Measure the front once more."""
        if self._builds_take_long:
            _log.info("%d workers build the front once more, and measure it", self.workers)
        self._once(confirm_study, workers=self.workers if self._builds_take_long else 1)

    @property
    def _builds_take_long(self) -> bool:
        return engine_kind(self.spec.engine.kind).chooses_kernels

    def _once(self, work: Callable[[StudySpec], object], *, workers: int) -> None:
        """Have it done by so many, none of which is started again."""
        fleet = Supervisor(
            place=self.place,
            workers=workers,
            work=lambda: partial(_do, work, self.spec),
            command=self.command,
            patience=Patience(deaths=1),
        )
        self._run(fleet)

    def _run(self, fleet: Supervisor) -> None:
        given = fleet.run()
        if given == "kill":
            mark_interrupted(self.spec, device=self.device)
        if given != "go on":
            raise KeyboardInterrupt


def _tell(watching: Watching, watcher: Watcher | None) -> None:
    news = watching.news()
    if watcher is not None and news is not None:
        watcher(news)


def _do(work: Callable[[StudySpec], object], spec: StudySpec) -> None:
    """What is no trial, in a process of its own: asked to stop, it ends at once, and leaves nothing half done."""
    with stoppable(Silence()):
        work(spec)


def _join(spec: StudySpec, trials: int | None, timeout_s: float | None) -> None:
    """What each worker does, in a process of its own."""
    with progress(total=trials or spec.search.trials) as listener, stoppable(listener) as told:
        join_study(spec, trials=trials, timeout_s=timeout_s, listener=told)


def _check(spec: StudySpec, fleet: Fleet) -> None:
    """Refuse what cannot go well.

    Raises:
        QParetoError: too many workers for SQLite, studies that Ray would mix, fewer cores than an engine has threads.
    """
    if fleet.ray is not None and spec.devices == "each":
        raise QParetoError(
            "Ray may place workers on several device models, and `devices: each` keeps a study for each of them: "
            "start `qpareto worker` on every machine instead, or a fleet on each model."
        )
    if spec.storage.startswith("sqlite"):
        if fleet.workers > SQLITE_WORKERS:
            raise QParetoError(
                f"SQLite serves up to {SQLITE_WORKERS} workers, and {fleet.workers} were asked for: move the study to "
                "PostgreSQL (`qpareto study move`) and name that as `storage`, or lower --workers."
            )
        if fleet.ray not in (None, LOCAL):
            raise QParetoError(
                "SQLite serves one machine, and a Ray cluster may have several: move the study to PostgreSQL "
                "(`qpareto study move`) and name that as `storage`, or take --ray local."
            )
    threads = spec.engine.cpu_threads or 1
    if fleet.cores is not None and fleet.cores < threads:
        raise QParetoError(
            f"An engine of {threads} threads needs as many cores, and --cores gives a worker "
            f"{fleet.cores}: raise --cores, or lower engine.threads."
        )


def _place(spec: StudySpec, fleet: Fleet) -> Place:
    log_stem = spec.cache / "logs" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', spec.name)}-worker"
    on_cpu = engine_kind(spec.engine.kind).runs_on_host_cpu
    if fleet.ray is not None:
        cores = fleet.cores or (spec.engine.cpu_threads or 1)
        return RayCluster(fleet.ray, share=Share(cores=cores, gpus=0 if on_cpu else 1), log_stem=log_stem)
    return Processes(pins=_pins(fleet, on_cpu=on_cpu), log_stem=log_stem)


def _pins(fleet: Fleet, *, on_cpu: bool) -> tuple[Pin, ...]:
    """A GPU each where engines run on one, and the stated cores in any case."""
    on_cores = pins_on_cores(fleet.workers, fleet.cores, present_cores())
    if on_cpu:
        return on_cores
    on_gpus = pins_on_gpus(fleet.workers, present_gpus())
    return tuple(Pin(env=gpu.env, cores=some.cores) for gpu, some in zip(on_gpus, on_cores, strict=True))


def _deadline_s(spec: StudySpec, timeout_s: float | None) -> float | None:
    """By the monotonic clock; of the whole fleet, whenever a worker is started."""
    limit_s = spec.search.limit_s(timeout_s)
    return None if limit_s is None else time.monotonic() + limit_s


def _left_s(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
