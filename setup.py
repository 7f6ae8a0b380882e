"""Installs the package and the `neuraltalk` command: pip install -e ."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent

setup(
    name="neuraltalk",
    version=re.search(r'__version__ = "(.+)"', (HERE / "neuraltalk/__init__.py").read_text(encoding="utf-8")).group(1),
    description="Image captioning by multimodal recurrent networks, by hand in NumPy: a readable NeuralTalk for Python 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    python_requires=">=3.10",
    packages=find_packages(include=["neuraltalk", "neuraltalk.*"]),
    package_data={"neuraltalk.pages": ["*.css", "*.js"]},
    install_requires=["numpy>=1.26", "scipy>=1.11", "h5py>=3.10", "pillow>=10.1", "nltk>=3.8", "numba>=0.60"],
    extras_require={
        "test": ["pytest>=8"],
        "plot": ["matplotlib>=3.8"],            # neuraltalk plot
        # mpiexec -n 4 python driver.py; mpich brings the launcher. Where there is an MPI, mpi4py alone will do.
        "mpi": ["mpi4py>=4.1", "mpich>=4.3; platform_system != 'Windows'"],
        "sweep": ["optuna>=5"],                 # neuraltalk sweep
        "score": ["pycocoevalcap>=1.2"],        # METEOR and SPICE, which need Java too
    },
    entry_points={"console_scripts": ["neuraltalk = neuraltalk.cli.main:main"]},
)
