"""What differs between training the two models; the loop of trainer.py is one for both.

    sums       what a batch adds to the figure that is followed in training: (sum, weight), added up over batches
    mean       the figure of such sums: perplexity, or cost per pair
    figure     what the validation split is scored by, under this name in checkpoints: perplexity (lower is better), or
               the mean of R@10 in both directions (higher is better)

An entry of the history has both figures under the names in `names`.
"""

import numpy as np

from neuraltalk.data.batches import make_alignment_batch, make_batch
from neuraltalk.data.samplers import ImageSampler, PairSampler
from neuraltalk.errors import UserError
from neuraltalk.models.aligner import AlignmentLoss
from neuraltalk.models.captioner import Loss
from neuraltalk.ranks import ALONE
from neuraltalk.train.perplexity import from_log_likelihood, perplexity
from neuraltalk.train.retrieval import pairs_by_image, retrieve


class CaptionTask:
    """Captioner: any image-sentence pairs, chosen by perplexity."""

    losses = Loss
    figure = "perplexity"
    followed = "perplexity"
    names = ("train_ppl2", "smooth_train_ppl2", "val_ppl2")
    check = "python driver.py --do_grad_check 1"

    def __init__(self, options, data):
        self.options, self.data = options, data

    def sampler(self, rng):
        """Draws the numbers of the pairs of a batch."""
        return PairSampler(len(self.data.train_pairs), self.options.batch_size, rng)

    def loss(self, model, pairs, rng, ranks=ALONE):
        """The loss of the model on a batch of pairs, or of the part of the batch that this one of the ranks has."""
        return model.loss(make_batch(self.data.features, pairs, ranks.rank, ranks.size), rng)

    def trained(self, model):
        """The parameters that the solver changes."""
        return model.params

    def sums(self, loss):
        return loss.log_likelihood, loss.words

    def mean(self, total, weight):
        return from_log_likelihood(total, weight)

    def validate(self, model, watch, ranks=ALONE):
        """The figure on the validation split, each of the ranks doing a part; watch(done, total) is called on the way."""
        pairs, batch_size = self.data.val_pairs, self.options.eval_batch_size
        found = perplexity(model, self.data.features, pairs, batch_size, lambda done: watch(done, len(pairs)), ranks)
        return found.perplexity

    def improves(self, value, best):
        """Whether a figure is to be saved as the best; best None: the first."""
        threshold = self.options.write_checkpoint_ppl_threshold
        return (best is None or value < best) and (threshold < 0 or value < threshold)

    def hopeless(self, value):
        """Why a figure ends the run, or None."""
        limit = self.options.min_ppl_or_abort
        return f"validation perplexity {value:.2f} is above --min_ppl_or_abort {limit:g}" if 0 < limit < value else None

    def progress_text(self, trained, value):
        return f"perplexity {trained:.2f}" + ("" if value is None else f" (validation {value:.2f})")

    @staticmethod
    def figure_text(value):
        return "perplexity unknown" if value is None else f"perplexity {value:.2f}"

    def evaluation_text(self, trained, value):
        return f"perplexity {value:.2f} on the validation split, {trained:.2f} in training"


class AlignmentTask:
    """Aligner: distinct images with a sentence each, chosen by retrieval."""

    losses = AlignmentLoss
    figure = "recall"
    followed = "ranking_cost"
    names = ("train_cost", "smooth_train_cost", "val_recall")
    check = "python driver.py --model alignment --do_grad_check 1"

    def __init__(self, options, data):
        self.options, self.data = options, data
        self.val = pairs_by_image(data.val_pairs)

    def sampler(self, rng):
        images = self.data.train_pairs.imgids
        if len(np.unique(images)) < 2:
            raise UserError(
                "the train split has only one image with sentences, and the alignment model learns from telling images "
                "apart; give it more"
            )
        return ImageSampler(images, self.options.batch_size, rng)

    def loss(self, model, pairs, rng, ranks=ALONE):
        return model.loss(make_alignment_batch(self.data.features, pairs, ranks.rank, ranks.size), rng, ranks)

    def trained(self, model):
        return model.trained()

    def sums(self, loss):
        return loss.loss_cost * loss.pairs, loss.pairs

    def mean(self, total, weight):
        return total / max(weight, 1)

    def validate(self, model, watch, ranks=ALONE):
        return retrieve(model, self.data.features, *self.val, watch=watch, ranks=ranks).mean_recall

    def improves(self, value, best):
        return best is None or value > best

    def hopeless(self, value):
        return None

    def progress_text(self, trained, value):
        return f"cost {trained:.2f}" + ("" if value is None else f" (validation R@10 {100 * value:.1f} %)")

    @staticmethod
    def figure_text(value):
        return "mean R@10 unknown" if value is None else f"mean R@10 {100 * value:.1f} %"

    def evaluation_text(self, trained, value):
        return f"{self.figure_text(value)} on the validation split, cost {trained:.2f} in training"


TASKS = {"captioner": CaptionTask, "alignment": AlignmentTask}
