"""What a run shows of itself while it trains: its progress on the terminal, and its status file."""

import contextlib
import threading

from neuraltalk.cli import console


class Watcher:
    """Shows the progress of a run and keeps its status file."""

    def __init__(self, options, best_file):
        from neuraltalk.train.status import StatusFile
        from neuraltalk.train.tasks import TASKS

        self.options, self.progress, self.timer = options, None, None
        self.status = StatusFile(
            options.worker_status_output_directory,
            best_file.name.removesuffix(".p"),
            vars(options),
            TASKS[options.model].names,
        )
        self.last_step = None
        self.told = False  # that the status file can't be written

    def starting(self, trainer):
        self.progress = self.make_progress(trainer)
        # Kernels are compiled in the first iteration unless they were before. It takes seconds: say so if it does.
        self.timer = threading.Timer(1.0, self.progress.say, ["compiling kernels, once ..."])
        self.timer.daemon = True
        self.timer.start()
        if trainer.best is not None:
            self.status.content["checkpoint"] = str(trainer.best_file)
        if trainer.it > 0:
            self._resume_status(trainer)

    def make_progress(self, trainer):
        return console.Progress(trainer.schedule.all, "training: batch", "sentence", started=trainer.it)

    def stepped(self, trainer, step):
        if self.last_step is None:
            self.timer.cancel()
        first, self.last_step = self.last_step is None, step
        self.progress.update(
            trainer.it,
            f"epoch {trainer.epoch:.2f}, {trainer.task.progress_text(trainer.tally.figure, trainer.val_figure)}",
            amount=trainer.sentences,
        )
        if first or self.status.due():
            self._add_status(trainer)

    def evaluating(self, trainer, done, total):
        self.progress.update(
            trainer.it, f"epoch {trainer.epoch:.2f}, validating {100 * done // total} %", amount=trainer.sentences
        )
        if self.last_step and self.status.due():  # a sign of life
            self._add_status(trainer)

    def evaluated(self, trainer, entry, improved):
        saved = " (best so far, saved)" if improved else ""
        task = trainer.task
        trained, _, value = (entry[name] for name in task.names)
        self.progress.note = f"epoch {trainer.epoch:.2f}, validation {task.figure_text(value)}"
        self.progress.say(f"epoch {entry['epoch']:.2f}: {task.evaluation_text(trained, value)}{saved}")
        if improved:
            self.status.content["checkpoint"] = str(trainer.best_file)
        self._add_status(trainer, evaluated=True, improved=improved)

    def ended(self, trainer, state):
        if self.timer is not None:
            self.timer.cancel()
            self.progress.close()
        if self.last_step and self.status.content["history"][-1]["iter"][0] != trainer.it:
            self._add_status(trainer)
        with self._without_status():
            self.status.end(state)

    @contextlib.contextmanager
    def _without_status(self):
        """A status file that can't be written, on a full disk say, is no reason to end a run: that is told once."""
        try:
            yield
        except OSError as fault:
            if not self.told:
                console.say(f"{console.told(fault)}; the run goes on without its status file")
            self.told = True

    def _resume_status(self, trainer):
        """The history goes on where the run does."""
        entries = [
            {
                "iter": [entry["it"], trainer.schedule.all],
                "epoch": [entry["epoch"], self.options.max_epochs],
                **{name: entry[name] for name in trainer.task.names},
                "evaluated": True,
                **({"improved": True} if improved else {}),
            }
            for entry, improved in zip(trainer.history, trainer.improvements())
        ]
        self.status.resume(trainer.it, entries)

    def _add_status(self, trainer, evaluated=False, improved=False):
        step = self.last_step  # None: a resumed run can begin with an evaluation
        with self._without_status():
            self.status.add(
                trainer.it,
                trainer.schedule.all,
                trainer.epoch,
                self.options.max_epochs,
                step and step.seconds,
                step and step.figure,
                trainer.tally.smooth,
                trainer.val_figure,
                evaluated,
                improved,
            )
