"""The parameters of the synthesis experiment, as written in protocols."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medpipe.pipeline.config import Fraction, Positive, Section, Seed, Source

Rate = Annotated[float, Field(gt=0)]


class Data(Section):
    """``source``: a data set, ``folder:<path>`` of one's own, or several of which the first that
    exists is taken; ``part``: the folder that the generator learns from.

    ``first``: of this folder only so many images, in the order of their paths, as published: class
    after class. ``held_out``: the share of clusters of copies (of patients, where they are known)
    that the generator never sees; 0 holds out nothing, and whatever else the data set has serves as
    unseen. ``train_sample``: how many of the others are seen, as many of each class, drawn with
    ``sample_seed``.
    """

    source: Source
    part: Annotated[str, Field(min_length=1)]
    first: Positive | None = None
    held_out: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    train_sample: Positive | None = None
    sample_seed: Seed = 0


class Model(Section):
    """``width``: 64 as published. ``upsampling``: ``nearest`` as coded or ``transposed`` as
    described. ``activation``, ``dropout`` and ``spectral`` belong to the discriminator, ``output``
    to the generator, the others to both; see `medpipe.pipeline.models.dcgan`.
    """

    width: Positive
    upsampling: Literal["nearest", "transposed"]
    normalisation: Literal["batch", "none"]
    output: Literal["tanh", "none"]
    activation: Literal["leaky", "sigmoid"]
    dropout: Fraction
    spectral: bool
    initialisation: Literal["normal", "torch"]


class Adversarial(Section):
    """``loss``: ``non_saturating`` as published, or ``saturating``, the minimax game as first
    written (Goodfellow et al. 2014).

    ``real_target`` and ``fake_target``: what the discriminator is told, 1 and 0 or smoothed.
    ``input_noise``: the standard deviation of noise added to every image that the discriminator
    sees in training; with ``noise_decay`` it falls to 0 in a straight line. ``schedule``:
    ``reduce-on-plateau`` multiplies a learning rate by 0.1 after 5 epochs in which that network's
    loss did not fall. ``generator_steps`` for each of the discriminator. ``ema``: the decay of a
    moving average of the generator, which then makes the images; null leaves it out.
    """

    loss: Literal["non_saturating", "saturating"]
    real_target: Annotated[float, Field(gt=0.5, le=1)]
    fake_target: Annotated[float, Field(ge=0, lt=0.5)]
    input_noise: Annotated[float, Field(ge=0)]
    noise_decay: bool = False
    generator_rate: Rate
    discriminator_rate: Rate
    beta1: Fraction
    beta2: Fraction
    schedule: Literal["constant", "reduce-on-plateau"]
    batch_size: Annotated[int, Field(ge=2)]
    epochs: Positive
    generator_steps: Positive = 1
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["fp32", "bf16"]


class Audit(Section):
    """The audit network: a ResNet-18 trained for ``epochs`` on real images, at most ``images`` of
    them where that is given.
    """

    epochs: Positive
    images: Annotated[int, Field(ge=20)] | None = None


class Observe(Section):
    """``generated``: how many images are made and examined; ``real``: at most how many seen and how
    many unseen images beside them.

    ``pictures``: images for the reader. ``usefulness``: networks trained on generated images and on
    ``useful_images`` real ones for ``useful_epochs``, tested on real images that neither the
    generator nor the audit network was trained on.
    """

    generated: Annotated[int, Field(ge=20)] = 1000
    real: Annotated[int, Field(ge=4)] = 1000
    pictures: bool = True
    usefulness: bool = False
    useful_images: Annotated[int, Field(ge=20)] = 1000
    useful_epochs: Positive = 3


class ImageSynthesis(Section):
    """The parameters of the experiment."""

    data: Data
    model: Model
    training: Adversarial
    audit: Audit
    observe: Observe = Observe()
