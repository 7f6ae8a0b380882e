"""Contenders take turns in one process, some steps each, so that a change of the machine's speed meets all alike."""

import statistics
import time

COLUMNS = "ours ms  products ms  PyTorch ms  ours/products  PyTorch/ours"


def seconds_a_step(step, steps):
    step()                                                  # not counted: brings threads and caches back to this one
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def compare(ours, products, torch, turns, steps):
    """The row under COLUMNS: medians, and medians of the ratios of paired turns. `torch` is None where it isn't installed."""
    contenders = {"ours": ours, "products": products, "torch": torch}
    times = {name: [] for name, step in contenders.items() if step}
    for turn in range(turns + 1):
        for name in times:
            seconds = seconds_a_step(contenders[name], steps)
            if turn:                                        # the first turn warms up
                times[name].append(seconds)
    median = {name: statistics.median(t) * 1e3 for name, t in times.items()}
    row = f"{median['ours']:7.1f}  {median['products']:11.1f}  "
    overhead = statistics.median(a / b for a, b in zip(times["ours"], times["products"]))
    if "torch" not in times:
        return row + f"{'-':>10}  {overhead:13.2f}  {'-':>12}"
    ratio = statistics.median(b / a for a, b in zip(times["ours"], times["torch"]))
    return row + f"{median['torch']:10.1f}  {overhead:13.2f}  {ratio:12.2f}"
