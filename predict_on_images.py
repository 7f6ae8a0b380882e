"""Describe a folder of pictures: `python predict_on_images.py` takes the embedded ones, `-h` explains the rest."""

import sys

from neuraltalk.cli.predict import main

if __name__ == "__main__":
    sys.exit(main())
