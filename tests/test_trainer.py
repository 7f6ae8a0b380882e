"""The training loop: what it computes, that it resumes to the bit from any instant, and when it stops by itself."""

import dataclasses
import math
import signal

import numpy as np
import pytest

from neuraltalk.cli.records import TrainingOptions
from neuraltalk.data.batches import make_batch
from neuraltalk.data.pairs import Pairs
from neuraltalk.data.vocabulary import Vocabulary
from neuraltalk.errors import UserError
from neuraltalk.models.aligner import AlignmentLoss
from neuraltalk.models.captioner import Captioner, CaptionerOptions, Loss
from neuraltalk.train import trainer as training
from neuraltalk.train.checkpoint import load_checkpoint
from neuraltalk.train.perplexity import from_log_likelihood, perplexity
from neuraltalk.train.restoring import initialise_from
from neuraltalk.train.schedule import Schedule, generators, learning_rate_at
from neuraltalk.train.tally import Tally
from neuraltalk.train.tasks import AlignmentTask, CaptionTask
from neuraltalk.train.trainer import Trainer, TrainingData, Watcher

WORDS = Vocabulary(["a", "b", "c", "d", "e"], np.log([1, 0.9, 0.8, 0.7, 0.6, 0.5]))
SMALL = {"image_encoding_size": 4, "word_encoding_size": 4, "hidden_size": 4, "batch_size": 8, "max_epochs": 3.0}


class Rows:
    """Features in memory."""

    def __init__(self, array):
        self.array, self.dimension = array, array.shape[1]

    def rows(self, indices):
        return np.ascontiguousarray(self.array[indices])


def make_data(images=12):
    rng = np.random.default_rng(5)
    pairs = [(k % images, rng.integers(1, 6, rng.integers(0, 6)).tolist()) for k in range(3 * images)]
    features = Rows(rng.random((images, 7), dtype=np.float32))
    return TrainingData(features, WORDS, Pairs.of(pairs[: 2 * images]), Pairs.of(pairs[2 * images :]), None)


def make_trainer(folder, watcher=None, data=None, kind=Captioner, **changes):
    options = TrainingOptions(**{**SMALL, **changes})
    data = data or make_data()
    captioner = kind.initialise(
        CaptionerOptions.of(options), 7, WORDS.log_frequencies, generators(options.seed)[0], options.dtype
    )
    return Trainer(captioner, options, data, folder / "run.p", watcher)


class Interrupting(Watcher):
    """Sends Ctrl-C, or another signal, after some iterations or in the middle of an evaluation."""

    def __init__(self, after, in_evaluation=False, number=signal.SIGINT):
        self.left, self.in_evaluation, self.number = after, in_evaluation, number

    def stepped(self, trainer, step):
        if not self.in_evaluation:
            self._count()

    def evaluating(self, trainer, done, total):
        if self.in_evaluation:
            self._count()

    def _count(self):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(self.number)


def test_it_learns_and_keeps_a_history(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=20.0, drop_prob_encoder=0.0, drop_prob_decoder=0.0, learning_rate=0.01)
    assert trainer.run() == "finished"
    assert trainer.schedule == Schedule(per_epoch=3, per_evaluation=3, all=60)
    assert [entry["it"] for entry in trainer.history] == list(range(3, 61, 3))
    assert [entry["epoch"] for entry in trainer.history] == list(range(1, 21))
    assert trainer.history[-1]["train_ppl2"] < 0.8 * trainer.history[0]["train_ppl2"]
    best = load_checkpoint(tmp_path / "run.p")
    last = load_checkpoint(tmp_path / "run.last.p")
    assert best.perplexity == min(entry["val_ppl2"] for entry in trainer.history) == trainer.best
    assert best.training is None
    assert last.it == 60
    assert last.history == trainer.history
    again = perplexity(best.captioner(), trainer.data.features, trainer.data.val_pairs, 5)
    assert again.perplexity == pytest.approx(best.perplexity, rel=1e-5)


def test_perplexity_is_that_of_the_sentences_one_by_one():
    data = make_data()
    captioner = Captioner.initialise(
        CaptionerOptions(image_encoding_size=4, word_encoding_size=4, hidden_size=4),
        7,
        WORDS.log_frequencies,
        np.random.default_rng(0),
        np.float64,
    )
    bits, words = 0.0, 0
    for k, (_, sentence) in enumerate(data.val_pairs):
        log_likelihood, count = captioner.log_likelihood(make_batch(data.features, data.val_pairs[k : k + 1]))
        assert count == len(sentence) + 1
        bits, words = bits - log_likelihood / math.log(2), words + count
    seen = []
    result = perplexity(captioner, data.features, data.val_pairs, 5, seen.append)
    assert result.perplexity == pytest.approx(2 ** (bits / words), rel=1e-12)
    assert result.words == words
    assert seen == [0, 5, 10]
    assert from_log_likelihood(-1e6, 10) == math.inf
    assert math.isnan(from_log_likelihood(math.nan, 10))


EVERYTHING = {
    "solver": "adam",
    "average_decay": 0.9,
    "learning_rate_decay": "cosine",
    "eval_period": 0.7,
    "learning_rate": 0.01,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"solver": "vanilla", "momentum": 0.9},
        {"solver": "adagrad"},
        {"solver": "adadelta", "learning_rate_decay": "linear"},
        {"generator": "rnn", "dtype": "float64"},
        EVERYTHING,
    ],
)
@pytest.mark.parametrize("in_evaluation", [False, True])
def test_resumed_to_the_bit(tmp_path, changes, in_evaluation):
    changes = {"max_epochs": 4.0, **changes}
    straight = tmp_path / "straight"
    make_trainer(straight, **changes).run()
    broken = tmp_path / "broken"
    trainer, endings = make_trainer(broken, Interrupting(2, in_evaluation), **changes), []
    while len(endings) < 50:
        endings.append(trainer.run())
        if endings[-1] == "finished":
            break
        watcher = Interrupting(4 if in_evaluation else 1 + len(endings) % 3, in_evaluation)
        trainer = make_trainer(broken, watcher, **changes)
        trainer.restore(load_checkpoint(broken / "run.last.p"))
    assert endings[-1] == "finished"
    assert len(endings) >= (2 if in_evaluation else 4)
    for name in ("run.p", "run.last.p"):
        assert (straight / name).read_bytes() == (broken / name).read_bytes()


class Killed(BaseException):
    """Stands for SIGKILL: nobody expects it."""


class Killing(Watcher):
    def __init__(self, moment, after):
        self.moment, self.left = moment, after

    def stepped(self, trainer, step):
        self._die("step")

    def evaluating(self, trainer, done, total):
        self._die("evaluation")

    def _die(self, moment):
        self.left -= moment == self.moment
        if self.left < 0:
            raise Killed


@pytest.mark.parametrize("moment", ["step", "evaluation", "best", "last"])
@pytest.mark.parametrize("after", [0, 2, 3])
def test_killed_and_resumed_to_the_bit(tmp_path, monkeypatch, moment, after):
    make_trainer(tmp_path / "straight", **EVERYTHING).run()
    folder, counts = tmp_path / "killed", {"best": 0, "last": 0}  # the first last one is written at the start
    write = training.checkpoints.save_checkpoint

    def dying_write(path, content):
        kind = "last" if path.name.endswith(".last.p") else "best"
        counts[kind] += 1
        if kind == moment and counts[kind] == after + 2:
            raise Killed
        write(path, content)

    monkeypatch.setattr(training.checkpoints, "save_checkpoint", dying_write)
    killed = False
    try:
        make_trainer(folder, Killing(moment, after), **EVERYTHING).run()
    except Killed:
        killed = True
    assert killed or moment == "best"  # there may be fewer improvements than that
    if killed:
        resumed = make_trainer(folder, **EVERYTHING)
        resumed.restore(load_checkpoint(folder / "run.last.p"))
        resumed.run()
    for name in ("run.p", "run.last.p"):
        assert (tmp_path / "straight" / name).read_bytes() == (folder / name).read_bytes()


def test_killed_before_the_first_step_and_resumed_keeps_the_older_run(tmp_path):
    make_trainer(tmp_path, max_epochs=1.0, seed=7).run()
    before = load_bytes(tmp_path / "run.last.p")
    with pytest.raises(Killed):
        make_trainer(tmp_path, Killing("step", 0), max_epochs=1.0, eval_period=10.0).run()
    resumed = make_trainer(tmp_path)
    resumed.restore(load_checkpoint(tmp_path / "run.last.p"))
    assert resumed.it == 0
    resumed.run()
    assert load_bytes(tmp_path / "run.last.previous.p") == before


@pytest.mark.parametrize("written", [False, True])
def test_killed_between_the_last_and_the_first_best_checkpoint(tmp_path, monkeypatch, written):
    """Who resumes writes the best one; and the file of an older run is kept, not replaced by our own."""
    make_trainer(tmp_path, max_epochs=1.0, seed=7).run()
    before = load_bytes(tmp_path / "run.p")
    make_trainer(tmp_path / "straight").run()
    write = Trainer._save_best

    def dying_write(trainer, first):
        if written:
            write(trainer, first)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_best", dying_write)
        with pytest.raises(Killed):
            make_trainer(tmp_path).run()
    for max_epochs in (1.0, 3.0):
        resumed = make_trainer(tmp_path, max_epochs=max_epochs)
        resumed.restore(load_checkpoint(tmp_path / "run.last.p"))
        resumed.run()
        assert load_bytes(tmp_path / "run.previous.p") == before
        assert load_checkpoint(tmp_path / "run.p").history
    for name in ("run.p", "run.last.p"):
        assert load_bytes(tmp_path / name) == load_bytes(tmp_path / "straight" / name)


def test_same_seed_same_bytes_other_seed_other_weights(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_trainer(tmp_path / name, seed=seed, max_epochs=1.0).run()
    a, b, c = ((tmp_path / name / "run.p").read_bytes() for name in "abc")
    assert a == b != c


def test_longer_run_goes_on_from_a_finished_one(tmp_path):
    make_trainer(tmp_path, max_epochs=2.0).run()
    longer = make_trainer(tmp_path, max_epochs=4.0)
    longer.restore(load_checkpoint(tmp_path / "run.last.p"))
    assert longer.run() == "finished"
    make_trainer(tmp_path / "straight", max_epochs=4.0).run()
    a, b = load_checkpoint(tmp_path / "run.last.p"), load_checkpoint(tmp_path / "straight" / "run.last.p")
    assert a.history == b.history
    for name in a.model:
        np.testing.assert_array_equal(a.model[name], b.model[name])


def test_learning_rates():
    options = TrainingOptions(learning_rate=0.5)
    assert [learning_rate_at(it, 10, options) for it in (0, 9)] == [0.5, 0.5]
    options = dataclasses.replace(options, learning_rate_decay="linear")
    assert [learning_rate_at(it, 10, options) for it in (0, 5, 10, 15)] == [0.5, 0.25, 0, 0]
    options = dataclasses.replace(options, learning_rate_decay="cosine")
    assert [learning_rate_at(it, 10, options) for it in (0, 5, 10, 15)] == pytest.approx([0.5, 0.25, 0, 0])


def test_rates_of_a_run_and_what_is_tallied_between_evaluations(tmp_path):
    class Looking(Watcher):
        rates, words = [], []

        def stepped(self, trainer, step):
            self.rates.append(step.learning_rate)
            self.words.append(trainer.tally.weight)

    watcher = Looking()
    trainer = make_trainer(tmp_path, watcher, max_epochs=2.0, learning_rate=0.6, learning_rate_decay="linear")
    trainer.run()
    assert watcher.rates == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert [entry["learning_rate"] for entry in trainer.history] == pytest.approx([0.3, 0])
    first, second = watcher.words[:3], watcher.words[3:]
    assert first == sorted(first) and second == sorted(second) and second[0] < first[2]  # counted anew


def test_a_run_ends_with_an_evaluation(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=7 / 3)
    trainer.run()
    assert [entry["it"] for entry in trainer.history] == [3, 6, 7]


def test_a_tally_weighs_batches_by_their_words():
    tally = Tally(CaptionTask(None, None))
    figures = [tally.add(Loss(0, 0, 0, {}, *sums)) for sums in ((-10.0, 5), (-30.0, 10))]
    assert figures == pytest.approx([math.exp(2), math.exp(3)]) and tally.figure == pytest.approx(math.exp(40 / 15))
    assert tally.smooth == pytest.approx(0.99 * math.exp(2) + 0.01 * math.exp(3))
    sums = [AlignmentTask.sums(None, AlignmentLoss(9, cost, 0, {}, 0, pairs)) for cost, pairs in ((2.0, 3), (4.0, 1))]
    assert sums == [(6.0, 3), (4.0, 1)] and AlignmentTask.mean(None, 10.0, 4) == 2.5


def test_a_seed_gives_three_streams_that_differ():
    drawn = [[rng.integers(2**60) for rng in generators(seed)] for seed in (7, 7, 8)]
    assert drawn[0] == drawn[1] and len({*drawn[0], *drawn[2]}) == 6


def test_only_what_is_better_replaces_the_best():
    options = TrainingOptions(write_checkpoint_ppl_threshold=5.5)
    assert [CaptionTask(options, None).improves(*pair) for pair in ((5.0, None), (4.9, 5.0), (5.0, 5.0), (5.6, None))] == [1, 1, 0, 0]
    assert [AlignmentTask.improves(None, *pair) for pair in ((0.0, None), (0.6, 0.5), (0.5, 0.5))] == [1, 1, 0]


def test_averaged_weights_are_evaluated_and_saved(tmp_path):
    trainer = make_trainer(tmp_path, average_decay=0.5, max_epochs=1.0)
    expected = {name: array.astype(np.float64) for name, array in trainer.model.params.items()}

    class Averaging(Watcher):
        def stepped(self, trainer, step):
            decay = min(0.5, (1 + trainer.it) / (10 + trainer.it))
            for name, array in trainer.model.params.items():
                expected[name] = decay * expected[name] + (1 - decay) * array

    trainer.watcher = Averaging()
    trainer.run()
    last = load_checkpoint(tmp_path / "run.last.p")
    for name, array in expected.items():
        np.testing.assert_allclose(last.model[name], array, atol=1e-6)
        np.testing.assert_array_equal(last.training["weights"][name], trainer.model.params[name])
    assert not np.array_equal(last.model["Wd"], trainer.model.params["Wd"])
    found = perplexity(last.captioner(), trainer.data.features, trainer.data.val_pairs)
    assert last.perplexity == pytest.approx(found.perplexity, rel=1e-6)
    assert last.perplexity != perplexity(trainer.model, trainer.data.features, trainer.data.val_pairs).perplexity


class Scripted:
    """A captioner whose costs are written down beforehand."""

    def __init__(self, options, params):
        self.options, self.params = options, params

    @classmethod
    def initialise(cls, options, *rest):
        return cls(options, {name: np.zeros((2, 2), np.float32) for name in ("We", "Ws", "Wd")})

    costs = iter(())

    def loss(self, batch, rng=None):
        cost = next(Scripted.costs)
        return Loss(cost, cost, 0.0, {name: array.copy() for name, array in self.params.items()}, -10.0, 10)

    def log_likelihood(self, batch):
        return -10.0, 10


def scripted_run(folder, costs, **changes):
    Scripted.costs = iter(costs)
    trainer = make_trainer(folder, kind=Scripted, **{"max_epochs": len(costs) / 3, "eval_period": 1000.0, **changes})
    return trainer, trainer.run


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_cost_that_is_no_number_stops(tmp_path, bad):
    _, run = scripted_run(tmp_path, [3.0, 3.0, bad, 3.0])
    with pytest.raises(
        UserError,
        match=rf"stopped at iteration 2, .*the cost became {bad}; nothing was worth saving. Try a lower "
        r"--learning_rate \(it is 0.001\)",
    ):
        run()
    assert load_bytes(tmp_path / "run.last.p")


class Spoiling(Watcher):
    """Makes a weight infinite after the second iteration."""

    def starting(self, trainer):
        self.saved = load_bytes(trainer.last_file)

    def stepped(self, trainer, step):
        if trainer.it == 2:
            trainer.model.params["Ws"][0, 0] = np.inf


@pytest.mark.parametrize("validation, reason", [(2.0, "weights of Ws are not finite"), (math.nan, "validation perplexity is not a num")])
def test_weights_and_figures_that_are_no_numbers_are_never_saved(tmp_path, monkeypatch, validation, reason):
    monkeypatch.setattr(CaptionTask, "validate", lambda *arguments: validation)
    trainer, run = scripted_run(tmp_path, [3.0] * 3)
    trainer.watcher = Spoiling()
    with pytest.raises(UserError, match=f"stopped at iteration 3, epoch 1.00: .*{reason}.*; nothing was worth saving"):
        run()
    assert load_bytes(tmp_path / "run.last.p") == trainer.watcher.saved and not (tmp_path / "run.p").exists()


def load_bytes(path):
    return path.read_bytes()


def test_a_sustained_explosion_stops(tmp_path):
    _, run = scripted_run(tmp_path, [10.0] * 300 + [1e4] * 300)
    with pytest.raises(
        UserError, match=r"stopped at iteration 3[0-9][0-9], .*the cost explodes \(smoothed .*; it began at 10"
    ) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_an_explosion_after_progress_is_seen_too(tmp_path):
    _, run = scripted_run(tmp_path, [10.0] + [1.0] * 600 + [18.0] * 300)
    with pytest.raises(UserError, match="had come down to 1"):
        run()


def test_one_bad_batch_does_not_stop(tmp_path):
    _, run = scripted_run(tmp_path, [10.0] * 50 + [1e30] + [10.0] * 50 + [200.0] * 2 + [10.0] * 50)
    assert run() == "finished"


def test_min_ppl_or_abort(tmp_path):
    with pytest.raises(UserError, match=r"epoch 1.00: validation perplexity .* is above --min_ppl_or_abort 1.5"):
        make_trainer(tmp_path, min_ppl_or_abort=1.5).run()
    assert load_checkpoint(tmp_path / "run.last.p").it == 3


def test_write_threshold(tmp_path):
    trainer = make_trainer(tmp_path, write_checkpoint_ppl_threshold=1.0)
    assert trainer.run() == "finished"
    assert trainer.best is None
    assert not (tmp_path / "run.p").exists()
    assert (tmp_path / "run.last.p").exists()


def test_a_new_run_keeps_the_files_of_the_one_before(tmp_path):
    make_trainer(tmp_path, max_epochs=1.0).run()
    before = load_bytes(tmp_path / "run.p"), load_bytes(tmp_path / "run.last.p")
    make_trainer(tmp_path, max_epochs=1.0, seed=9).run()
    assert before == (load_bytes(tmp_path / "run.previous.p"), load_bytes(tmp_path / "run.last.previous.p"))
    assert load_bytes(tmp_path / "run.p") != before[0]


def test_saved_at_the_start_and_by_the_clock(tmp_path, monkeypatch):
    class Looking(Watcher):
        its = ()

        def starting(self, trainer):
            self.its = [load_checkpoint(trainer.last_file).it]

        def stepped(self, trainer, step):
            self.its.append(load_checkpoint(trainer.last_file).it)

    monkeypatch.setattr(training, "SAVE_PERIOD", -1.0)
    watcher = Looking()
    make_trainer(tmp_path, watcher, max_epochs=1.0, eval_period=10.0).run()
    assert watcher.its == [0, 0, 1, 2]


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        assert make_trainer(tmp_path, Interrupting(1, number=number)).run() == "interrupted"
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))

    class Impatient(Watcher):
        def stepped(self, trainer, step):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, Impatient()).run()


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda state: state.pop("random"), "random"),
        (lambda state: state["solver"].update(solver="adam"), "--solver 'adam'"),
        (lambda state: state["solver"]["memory"].update({"squares/Wd": np.zeros((1, 1), np.float32)}), "squares/Wd"),
        (lambda state: state["solver"]["memory"].update({"squares/Wd": np.full((4, 6), np.nan, np.float32)}), "squares/Wd"),
        (lambda state: state["solver"]["memory"].update({"squares/Wd": np.zeros((4, 6), np.float64)}), "squares/Wd"),
        (lambda state: state["sampler"].update(pairs_count=7), "7 pairs"),
        (lambda state: state["sampler"].update(position=10**6), "sampler"),
        (lambda state: state["sampler"].update(position=0.5), "sampler"),
        (lambda state: state.update(random={"bit_generator": "MT19937"}), "resumed"),
        (lambda state: state.update(cost=[1]), "resumed"),
        (lambda state: state.update(best_perplexity="x"), "number"),
        (lambda state: state.update(weights={}), "array"),
        (lambda state: state.update(weights=3), "resumed"),
    ],
)
def test_a_state_that_does_not_fit(tmp_path, damage, said):
    make_trainer(tmp_path, max_epochs=1.0).run()
    checkpoint = load_checkpoint(tmp_path / "run.last.p")
    damage(checkpoint.training)
    with pytest.raises(UserError, match="can't be resumed") as caught:
        make_trainer(tmp_path).restore(checkpoint)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_history_with_gaps(tmp_path):
    make_trainer(tmp_path, max_epochs=2.0).run()
    checkpoint = load_checkpoint(tmp_path / "run.last.p")
    checkpoint.history.insert(0, {"it": 1})
    with pytest.raises(UserError, match="can't be resumed"):
        make_trainer(tmp_path).restore(checkpoint)


def test_the_best_checkpoint_has_no_state(tmp_path):
    make_trainer(tmp_path, max_epochs=1.0).run()
    with pytest.raises(UserError, match="holds the best weights only; name the run's .last.p"):
        make_trainer(tmp_path).restore(load_checkpoint(tmp_path / "run.p"))


def test_weights_of_another_model(tmp_path):
    make_trainer(tmp_path, max_epochs=1.0).run()
    start = load_checkpoint(tmp_path / "run.p")
    fresh = make_trainer(tmp_path / "new", seed=3, dtype="float64").model
    initialise_from(fresh, start, WORDS)
    for name in fresh.params:
        np.testing.assert_array_equal(fresh.params[name], start.model[name])
        assert fresh.params[name].dtype == np.float64
    with pytest.raises(UserError, match="its vocabulary of 6 words is not this data set's of 5"):
        initialise_from(fresh, start, Vocabulary(["a", "b", "c", "d"]))
    with pytest.raises(UserError, match="is not this data set's"):
        initialise_from(fresh, start, Vocabulary(["a", "b", "c", "d", "f"]))
    with pytest.raises(UserError, match="is of --generator lstm, and this run of --generator rnn"):
        initialise_from(make_trainer(tmp_path, generator="rnn").model, start, WORDS)
    with pytest.raises(UserError, match=r"array WLSTM is \(9, 16\), expected shape \(10, 20\)"):
        initialise_from(make_trainer(tmp_path, hidden_size=5).model, start, WORDS)
