"""Workers on a real Ray cluster: nodes of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import works
from contracts.places import PlaceContract, ending_of, is_gone, noted
from qpareto.errors import QParetoError
from qpareto.search.fleet.place import Ending, Place
from qpareto.search.fleet.ray_cluster import RayCluster, Share
from qpareto.search.fleet.supervisor import Patience

pytest.importorskip("ray", reason="needs the extra `ray`")
ONE_CORE = Share(cores=1, gpus=0)


def entered(cluster: Any, folder: Path, share: Share = ONE_CORE) -> RayCluster:
    return RayCluster(cluster.address, share=share, log_stem=folder / "logs" / "worker")


class TestRayCluster(PlaceContract):
    @pytest.fixture
    def place(self, ray_cluster: Any, tmp_path: Path) -> Iterator[Place]:
        with entered(ray_cluster, tmp_path) as place:
            yield place


def test_a_worker_that_is_lost_with_its_node_starts_anew_on_another(ray_cluster: Any, tmp_path: Path) -> None:
    extra = ray_cluster.add_node(num_cpus=4)
    with entered(ray_cluster, tmp_path, Share(cores=4, gpus=0)) as place:
        place.start(0, partial(works.note_and_wait, tmp_path / "first"))
        pid = noted(tmp_path / "first")["pid"]
        ray_cluster.remove_node(extra, allow_graceful=False)
        lost = ending_of(place)  # here its process may be killed, and this be told, a moment before the node is gone
        assert lost in (Ending(status=None), Ending(status=-9))
        assert is_gone(pid), "it stops when nobody holds it any more"
        extra = ray_cluster.add_node(num_cpus=4)
        again = Ending(status=None)
        for _ in range(Patience().deaths):  # Ray takes a while to know that the node is gone, and tries it once more
            if again.status is None:
                place.start(0, partial(works.note, tmp_path / "second"))
                again = ending_of(place)
        assert again.is_done
    ray_cluster.remove_node(extra)
    ray_cluster.wait_for_nodes()


def test_one_that_waits_for_room_and_is_stopped_never_begins(ray_cluster: Any, tmp_path: Path) -> None:
    with entered(ray_cluster, tmp_path) as place:
        for worker in (0, 1):
            place.start(worker, partial(works.note_and_wait, tmp_path / f"note{worker}"))
        for worker in (0, 1):  # Ray gives room in no certain order: these two have theirs before a third asks
            noted(tmp_path / f"note{worker}")
        place.start(2, partial(works.note_and_wait, tmp_path / "note2"))
        place.stop(2)
        assert ending_of(place, 2) == Ending(status=None)
        place.kill(0)
        assert place.ending(1) is None
        assert not (tmp_path / "note2").exists()


def test_its_room_is_told(ray_cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "qpareto")
    with entered(ray_cluster, tmp_path):
        assert [record.message for record in caplog.records] == ["The Ray cluster has room for 2 workers on 2 nodes."]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (Share(cores=3, gpus=0), "A worker needs 3 CPU cores, and none of the cluster's 2 nodes has them"),
        (Share(cores=1, gpus=1), "A worker needs 1 CPU cores and a GPU, and none of the cluster's 2 nodes has them"),
    ],
)
def test_a_worker_that_fits_no_node_is_refused(ray_cluster: Any, tmp_path: Path, share: Share, said: str) -> None:
    with pytest.raises(QParetoError, match=said):
        entered(ray_cluster, tmp_path, share)


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QParetoError, match=r"The Ray cluster at '127\.0\.0\.1:1' does not answer"):
        RayCluster("127.0.0.1:1", share=ONE_CORE, log_stem=tmp_path / "worker")
