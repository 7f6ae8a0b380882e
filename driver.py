"""Train a captioner: `python driver.py` needs nothing else, `python driver.py -h` explains the rest."""

import sys

from neuraltalk.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
