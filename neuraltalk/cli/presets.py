"""Named sets of options: what was found to work, where it isn't the default. Explicit options win over a preset.

The README's results table names the command behind each of its figures.
"""

PRESETS = {
    # The embedded pictures: two or three minutes on two cores.
    "scenes": {
        "image_encoding_size": 192,
        "word_encoding_size": 192,
        "hidden_size": 192,
        "image_scale": 0.05,
        "solver": "adam",
        "learning_rate": 3e-3,
        "learning_rate_decay": "linear",
        "average_decay": 0.99,
        "max_epochs": 10,
        "eval_period": 2,
        "drop_prob_encoder": 0.15,
        "drop_prob_decoder": 0.15,
    },
    # Words and regions of the embedded pictures, three minutes. Region features have their own scale and sign already. With
    # less dropout before the last layer a word that always comes with another, such as umbrella with who holds it, may
    # settle on the other's box. R@10 is full long before all words have found theirs, hence one evaluation, at the end.
    "scenes-alignment": {
        "region_scaling": "none",
        "embedding_size": 300,
        "word_encoding_size": 128,
        "hidden_size": 128,
        "drop_prob_region": 0.2,
        "drop_prob_sentence": 0.7,
        "average_decay": 0.99,
        "max_epochs": 8,
        "eval_period": 8,
    },
    # Flickr8K with 4096 numbers an image.
    "flickr8k": {
        "image_encoding_size": 512,
        "word_encoding_size": 512,
        "hidden_size": 512,
        "tanhC_version": 1,
        "image_scale": 0.1,
        "solver": "adam",
        "learning_rate": 1e-3,
        "learning_rate_decay": "linear",
        "average_decay": 0.999,
        "max_epochs": 12,
    },
    "flickr8k-rnn": {
        "generator": "rnn",
        "image_encoding_size": 512,
        "word_encoding_size": 512,
        "hidden_size": 512,
        "image_scale": 0.1,
        "solver": "adam",
        "learning_rate": 7e-4,
        "learning_rate_decay": "linear",
        "average_decay": 0.999,
        "max_epochs": 12,
    },
}

DESCRIPTIONS = {
    "scenes": "the embedded pictures (applies to them unless another preset is named)",
    "scenes-alignment": "their alignment model (likewise)",
    "flickr8k": "Flickr8K, tuned LSTM",
    "flickr8k-rnn": "Flickr8K, tuned RNN",
}

# (model, data set) -> the preset that applies when none is named; --preset none switches that off
BY_DATASET = {
    ("captioner", "scenes"): "scenes",
    ("captioner", "scenes_regions"): "scenes",
    ("alignment", "scenes"): "scenes-alignment",
}
