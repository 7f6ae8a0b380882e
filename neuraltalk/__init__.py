"""Image captioning from the multimodal recurrent networks of Karpathy and Fei-Fei (CVPR 2015), by hand in NumPy."""

__version__ = "1.0.0"
