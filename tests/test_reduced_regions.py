"""Principal components of region features: the right ones, kept with their base."""

import types

import numpy as np
import pytest

from neuraltalk.cli import model_features
from neuraltalk.errors import UserError
from neuraltalk.vision.extractors import extractor_from_state, load_extractor
from neuraltalk.vision.kmeans import KMeansExtractor, Settings
from neuraltalk.vision.reduced import ReducedRegions, contrasted
from neuraltalk.vision.view import View


def make(tmp=None):
    from PIL import Image

    rng = np.random.default_rng(3)
    pictures = [Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)) for _ in range(3)]
    settings = Settings(fine=View(32, 6, 2, 24, 1), coarse=View(32, 6, 2, 8, 2))
    base = KMeansExtractor.learn(pictures, np.random.default_rng(0), settings, patches=500, iterations=2)
    boxes = np.concatenate([rng.uniform(0, 15, (30, 2)), rng.uniform(20, 40, (30, 2))], axis=1)
    features, whole = map(np.concatenate, zip(*(contrasted(base, picture, boxes) for picture in pictures)))
    return base, pictures[0], boxes, features, whole


def learn(base, features, whole, dimension=5):
    return ReducedRegions.learn(base, features, whole, np.random.default_rng(1), dimension=dimension)


def test_components_are_those_of_the_covariance():
    base, picture, boxes, features, whole = make()
    assert not whole.any()
    reduced = learn(base, features, whole)
    found = reduced.reduce(features, whole)
    assert found.shape == (90, 5) and np.sqrt(np.mean(found**2)) == pytest.approx(1, rel=1e-4)
    assert np.allclose(found.mean(axis=0), 0, atol=1e-3)
    _, values, _ = np.linalg.svd(features - features.mean(axis=0))
    kept = np.linalg.norm(found, axis=0)
    assert np.allclose(kept / kept[0], values[:5] / values[0], rtol=1e-2)
    assert np.allclose(reduced.regions(picture, boxes), found[:30], atol=1e-4)
    assert np.array_equal(reduced.features([picture]), base.features([picture]))


def test_contrast_takes_the_surroundings_off():
    base, picture, *_ = make()
    boxes = np.array([[10.0, 5, 30, 25], [0, 0, 10, 40], [0, 0, 50, 40]])
    around = np.array([[6.0, 1, 34, 29], [0, 0, 12, 40], [0, 0, 50, 40]])  # 1.4 times as large, cut at the border
    features, whole = contrasted(base, picture, boxes)
    assert np.allclose(features, base.regions(picture, boxes) - 0.75 * base.regions(picture, around), atol=1e-4)
    assert whole.tolist() == [False, False, True]


def test_whole_pictures_are_seen_from_their_own_mean_and_stronger():
    base, _, _, features, whole = make()
    whole[::10] = True
    features[whole] = 0.1 * features[whole] + 7
    reduced = learn(base, features, whole, dimension=len(features))  # all components: nothing is lost
    found = reduced.reduce(features, whole)
    strength = [np.sqrt(np.mean(found[part] ** 2)) for part in (whole, ~whole)]
    assert strength == pytest.approx([1.3, 1], rel=1e-3)
    assert np.allclose(found[whole].mean(axis=0), 0, atol=1e-3) and np.allclose(found[~whole].mean(axis=0), 0, atol=1e-3)


def test_whole_pictures_only():
    base, _, _, features, whole = make()
    found = learn(base, features, ~whole).reduce(features, ~whole)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(1, rel=1e-4)


def test_no_more_components_than_there_are():
    base, _, _, features, whole = make()
    assert learn(base, features[:4], whole[:4], dimension=512).region_dimension == 4


def test_state_goes_to_a_file_and_back(tmp_path):
    base, picture, boxes, features, whole = make()
    reduced = learn(base, features, whole)
    reduced.save(tmp_path / "region_extractor.npz")
    again = load_extractor(tmp_path / "region_extractor.npz")
    assert again.fingerprint == reduced.fingerprint != base.fingerprint
    assert np.array_equal(again.regions(picture, boxes), reduced.regions(picture, boxes))


def test_altered_states_are_refused():
    base, _, _, features, whole = make()
    state = learn(base, features, whole).state()
    with pytest.raises(UserError, match="fingerprint"):
        extractor_from_state({**state, "components": state["components"] * 2})
    with pytest.raises(UserError, match="fingerprint"):
        extractor_from_state({**state, "contrast": state["contrast"] * 2})
    with pytest.raises(UserError, match="fingerprint"):
        extractor_from_state({**state, "whole_gain": 2.0})
    for altered in ({"components": state["components"][:-1]}, {"contrast": 0.5}, {"whole_mean": None}, {"whole_gain": "1"}):
        with pytest.raises(UserError, match="don't fit"):
            extractor_from_state({**state, **altered})
    older = {key: value for key, value in state.items() if key != "whole_gain"}
    with pytest.raises(UserError, match="an older version made it.* train on them"):
        extractor_from_state(older)
    checkpoint = types.SimpleNamespace(extractor=older, path="cv/a.p")
    with pytest.raises(UserError, match="^cv/a.p: region extractor: an older version"):
        model_features.carried_extractor(checkpoint)
    with pytest.raises(UserError, match="k-means extractor"):
        extractor_from_state({**state, "fine_dictionary": state["fine_dictionary"] * 2})


def test_embedded_regions_are_drawn_when_the_alignment_model_asks(tmp_path, capsys):
    from neuraltalk.cli.models import AlignerKind
    from neuraltalk.cli.train import load_extractor_state
    from neuraltalk.data.dataset import load_dataset
    from neuraltalk.data.scenes.build import build_scenes

    folder = build_scenes(tmp_path / "scenes", seed=4, train=3, val=1, test=1, unseen=0, features=False)
    base, *_ = make()
    base.save(folder / "extractor.npz")
    dataset = load_dataset(folder)
    regions = AlignerKind.open_features(folder, dataset)
    assert "measuring the regions" in capsys.readouterr().err
    assert regions.count == 5 and len(regions.boxes_of(0)) == 20
    state = load_extractor_state(folder, AlignerKind)
    assert state["fingerprint"] == load_extractor(folder / "region_extractor.npz").fingerprint
    AlignerKind.open_features(folder, dataset)
    assert "measuring" not in capsys.readouterr().err
