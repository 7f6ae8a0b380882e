"""Score a trained captioner: `python eval_sentence_predictions.py` takes the newest one, `-h` explains the rest."""

import sys

from neuraltalk.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
