"""Workers on a Ray cluster: Ray places each where there is room, and every one runs in a process of its own there."""

from __future__ import annotations

import logging
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import QParetoError
from .place import Ending, Place, Work
from .processes import log_of_worker
from .worker_process import WorkerProcess

LOCAL = "local"
_ANSWER_S = 10.0  # a living actor answers much sooner
_BORN_S = 1.0  # on a busy machine a worker is at work for a moment before its birth is told here

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Share:
    """What Ray sets aside for one worker.

    Args:
        cores: at least 1. Ray counts them, and pins nothing to them.
        gpus: 0 or 1; Ray shows the worker that one alone.
    """

    cores: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.cores} CPU cores" + (" and a GPU" if self.gpus else "")

    def fits(self, resources: dict[str, float]) -> int:
        """How many workers find room in a node's resources."""
        room = resources.get("CPU", 0.0) // self.cores
        return int(min(room, resources.get("GPU", 0.0) // self.gpus) if self.gpus else room)


class RayCluster(Place):
    """A Ray cluster. A worker whose node is lost has ended; started again, it goes to any node with room.

    The nodes have this package installed, and find the study's files under the same paths.

    Args:
        address: of a running cluster, such as `auto` or `ray://head:10001`; `local` starts one on this machine.
        share: of each worker.
        log_stem: as of `Processes`; the logs lie on the nodes.

    Raises:
        QParetoError: Ray is missing, the cluster does not answer, or none of its nodes is large enough.
    """

    def __init__(self, address: str, *, share: Share, log_stem: Path) -> None:
        self._ray = _connected(address)
        self._address, self._log_stem = address, log_stem
        self._check_room(share)
        actor: Any = self._ray.remote(_RayWorker)
        self._actor = actor.options(
            num_cpus=share.cores, num_gpus=share.gpus, max_restarts=0, max_concurrency=_RayWorker.CALLS_AT_ONCE
        )
        self._started: dict[int, _Started] = {}

    def start(self, worker: int, work: Work) -> None:
        actor = self._actor.remote(work, log_of_worker(self._log_stem, worker))
        self._started[worker] = _Started(actor=actor, born=actor.ready.remote(), ended=actor.wait.remote())

    def ending(self, worker: int) -> Ending | None:
        from ray.exceptions import RayActorError

        started = self._started[worker]
        if started.ending is None and self._is_ready(started.ended):
            try:
                started.ending = self._ray.get(started.ended)
            except RayActorError:
                started.ending = Ending(status=None)
            self._ray.kill(started.actor)  # what was set aside for it is free again
        return started.ending

    def stop(self, worker: int) -> None:
        started = self._started[worker]
        if self._is_ready(started.born, patience_s=_BORN_S):
            started.actor.stop.remote()
        else:
            self._ray.kill(started.actor)

    def kill(self, worker: int) -> None:
        from ray.exceptions import GetTimeoutError, RayActorError

        started = self._started[worker]
        if started.ending is not None:
            return
        if self._is_ready(started.born):
            try:
                self._ray.get(started.actor.kill.remote(), timeout=_ANSWER_S)
            except (RayActorError, GetTimeoutError):
                _log.warning("Worker %d does not answer: its machine is lost, or it ends with its trial.", worker)
        self._ray.kill(started.actor)

    def logs(self) -> str:
        return f"{log_of_worker(self._log_stem, '*')} on the machine of each"

    def close(self) -> None:
        for worker in self._started:
            self.kill(worker)
        self._started.clear()
        self._ray.shutdown()

    def _is_ready(self, answer: Any, *, patience_s: float = 0) -> bool:
        return bool(self._ray.wait([answer], timeout=patience_s)[0])

    def _check_room(self, share: Share) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(share.fits(node) for node in nodes):
            self._ray.shutdown()
            raise QParetoError(
                f"A worker needs {share}, and none of the cluster's {len(nodes)} nodes has them: "
                "name fewer with --cores, or add a node that has."
            )
        _log.info("The Ray cluster has room for %d workers on %d nodes.", sum(map(share.fits, nodes)), len(nodes))


@dataclass
class _Started:
    """A worker's actor, and what tells that it is born and that its work has ended."""

    actor: Any
    born: Any
    ended: Any
    ending: Ending | None = None


class _RayWorker:
    """The actor that holds a worker's process on a node. What kills that process leaves the actor to tell of it."""

    CALLS_AT_ONCE = 3  # `wait` lasts, and the others must come through beside it

    def __init__(self, work: Work, log_path: Path) -> None:
        self._process = WorkerProcess(work, log_path=log_path)

    def ready(self) -> None:
        """Answers once this actor is born."""

    def wait(self) -> Ending:
        return self._process.wait()

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise QParetoError("--ray needs Ray: install it with `pip install 'qpareto[ray]'`.") from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, **options)
        else:
            _refuse_silent(address)
            ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise QParetoError(
            f"The Ray cluster at '{address}' does not answer ({str(error).strip().splitlines()[0].rstrip('.')}): "
            "start it with `ray start --head`, or name another --ray."
        ) from error
    return ray


def _refuse_silent(address: str) -> None:
    """Raise an OSError if nothing listens at HOST:PORT, which Ray itself would ask for many minutes."""
    found = re.fullmatch(r"\[?([^/]+?)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), timeout=_ANSWER_S).close()
