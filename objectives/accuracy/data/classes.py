"""Which categories of a data set are which classes of a model, and which of them count."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import DatasetError
from .image_files import some_of

NAMES_SHOWN = 4
COCO_CATEGORIES, COCO_LAST = 80, 90  # how many there are, and the largest id
_NUMBERED = re.compile(r"(class|label|id)? ?\d+")  # a plain name that somebody made up: it tells nothing


@dataclass(frozen=True)
class ClassMatch:
    """The categories by class index of the model.

    Args:
        ids: a category's, or one that the data set has not for a class that it lacks.
        names: unique.
        left_out: names of the categories that are no class of the model.
        remarks: what a reader must know of it, but for these.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def counting(self, chosen: Sequence[str | int] | None, *, data: str) -> tuple[frozenset[int], tuple[str, ...]]:
        """The ids of the classes that a study file chooses by name or number, or of all; and all remarks.

        Raises:
            DatasetError: there is no such class.
        """
        if chosen is None:
            return frozenset(self.ids), self.remarks
        places = _chosen(chosen, self.names)
        counted = some_of([self.names[i] for i in places], "class", plural="classes")
        return frozenset(self.ids[i] for i in places), (*self.remarks, f"Only {counted} of {data} count.")


def classes_matched(
    class_names: Sequence[str] | None, classes: int | None, ids: Sequence[int], names: Sequence[str], *, data: str
) -> ClassMatch:
    """Match by name where the model has names and the data set has some of them; else by ascending id.

    Args:
        class_names: the model's, by index.
        classes: how many it tells apart, if that is known.
        ids, names: the data set's categories, by ascending id.
        data: the data set, for people.

    Raises:
        DatasetError: there are more or fewer categories than classes, and no names to match them by.
    """
    if class_names is not None and not by_order(class_names, names):
        index = {plain_name(name): i for i, name in enumerate(class_names)}
        found = {index[plain_name(name)]: i for i, name in enumerate(names) if plain_name(name) in index}
        if found:
            return _by_name(class_names, found, ids, names, data=data)
    if class_names is None and classes is not None and _are_ids(classes, ids):
        return _by_id(classes, ids, names, data)
    classes = classes or (len(class_names) if class_names else None)
    if classes is not None and classes != len(ids):
        told = f" ({few_of(class_names)})" if class_names else ""
        raise DatasetError(
            f"The model tells {classes} classes apart{told}, but {data} has {len(ids)} categories ({few_of(names)})"
            f"{', none of its names' if class_names else ''}: take the data set that the model was trained for"
            f"{', or rename the categories' if class_names else ''}."
        )
    return ClassMatch(tuple(ids), tuple(names), remarks=_renamed(class_names or (), names, data))


def by_order(class_names: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a model's classes and as many categories go by their order: no name that both have stands elsewhere.

    Names that stand twice, or are numbers, tell nothing.
    """
    ours, theirs = [plain_name(name) for name in class_names], [plain_name(name) for name in names]
    if any(len(set(each)) < len(each) or any(map(_NUMBERED.fullmatch, each)) for each in (ours, theirs)):
        return True
    return len(ours) == len(theirs) and all(ours[i] == name for i, name in enumerate(theirs) if name in ours)


def plain_name(name: str) -> str:
    """A name as it is compared: without its case, and however its words are joined."""
    return " ".join(re.split(r"[\s_-]+", name.casefold().strip()))


def _chosen(chosen: Sequence[str | int], names: Sequence[str]) -> list[int]:
    """Indices of classes by name or number, ascending."""
    index = {plain_name(name): i for i, name in enumerate(names)}
    found = [each if isinstance(each, int) else index.get(plain_name(each), -1) for each in chosen]
    for each, i in zip(chosen, found, strict=True):
        if not 0 <= i < len(names):
            raise DatasetError(
                f"data.classes has {each!r}, but the classes are 0 to {len(names) - 1} ({few_of(names)}): name those."
            )
    return sorted(set(found))


def _by_name(
    class_names: Sequence[str], found: dict[int, int], ids: Sequence[int], names: Sequence[str], *, data: str
) -> ClassMatch:
    """Args: found: class index -> place among the categories."""
    others = itertools.count(max(ids) + 1)
    matched = tuple(ids[found[i]] if i in found else next(others) for i in range(len(class_names)))
    left = tuple(name for i, name in enumerate(names) if i not in found.values())
    if len(found) == len(class_names):
        return ClassMatch(matched, tuple(class_names), left)
    had = few_of([class_names[i] for i in sorted(found)])
    remark = (
        f"{data} has {len(found)} of the model's {len(class_names)} classes, matched by name ({had}): mAP is theirs."
    )
    return ClassMatch(matched, tuple(class_names), left, (remark,))


def _are_ids(classes: int, ids: Sequence[int]) -> bool:
    """Whether a model's classes are COCO's category ids, as DETRs have them: some stand for nothing."""
    return len(ids) == COCO_CATEGORIES and ids[-1] == COCO_LAST and classes in (COCO_LAST + 1, COCO_LAST + 2)


def _by_id(classes: int, ids: Sequence[int], names: Sequence[str], data: str) -> ClassMatch:
    named, others = dict(zip(ids, names, strict=True)), itertools.count(classes)
    matched = tuple(i if i in named else next(others) for i in range(classes))
    remark = f"The model's {classes} classes are taken for the category ids of {data}: class {ids[0]} is {names[0]}."
    return ClassMatch(matched, tuple(named.get(i, f"no class {i}") for i in range(classes)), remarks=(remark,))


def _renamed(class_names: Sequence[str], names: Sequence[str], data: str) -> tuple[str, ...]:
    pairs = zip(class_names, names, strict=False)
    other = [f"'{name}' is '{ours}'" for ours, name in pairs if plain_name(ours) != plain_name(name)]
    if not other:
        return ()
    return (f"{data} names {some_of(other, 'class', plural='classes')} otherwise: they are matched by order.",)


def few_of(names: Sequence[str]) -> str:
    """Such as `circle, ring, square, triangle, ...`."""
    return ", ".join([*names[:NAMES_SHOWN], *["..."] * (len(names) > NAMES_SHOWN)])
