"""`python driver.py`, `neuraltalk train`: from options to a trained model in cv/."""

import contextlib
import os
import pathlib
import sys

from neuraltalk.cli import console
from neuraltalk.cli.drawing import dataset_folder
from neuraltalk.cli.on_ranks import on_ranks
from neuraltalk.cli.options import build_parser, resolve
from neuraltalk.cli.places import DATA, check_output_folder
from neuraltalk.cli.watching import Watcher
from neuraltalk.data.collecting import without_garbage_collection
from neuraltalk.errors import UserError
from neuraltalk.files import lock_beside, locked
from neuraltalk.parallel import blas_threads
from neuraltalk.ranks import world
from neuraltalk.wording import plural


@on_ranks
@console.command
def main(argv=None):
    """Train. Returns 0, 1 when a gradient check failed, or 130 after an interruption."""
    given = vars(build_parser().parse_args(argv))
    if given.get("do_grad_check"):
        from neuraltalk.train import gradient_check

        return 0 if gradient_check.run(resolve(given), sys.stdout) else 1

    from neuraltalk.cli import models
    from neuraltalk.train import run_files
    from neuraltalk.train import trainer as training
    from neuraltalk.train.checkpoint import load_checkpoint
    from neuraltalk.train.restoring import initialise_from
    from neuraltalk.train.schedule import generators

    ranks = world()
    resumed = start = None
    if "resume" in given:
        folder = given.get("checkpoint_output_directory", "cv")
        resumed = load_checkpoint(given["resume"] or run_files.newest_last(folder))
    options = resolve(given, resumed.params if resumed else None)
    kind = models.KINDS[options.model]
    fresh = not (resumed or options.init_model_from)  # else a checkpoint brings all weights
    kind.check(options, fresh)
    if options.init_model_from and not resumed:
        start = load_checkpoint(options.init_model_from)
    if resumed and "checkpoint_output_directory" not in given:
        best_file = run_files.best_path_of_run(resumed.path, options)
    else:
        best_file = run_files.best_path(options.checkpoint_output_directory, options)
    for folder in (best_file.parent, options.worker_status_output_directory):
        check_output_folder(folder, "--checkpoint_output_directory or --worker_status_output_directory")

    watcher = Watcher(options, best_file) if ranks.rank == 0 else training.Watcher()
    with only_run(best_file, watcher.status.path) if ranks.rank == 0 else contextlib.nullcontext():
        with ranks.rank_0_first():  # it may draw or convert
            data = load_data(options, kind, given.get("extractor"))
        if resumed:
            check_same_data(resumed, data)
        model = kind.initialise(options, data, generators(options.seed)[0], fresh)
        if start:
            initialise_from(model, start, data.vocabulary)
        trainer = training.Trainer(model, options, data, best_file, watcher, ranks)
        if resumed:
            trainer.restore(resumed)
        describe(options, data, trainer, kind)
        if resumed:
            console.say(f"continuing {resumed.path} at epoch {trainer.epoch:.2f} of {options.max_epochs:g}")
            tell_of_threads(trainer)
        elif start:
            console.say(f"starting from the weights of {start.path} ({trainer.task.figure_text(start.figure)})")
        ending = run(trainer)
    return conclude(trainer, ending, kind)


@contextlib.contextmanager
def only_run(best_file, status_file):
    """In the block, no other process trains under these names."""
    remedy = "wait until it has ended, or give this run another name by --fappend"
    with locked(lock_beside(best_file), best_file, remedy), locked(lock_beside(status_file), status_file, remedy):
        yield


def run(trainer):
    """Train -> how it ended. Raises UserError, which says what is safe, if the checkpoints can't be written any more."""
    try:
        return trainer.run()
    except OSError as fault:
        if not console.is_fault_of_the_place(fault):
            raise
        if trainer.saved_epoch is None:
            hint = "nothing was trained yet; make room there, or name another --checkpoint_output_directory"
        else:
            hint = (
                f"the state of epoch {trainer.saved_epoch:.2f} is safe in {trainer.last_file}; make room, and continue "
                f"with --resume {_quoted(trainer.last_file)}"
            )
        raise UserError(f"{console.told(fault)}; {hint}") from None


@without_garbage_collection()
def tell_of_threads(trainer):
    """A resumed run equals an uninterrupted one to the bit only with as many ranks and BLAS threads."""
    before, now = trainer.threads_before, trainer.threads()
    if before and before != now and trainer.ranks.rank == 0:
        counts = "{0} ranks x {1} BLAS threads"
        console.say(
            f"threads     {counts.format(*now)}, before {counts.format(*before)}: the run goes on as it would have, but for rounding"
        )


def load_data(options, kind, source=None):
    """Data set, features and vocabulary, checked -> TrainingData. Draws absent `scenes`.

    Of the data set itself nothing is kept: COCO's is two million objects.

    source: the pretrained extractor that made the features, if the user says so.
    """
    from neuraltalk.data.dataset import load_dataset
    from neuraltalk.data.pairs import encode_pairs
    from neuraltalk.data.vocabulary import build_vocabulary
    from neuraltalk.train.trainer import TrainingData

    folder = dataset_folder(options.dataset)
    dataset = load_dataset(folder)
    features = kind.open_features(folder, dataset)
    if source:
        from neuraltalk.cli.feature_source import record_source

        record_source(source, folder, dataset, features, kind)
    images = {split: [image for image in dataset.split(split) if image.sentences] for split in ("train", "val")}
    if options.eval_max_images > 0:
        images["val"] = images["val"][: options.eval_max_images]
    for split, what in (("train", "to train on"), ("val", "to choose the best model by")):
        if not images[split]:
            raise UserError(
                f"{folder}/dataset.json: no image with sentences in its {split} split, so nothing {what}; mark some "
                f'with "split": "{split}"'
            )
    sentences = [sentence for image in images["train"] for sentence in image.sentences]
    vocabulary = build_vocabulary(sentences, options.word_count_threshold)
    pairs = {split: encode_pairs(images[split], vocabulary) for split in images}
    return TrainingData(features, vocabulary, pairs["train"], pairs["val"], load_extractor_state(folder, kind))


def load_extractor_state(folder, kind):
    """What made the features out of pictures, for the checkpoint; None if the data set doesn't say."""
    path = next((folder / name for name in kind.extractor_files if (folder / name).exists()), None)
    if path is None:
        return None
    from neuraltalk.vision.extractors import load_extractor

    try:
        return load_extractor(path).state()
    except UserError as fault:
        hint = f"; remove {folder} and it is drawn anew" if folder == DATA / "scenes" else ""
        raise UserError(f"{fault}{hint}") from None


def check_same_data(resumed, data):
    """A resumed run has to see what it saw before: words, and the extractor of its features."""
    if resumed.vocabulary.words != data.vocabulary.words:
        raise UserError(
            f"{resumed.path}: the data set has other words now ({len(data.vocabulary)}, the run has "
            f"{len(resumed.vocabulary)}), so it has changed; restore it, or start a new run"
        )
    before, now = ((extractor or {}).get("fingerprint") for extractor in (resumed.extractor, data.extractor))
    if before != now:
        raise UserError(
            f"{resumed.path}: the data set's features come from another extractor now; restore the data set, or "
            "start a new run"
        )
    if resumed.image_dimension != data.features.dimension:
        raise UserError(
            f"{resumed.path}: was trained on {resumed.image_dimension}-number features; {data.features.path} has "
            f"{data.features.dimension}"
        )


def describe(options, data, trainer, kind):
    """Say what is trained, on what, and how."""
    parameters = sum(array.size for array in trainer.model.params.values())
    schedule, epochs = trainer.schedule, "epoch" if trainer.options.max_epochs == 1 else "epochs"
    rate = f"{options.learning_rate:g}" + (
        "" if options.learning_rate_decay == "none" else f" falling to 0 ({options.learning_rate_decay})"
    )
    preset = f", preset {options.preset}" if options.preset else ""
    describe_data(options, data)
    console.say(f"features    {data.features.path}: {plural(data.features.dimension, 'number')} {kind.features_of}")
    console.say(
        f"vocabulary  {plural(len(data.vocabulary), 'entry', 'entries')}, END included (words seen "
        f"{plural(options.word_count_threshold, 'time')} or more); {100 * data.train_pairs.skipped:.2f} % of the training words are skipped"
    )
    console.say(
        f"model       {kind.describe(options)}: {parameters:,} parameters in {options.dtype}"
    )
    console.say(
        f"training    {options.max_epochs:g} {epochs} of {plural(schedule.per_epoch, 'batch', 'batches')} of "
        f"{trainer.sampler.batch_size}, {options.solver}, rate {rate}{preset}"
    )
    if trainer.ranks.size > 1:
        console.say(
            f"ranks       {trainer.ranks.size}, each with a part of every batch; BLAS threads of the first: {blas_threads()}"
        )


def describe_data(options, data):
    """Say how much there is to train on."""
    console.say(
        f"data        {options.dataset}: {plural(data.train_pairs.images, 'image')} with {plural(len(data.train_pairs), 'sentence')} "
        f"to train on, {data.val_pairs.images:,} with {len(data.val_pairs):,} to validate"
    )


def conclude(trainer, ending, kind):
    """Say what came out and what to do next; the exit code."""
    options, best = trainer.options, trainer.best
    scripts = pathlib.Path(sys.argv[0]).name == "driver.py"
    if ending == "interrupted":
        train = "python driver.py" if scripts else "neuraltalk train"
        if trainer.ranks.size > 1:
            train = f"mpiexec -n {trainer.ranks.size} {train}"
        print(f"interrupted at epoch {trainer.epoch:.2f} of {options.max_epochs:g}; everything is saved. To continue:")
        print(f"    {train} --resume {_quoted(trainer.last_file)}")
        return console.INTERRUPTED
    if best is None:
        print(
            f"no evaluation was below --write_checkpoint_ppl_threshold {options.write_checkpoint_ppl_threshold:g}; "
            f"the last state is {trainer.last_file} (validation {trainer.task.figure_text(trainer.val_figure)})"
        )
        return 0
    print(
        f"best validation {trainer.task.figure_text(best)}, with {len(trainer.data.vocabulary)} vocabulary entries: "
        f"{trainer.best_file}"
    )
    print(f"next, {kind.next_step}:")
    for script, command, argument in kind.next_commands:
        print(f"    {script if scripts and script else command} {_quoted(trainer.best_file)}{argument}")
    return 0


def _quoted(path):
    """A path as a shell takes it, on Windows too."""
    return f'"{path}"' if " " in os.fspath(path) else os.fspath(path)
