"""The parameters of imaging experiments, as written in protocols."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medpipe.pipeline.config import Fraction, Section, Seed, Source, Training

Share = Annotated[float, Field(gt=0, lt=1)]


class Data(Section):
    """``source``: a data set, ``folder:<path>`` of one's own, or several of which the first that
    exists is taken; ``part``: the folder to split, the others are observed whole.

    ``split``: ``random-by-image`` as published; ``by-patient`` with whole patients on either side;
    ``disjoint`` holds out whole ``groups`` and reports on half of their images; ``related`` reports
    on the same half after training on the other half, with as many images of every class: the
    control that differs in nothing but relatives. ``groups``: ``clusters`` of copies,
    ``patient_id``, or ``table:<file>.csv:<column>`` beside the data; ``clusters_for`` names classes
    without patients, whose groups are clusters of copies whatever the table says.
    ``train_fraction``: the share of every class's training images that is used.
    """

    source: Source
    part: Annotated[str, Field(min_length=1)]
    split: Literal["random-by-image", "by-patient", "disjoint", "related"]
    validation_fraction: Share
    split_seed: Seed
    groups: (
        Annotated[str, Field(pattern=r"^(clusters|patient_id|table:[^:]+\.csv:[^:]+)$")] | None
    ) = None
    clusters_for: list[str] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0


class Network(Section):
    """``weights``: from ImageNet, or new; ``head_dropout``: before the linear head, 0 for none."""

    kind: Literal["resnet18", "resnet50"]
    weights: Literal["imagenet", "none"]
    head_dropout: Fraction


class ImageTraining(Training):
    """``resolution`` in pixels (a ResNet needs more than 32); ``flip`` a probability, ``rotation``
    in degrees, the others factors.

    ``compile``: train the network as torch.compile builds it, which rounds otherwise in the last
    digits.
    """

    resolution: Annotated[int, Field(ge=33, le=1024)]
    flip: Annotated[float, Field(ge=0, le=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    brightness: Annotated[float, Field(ge=0)]
    contrast: Annotated[float, Field(ge=0)]
    normalisation: Literal["imagenet"]
    schedule: Literal["constant", "reduce-on-plateau"]
    compile: bool = False


class Corruptions(Section):
    """Levels of what is done to images before they are read again; null leaves one out. Units as in
    `corruption`.
    """

    noise: Annotated[float, Field(gt=0, le=1)] | None = None
    bias_field: Annotated[float, Field(gt=0, lt=1)] | None = None
    blur: Annotated[float, Field(gt=0, le=0.2)] | None = None
    contrast: Annotated[float, Field(gt=0, lt=1)] | None = None
    jpeg: Annotated[int, Field(ge=1, le=95)] | None = None


class Observe(Section):
    """What is looked at beside the evaluation splits, of weights that are as they are.

    ``training``: the training images as evaluation sees them. ``calibration``: temperature scaling
    fitted on half of the other folder, reported on its other half. ``corruptions``: the other
    folder again, spoilt. ``explained``: of how many images of the other folder, drawn by lot,
    Grad-CAM is made and tested. ``gallery``: ten of its images drawn by lot and the surest errors,
    as pictures.
    """

    training: bool = False
    calibration: bool = False
    corruptions: Corruptions = Corruptions()
    explained: Annotated[int, Field(ge=0)] = 0
    gallery: bool = False


class MriClassification(Section):
    """The parameters of the experiment."""

    data: Data
    model: Network
    training: ImageTraining
    observe: Observe = Observe()
