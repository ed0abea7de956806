"""The script that a worker's process runs. `worker_process.py` starts it.

It imports nothing of this package, whose folder it cannot know before it has been told its starter's search path.
Standard input: three pickles, the search path, the cores and the work; its end tells that the starter is gone.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable


def main() -> None:
    """Exit status 0: the work is done. REFUSED: the last line of the log says why. Else: a bug, with its traceback."""
    gc.set_threshold(700, 10, 1000)  # as the command's own process does
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to hear
    sys.path[:] = pickle.load(sys.stdin.buffer)
    cores = pickle.load(sys.stdin.buffer)
    if cores:
        os.sched_setaffinity(0, cores)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("qpareto").setLevel(logging.INFO)
    work = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_stop_when_alone, daemon=True).start()
    _do(work)


def _do(work: Callable[[], object]) -> None:
    from qpareto.errors import QParetoError
    from qpareto.search.fleet.place import REFUSED

    try:
        work()
    except QParetoError as error:
        print(" ".join(str(error).split()), file=sys.stderr, flush=True)
        sys.exit(REFUSED)


def _stop_when_alone() -> None:
    """Ask this very process to stop gently once nobody holds the other end of its input: the starter was killed."""
    os.read(sys.stdin.fileno(), 1)  # past Python's buffer, whose lock would hold up the end of this process
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
