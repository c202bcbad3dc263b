"""What the sentences themselves say about any accuracy measured on them, before a model is trained.

Between training and each evaluation split: the same sentence, nearly the same, one abstract on both
sides under its own or another id; and, by a second method, sentences and abstracts in other words.
The second method also compares the training split with other abstracts of itself: what it flags
there it flags by chance. Within each split: labels that a heading gives away, labels that look
wrong, and how the classes are balanced. Every flag is kept by sample, so that a model's accuracy
can be computed without the flagged samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from medpipe.audits import text_labels as labels
from medpipe.audits import text_overlap as overlap
from medpipe.audits.proportions import Share, share
from medpipe.evidence.observations import Observations
from medpipe.pipeline.config import Positive, Section, parse, stand_in
from medpipe.pipeline.data.text import TextData, load_text
from medpipe.pipeline.splits import Subset
from medpipe.pipeline.text.classifying import CLUSTER
from medpipe.pipeline.text.sentence_splits import as_drawn, draw, sentences_of
from medpipe.pipeline.text.text_settings import Data
from medpipe.running.experiment import ExperimentResult, RunContext

NAME = "text_data_audit"
Flags = dict[str, np.ndarray[Any, np.dtype[np.bool_]]]


class Audit(Section):
    """``near``: the resemblance from which sentences are nearly the same; ``folds`` of the model
    that doubts labels.
    """

    near: Annotated[float, Field(gt=0, le=1)]
    folds: Annotated[Positive, Field(ge=2)]


class TextDataAudit(Section):
    """The parameters of the experiment."""

    data: Data
    audit: Audit


def run(config: Mapping[str, Any], seed: int, context: RunContext) -> ExperimentResult:
    """Scalars ``<split>_<audit>_share`` with interval, count and n; observations with a flag (0 or
    1) for each audit and sample.
    """
    written = parse(TextDataAudit, config, NAME)
    data = load_text(written.data.source)
    drawn = draw(data, written.data)
    splits = drawn.splits()
    scalars: dict[str, float] = {}
    observations: dict[str, Observations] = {}
    notes = list(stand_in(written.data.source, data.source))
    for done, (name, subset) in enumerate(splits.items()):
        context.progress(done, len(splits), f"sentences of the {name} split")
        flags = _labels(subset, data, written.audit, seed)
        flags |= _reworded(splits["training"], subset)
        if name != "training":
            flags |= _overlap(splits["training"], subset, written.audit)
            scalars[f"{name}_class_distance"] = labels.imbalance(
                splits["training"].label, subset.label, len(data.classes)
            )
        told, chance = labels.first_word_information(sentences_of(subset), subset.label, seed=seed)
        scalars |= {
            f"{name}_first_word_information": told,
            f"{name}_first_word_information_by_chance": chance,
        }
        scalars[f"{name}_majority_share"] = float(
            labels.class_shares(subset.label, len(data.classes)).max()
        )
        for audit, flag in flags.items():
            found = share(
                audit, flag, subset.part.sample_id[subset.index].tolist(), _groups(subset)
            )
            scalars |= found.scalars(name)
            notes += _examples(name, found, subset, data)
        observations[name] = subset.observe(
            data.classes, CLUSTER, **{audit: flag.astype(np.uint8) for audit, flag in flags.items()}
        )
    context.progress(len(splits), len(splits), "sentences looked at")
    resolved = {
        **written.model_dump(exclude_unset=True),
        "data": as_drawn(data, written.data, drawn),
    }
    return ExperimentResult(
        resolved, observations, scalars, data_digests={data.source: data.digest}, notes=notes
    )


def data_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the data that `run` would use now."""
    data = load_text(parse(TextDataAudit, config, NAME).data.source)
    return {data.source: data.digest}


def _groups(subset: Subset) -> list[str]:
    return [str(g) for g in subset.part.groups[CLUSTER][subset.index]]


def _reworded(training: Subset, subset: Subset) -> Flags:
    sentence, abstract = overlap.reworded_flags(
        sentences_of(training), _groups(training), sentences_of(subset), _groups(subset)
    )
    return {"sentence_reworded": sentence, "abstract_reworded": abstract}


def _overlap(training: Subset, subset: Subset, written: Audit) -> Flags:
    theirs, ours = sentences_of(training), sentences_of(subset)
    groups = _groups(training), _groups(subset)
    score, place = overlap.nearest(theirs, ours)
    same = overlap.repeated(theirs, ours)
    return {
        "sentence_repeated": same,
        "sentence_near": same | (score >= written.near),
        "abstract_shared": overlap.shared_groups(*groups),
        "abstract_hidden": overlap.hidden_groups(score, place, *groups, near=written.near),
    }


def _labels(subset: Subset, data: TextData, written: Audit, seed: int) -> Flags:
    sentences = sentences_of(subset)
    probable = labels.held_out_probabilities(
        sentences, subset.label, _groups(subset), folds=written.folds, seed=seed
    )
    return {
        "heading_in_text": labels.headings(sentences, subset.label, data.classes),
        "label_suspect": labels.suspect_labels(subset.label, probable),
    }


def _examples(split: str, found: Share, subset: Subset, data: TextData) -> list[str]:
    """One sentence for the reader, with the first sample flagged as it stands in the data."""
    if not found.count:
        return []
    at = int(np.flatnonzero(subset.part.sample_id[subset.index] == found.samples[0])[0])
    return [
        f"{split}, {found.audit}: {found.count} of {found.interval.n}, such as {found.samples[0]} "
        f"({data.classes[int(subset.label[at])]}): {sentences_of(subset)[at][:160]}"
    ]
