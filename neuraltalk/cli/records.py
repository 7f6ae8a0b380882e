"""The options of a run as a record: the fields, their defaults and their types, a record for each model.

Options of the original driver keep its names and, for the captioner, its defaults. The aligner's defaults are the
settings found by search (docs/alignment-settings.md), for the paper doesn't publish its own. A checkpoint keeps the
fields as its `params`; only the aligner's name their model, since the original's files have no such entry.
What belongs to a model is said by it, too (CaptionerOptions, AlignerOptions); a test holds the two together.
"""

import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """What a captioner's run depends on. Sizes are counts, periods epochs, probabilities 0 to 1."""

    model: ClassVar[str] = "captioner"
    dataset: str = "scenes"
    fappend: str = "baseline"
    checkpoint_output_directory: str = "cv"
    worker_status_output_directory: str = "status"
    write_checkpoint_ppl_threshold: float = -1.0
    init_model_from: str = ""
    preset: str = ""
    generator: str = "lstm"
    image_encoding_size: int = 256
    word_encoding_size: int = 256
    hidden_size: int = 256
    tanhC_version: int = 0
    rnn_relu_encoders: int = 0
    rnn_feed_once: int = 0
    image_scale: float = 1.0
    regc: float = 1e-8
    max_epochs: float = 50.0
    solver: str = "rmsprop"
    momentum: float = 0.0
    decay_rate: float = 0.999
    smooth_eps: float = 1e-8
    learning_rate: float = 1e-3
    learning_rate_decay: str = "none"
    average_decay: float = 0.0
    batch_size: int = 100
    grad_clip: float = 5.0
    drop_prob_encoder: float = 0.5
    drop_prob_decoder: float = 0.5
    word_count_threshold: int = 5
    eval_period: float = 1.0
    eval_batch_size: int = 100
    eval_max_images: int = -1
    min_ppl_or_abort: float = -1.0
    seed: int = 0
    dtype: str = "float32"


@dataclasses.dataclass(frozen=True)
class AlignmentTrainingOptions:
    """What an aligner's run depends on."""

    model: str = "alignment"
    dataset: str = "scenes"
    fappend: str = "baseline"
    checkpoint_output_directory: str = "cv"
    worker_status_output_directory: str = "status"
    init_model_from: str = ""
    preset: str = ""
    embedding_size: int = 1000
    word_encoding_size: int = 300
    hidden_size: int = 300
    region_scaling: str = "centred"
    box_geometry: int = 1
    score: str = "max"
    length_normalisation: int = 0
    margin: float = 30.0
    word_vectors: str = "sentences"
    train_word_vectors: int = 1
    drop_prob_region: float = 0.3
    drop_prob_word: float = 0.0
    drop_prob_sentence: float = 0.2
    regc: float = 1e-8
    max_epochs: float = 8.0
    solver: str = "adam"
    momentum: float = 0.9
    decay_rate: float = 0.999
    smooth_eps: float = 1e-8
    learning_rate: float = 5e-3
    learning_rate_decay: str = "linear"
    average_decay: float = 0.0
    batch_size: int = 100
    grad_clip: float = 5.0
    word_count_threshold: int = 5
    eval_period: float = 1.0
    eval_max_images: int = -1
    seed: int = 0
    dtype: str = "float32"


RECORDS = {"captioner": TrainingOptions, "alignment": AlignmentTrainingOptions}


def field_names(record):
    """The names of a record's fields, in order."""
    return [field.name for field in dataclasses.fields(record)]
