"""Named sets of options: what was found to work, where it isn't the default. Explicit options win over a preset.

The README's results table names the command behind each of its figures.
"""

PRESETS = {
    # The embedded pictures: a few minutes on two cores.
    "scenes": {
        "solver": "adam",
        "learning_rate": 2e-3,
        "learning_rate_decay": "linear",
        "max_epochs": 20,
        "drop_prob_encoder": 0.2,
        "drop_prob_decoder": 0.3,
    },
    # Flickr8K with 4096 numbers an image.
    "flickr8k": {
        "solver": "adam",
        "learning_rate": 1e-3,
        "learning_rate_decay": "linear",
        "max_epochs": 20,
        "hidden_size": 512,
        "image_encoding_size": 512,
        "word_encoding_size": 512,
        "average_decay": 0.999,
    },
    "flickr8k-rnn": {
        "generator": "rnn",
        "solver": "adam",
        "learning_rate": 1e-3,
        "learning_rate_decay": "linear",
        "max_epochs": 20,
        "hidden_size": 512,
        "image_encoding_size": 512,
        "word_encoding_size": 512,
        "rnn_feed_once": 1,
        "average_decay": 0.999,
    },
}

DESCRIPTIONS = {
    "scenes": "the embedded pictures (applies to them unless another preset is named)",
    "flickr8k": "Flickr8K, tuned LSTM",
    "flickr8k-rnn": "Flickr8K, tuned RNN",
}

# (model, data set) -> the preset that applies when none is named; --preset none switches that off
BY_DATASET = {("captioner", "scenes"): "scenes"}
