"""What is known of a study's switches before any trial: how layers hang together, what INT8 harms and what it saves."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ...errors import CandidateError
from ...objectives.isolation.child import run_in_child
from ...objectives.latency.gain import gains_of_profiles
from ...objectives.objective import accuracy_among
from ...objectives.score import Scorer
from ...objectives.store import content_key
from ...spaces.calibration import CalibrationChoice
from ...spaces.candidate import Candidate
from ...spaces.layers import edges_of_model
from ...spaces.space import Space
from ..samplers.encoding import Graph
from ..samplers.warmstart import Expectation, candidates_of_masks, predicted_front
from ..study.attributes import Expected

GAINS = 1  # its version, see `content_key`
IMAGES, FEWEST_IMAGES = 8, 2  # that sensitivity is measured on
WARM_START_TIMEOUT_S = 600.0

_log = logging.getLogger(__name__)


def graph_of_study(scorer: Scorer, space: Space, objectives: Sequence[str]) -> Graph:
    """The switches of a study with their edges and blocks, and what one switch is expected to do to each objective.

    Sensitivity and profiles are measured once and kept in the store. Where one cannot be measured, that is said, and
    the search starts without it.

    Args:
        objectives: the study's; of those other than accuracy and latency nothing is expected.
    """
    names = [layer.name for layer in scorer.layers]
    switch_of = {name: switch for switch, group in space.groups.items() for name in group}
    edges = [(switch_of[a], switch_of[b]) for a, b in edges_of_model(scorer.model.path) if {a, b} <= switch_of.keys()]
    blocks: dict[str, dict[str, None]] = {}
    for layer in scorer.layers:
        if layer.name in switch_of:
            blocks.setdefault(layer.block, {})[switch_of[layer.name]] = None
    choice = space.usual
    effects = {
        scorer.head.task.metric.name: {name: -harm for name, harm in _harm(scorer, choice).items()},
        "latency_ms": {name: -saved_ms for name, saved_ms in _gains(scorer, choice, names).items()},
    }
    return Graph(
        switches=tuple(space.groups),
        edges=tuple(dict.fromkeys(edge for edge in edges if edge[0] != edge[1])),
        blocks=tuple(tuple(block) for block in blocks.values()),
        effects=tuple(_of_switches(effects.get(objective, {}), space) for objective in objectives),
    )


def expected_of_graph(graph: Graph, space: Space, objectives: Sequence[str]) -> Expected:
    """What is known of the switches' effects on accuracy and latency, to be kept with the study."""
    known = dict(zip(objectives, graph.effects, strict=True))
    harm = {name: -effect for name, effect in known.get(accuracy_among(objectives) or "", {}).items()}
    saved_ms = {name: -effect for name, effect in known.get("latency_ms", {}).items()}
    return Expected(layers=dict(space.groups), harm=harm, saved_ms=saved_ms)


def warm_start(
    scorer: Scorer,
    space: Space,
    graph: Graph,
    objectives: Sequence[str],
    *,
    count: int,
    measured: Collection[Candidate] = (),
) -> tuple[Candidate, ...]:
    """The candidates to try first: all layers, and masks of the front that harm and gain predict; at most `count`.

    Fewer where that front has fewer, such as where harm or gain is not known; none without accuracy and latency among
    the objectives. That is said.

    Args:
        measured: what is measured anyway, such as baselines.
    """
    metric = scorer.head.task.metric.name
    if not {metric, "latency_ms"} <= set(objectives):
        _log.info("no front is predicted to start from: that needs the objectives %s and latency_ms", metric)
        return ()
    expected = Expectation.from_graph(graph, accuracy=objectives.index(metric), latency=objectives.index("latency_ms"))
    log_path = scorer.store.root / "logs" / f"warm-start-{scorer.model.content_hash}.log"
    try:  # in a child, since the solver writes to stdout, which is for results
        masks = run_in_child(predicted_front, expected, count, timeout_s=WARM_START_TIMEOUT_S, log_path=log_path)
    except CandidateError as error:
        _log.warning("The search starts without a predicted front: %s", error)
        return ()
    if len(masks) < count:
        _log.info("the search starts with %d of %d masks: the predicted front has no more", len(masks), count)
    everything = Candidate(space.usual, space.searched)
    ends = () if everything in measured or not len(masks) else (everything,)
    return (*ends, *candidates_of_masks(space, masks))[:count]


def _of_switches(of_layers: Mapping[str, float], space: Space) -> dict[str, float]:
    return {switch: sum(of_layers.get(name, 0.0) for name in group) for switch, group in space.groups.items()}


def _harm(scorer: Scorer, choice: CalibrationChoice) -> dict[str, float]:
    images = min(IMAGES, len(scorer.calibration.hashes))
    if images < FEWEST_IMAGES:
        _log.warning("The search starts without sensitivities: they need %d calibration images.", FEWEST_IMAGES)
        return {}
    try:
        found = scorer.sensitivity(choice, images=images)
    except CandidateError as error:
        _log.warning("The search starts without sensitivities: %s", error)
        return {}
    return dict(zip(found.layers, found.harm.tolist(), strict=True))


def _gains(scorer: Scorer, choice: CalibrationChoice, names: Sequence[str]) -> dict[str, float]:
    """Milliseconds that each layer saves; kept, since a repeat would differ by noise and the proposals with it."""
    try:
        everything = scorer.all_int8(choice)
        reference = scorer.reference()

        def fill(folder: Path) -> None:
            of_float, of_int8 = map(scorer.clock().layer_times, (reference, everything))
            gains = gains_of_profiles(of_float, of_int8, names)
            (folder / "gains.json").write_text(json.dumps(gains), encoding="utf-8")

        key = content_key(engines=[reference.name, everything.name], made_by=GAINS)
        folder = scorer.store.make("gains", key, fill)
    except CandidateError as error:
        _log.warning("The search starts without what each layer saves: %s", error)
        return {}
    gains: dict[str, float] = json.loads((folder / "gains.json").read_text(encoding="utf-8"))
    return gains
