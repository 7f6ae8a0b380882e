"""Datasets: what is read from Karpathy's files, and the line that each fault gives."""

import json
import pathlib

import pytest

from neuraltalk.data.dataset import find_dataset, find_faults, load_dataset
from neuraltalk.errors import UserError


def record(imgid, split="train", sentences=("a dog runs", "the dog"), **more):
    return {
        "imgid": imgid,
        "filename": f"{imgid}.jpg",
        "split": split,
        "sentids": [],
        **more,
        "sentences": [
            {"tokens": text.split(), "raw": text.capitalize() + " .", "imgid": imgid, "sentid": 10 * imgid + k}
            for k, text in enumerate(sentences)
        ],
    }


def document(*records):
    return {"dataset": "toy", "images": list(records) or [record(k) for k in range(3)]}


def write(folder, value):
    folder.mkdir(exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    return folder


def test_images_are_read_in_the_order_of_their_imgids(tmp_path):
    dataset = load_dataset(write(tmp_path, document(record(2, "val"), record(0), record(1, "test", ()))))
    assert dataset.name == "toy" and dataset.folder == tmp_path
    assert [image.imgid for image in dataset.images] == [0, 1, 2]
    assert [image.filename for image in dataset.split("val")] == ["2.jpg"]
    first = dataset.images[0].sentences[0]
    assert first == (["a", "dog", "runs"], "A dog runs .", 0)
    assert dataset.images[1].sentences == [] and dataset.images[2].sentences[1].sentid == 21


def test_restval_trains(tmp_path):
    dataset = load_dataset(
        write(tmp_path, document(record(0), record(1, "restval"), record(2, "val"), record(3, "test")))
    )
    assert [[image.imgid for image in dataset.split(name)] for name in ("train", "val", "test")] == [[0, 1], [2], [3]]
    assert dataset.images[1].split == "restval"


def test_fields_that_only_inform_may_be_missing(tmp_path):
    bare = {"images": [{"imgid": 0, "filename": "a.jpg", "split": "train", "sentences": [{"tokens": ["a", "dog"]}]}]}
    dataset = load_dataset(write(tmp_path / "mine", bare))
    assert dataset.name == "mine"
    assert dataset.images[0].sentences == [(["a", "dog"], "a dog", 0)]


def test_equal_words_share_one_string(tmp_path):
    """What keeps COCO's 6.5 million tokens small."""
    images = load_dataset(write(tmp_path, document())).images
    assert images[0].sentences[0].tokens[1] is images[2].sentences[1].tokens[1]


def test_utf8_with_and_without_a_mark(tmp_path):
    value = document(record(0, sentences=["ein häßlicher 犬"]))
    text = json.dumps(value, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "dataset.json").write_text(text, encoding=encoding)
        assert load_dataset(tmp_path).images[0].sentences[0].tokens == ["ein", "häßlicher", "犬"]


def test_pictures_are_found_nested_flat_or_elsewhere(tmp_path):
    dataset = load_dataset(write(tmp_path, document(record(0, filepath="val2014"), record(1))))
    nested, flat = tmp_path / "imgs" / "val2014" / "0.jpg", tmp_path / "imgs" / "0.jpg"
    assert dataset.picture_path(dataset.images[0]) == nested
    assert dataset.picture_path(dataset.images[1]) == tmp_path / "imgs" / "1.jpg"
    flat.parent.mkdir()
    flat.touch()
    assert dataset.picture_path(dataset.images[0]) == flat
    nested.parent.mkdir()
    nested.touch()
    assert dataset.picture_path(dataset.images[0]) == nested

    elsewhere = load_dataset(write(tmp_path, {**document(), "pictures": str(tmp_path / "photos")}))
    assert elsewhere.picture_path(elsewhere.images[1]) == tmp_path / "photos" / "1.jpg"


def refused(folder, value, message):
    with pytest.raises(UserError) as error:
        load_dataset(write(folder, value))
    line = str(error.value)
    assert "\n" not in line and line.isprintable() and str(folder / "dataset.json") in line
    assert message in line, line


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not JSON: Expecting property name"),
        ("", "not JSON: Expecting value at line 1, column 1"),
        ("[1, 2]", 'should be an object with a list "images"'),
        ('{"images": {}}', 'should be an object with a list "images"'),
        ('{"images": []}', '"images" is empty'),
        ('{"images": [3]}', "image 0 should be an object, not 3"),
        ("[" * 100_000, "not usable JSON"),
        ('{"images": ' + "9" * 10_000 + "}", "not usable JSON"),
        ('{"dataset": 3, "images": [{}]}', "'dataset' should be a text, not 3"),
        ('{"pictures": ["x"], "images": [{}]}', "'pictures' should be a text"),
    ],
)
def test_files_that_are_no_dataset(tmp_path, text, message):
    if text.startswith('{"images": 9') and not hasattr(__import__("sys"), "set_int_max_str_digits"):
        message = 'should be an object with a list "images"'
    refused(tmp_path, text, message)


def test_a_missing_file_and_another_encoding(tmp_path):
    with pytest.raises(UserError, match="dataset.json: can't be read: No such file"):
        load_dataset(tmp_path / "nowhere")
    (tmp_path / "dataset.json").write_bytes('{"images": ["é"]}'.encode("latin-1"))
    with pytest.raises(UserError, match=r"dataset.json: is not UTF-8 \(byte 13\)"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"imgid": 0}, "image 1 ('1.jpg'): imgid 0 is also that of image 0"),
        ({"imgid": 3}, "image 1 ('1.jpg'): imgid is 3, but the 3 images should be numbered 0 to 2"),
        ({"imgid": -1}, "image 1 ('1.jpg'): imgid is -1, but"),
        ({"imgid": "1"}, "image 1 ('1.jpg'): imgid should be a whole number, not '1'"),
        ({"imgid": True}, "image 1 ('1.jpg'): imgid should be a whole number, not True"),
        ({"imgid": None}, "image 1 ('1.jpg'): imgid should be a whole number, not nothing"),
        ({"split": "dev"}, "image 1 ('1.jpg'): split should be one of train, val, test, restval, not 'dev'"),
        ({"split": ["train"]}, "image 1 ('1.jpg'): split should be one of"),
        ({"filename": ""}, "image 1 (''): filename should be the picture's file name, not ''"),
        ({"filename": 5}, "image 1 (5): filename should be the picture's file name, not 5"),
        ({"filename": "../x.jpg"}, "filename should stay below the folder of pictures"),
        ({"filename": "/etc/x.jpg"}, "filename should stay below the folder of pictures"),
        ({"filename": "C:\\x.jpg"}, "filename should stay below the folder of pictures"),
        ({"filename": "a\ud800.jpg"}, "filename should be the picture's file name, not 'a\\ud800.jpg'"),
        ({"filepath": "../other"}, "image 1 ('1.jpg'): filepath should be a folder below the pictures, not '../other'"),
        ({"filepath": None}, "image 1 ('1.jpg'): filepath should be a folder below the pictures, not nothing"),
        ({"box": [3, 0, 1, 4]}, "image 1 ('1.jpg'): box should be [xmin, ymin, xmax, ymax] in pixels, not [3, 0, 1, 4]"),
        ({"box": [0, 4, 1, 3]}, "box should be [xmin, ymin, xmax, ymax] in pixels, not [0, 4, 1, 3]"),
        ({"box": [0, 0, 1]}, "box should be [xmin, ymin, xmax, ymax] in pixels, not [0, 0, 1]"),
        ({"box": [0, 0, 1, 2e9]}, "box should be [xmin, ymin, xmax, ymax] in pixels, not [0, 0, 1, 2"),
        ({"box": [0, 0, 1, True]}, "box should be [xmin, ymin, xmax, ymax] in pixels, not [0, 0, 1, True]"),
        ({"source": -1}, "image 1 ('1.jpg'): source should be an imgid, not -1"),
        ({"sentences": None}, "image 1 ('1.jpg'): sentences should be a list, not nothing"),
        ({"sentences": ["a dog"]}, "image 1 ('1.jpg'): sentence 0 should be an object, not 'a dog'"),
        (
            {"sentences": [{"raw": "A dog."}]},
            "image 1 ('1.jpg'): sentence 0: tokens should be a list of words, not nothing",
        ),
        ({"sentences": [{"tokens": "a dog"}]}, "sentence 0: tokens should be a list of words, not 'a dog'"),
        ({"sentences": [{"tokens": ["a"]}, {"tokens": []}]}, "image 1 ('1.jpg'): sentence 1: tokens is empty"),
        ({"sentences": [{"tokens": ["a", 7]}]}, "sentence 0: tokens should be words, not 7"),
        ({"sentences": [{"tokens": ["a", ["b"]]}]}, "sentence 0: tokens should be words, not ['b']"),
        ({"sentences": [{"tokens": ["a", " "]}]}, "sentence 0: tokens should be words, not ' '"),
        ({"sentences": [{"tokens": ["\udfff"]}]}, "sentence 0: tokens should be words, not '\\udfff'"),
        ({"sentences": [{"tokens": ["a"], "raw": 1}]}, "sentence 0: raw should be a text, not 1"),
        ({"sentences": [{"tokens": ["a"], "raw": "\ud83d"}]}, "sentence 0: raw should be a text, not '\\ud83d'"),
        ({"sentences": [{"tokens": ["a"], "sentid": "x"}]}, "sentence 0: sentid should be a whole number, not 'x'"),
    ],
)
def test_each_fault_names_the_image_and_the_field(tmp_path, change, message):
    value = document()
    value["images"][1].update(change)
    refused(tmp_path, value, message)


@pytest.mark.parametrize(
    "field, message",
    [
        ("imgid", "image 1 ('1.jpg'): imgid is missing"),
        ("split", "image 1 ('1.jpg'): split should be one of"),
        ("filename", "image 1 ('no filename'): filename should be"),
        ("sentences", "image 1 ('1.jpg'): sentences should be a list"),
    ],
)
def test_missing_fields(tmp_path, field, message):
    value = document()
    del value["images"][1][field]
    refused(tmp_path, value, message)


def test_all_faults_can_be_listed():
    value = document(record(0), record(0, "dev"), record(9, sentences=[""]))
    assert [fault.split(": ", 2)[2][:20] for fault in find_faults(value)] == [
        "imgid 0 is also that",
        "split should be one ",
        "imgid is 9, but the ",
        "sentence 0: tokens i",
    ]


def test_a_dataset_is_found_by_name_or_path(tmp_path):
    root = tmp_path / "data"
    for name in ("flickr8k", "scenes"):
        (root / name).mkdir(parents=True)
        write(root / name, document())
    (root / "half").mkdir()
    other = write(tmp_path / "other", document())
    assert find_dataset("scenes", root) == root / "scenes"
    assert find_dataset(str(other), root) == find_dataset(other, root) == other
    with pytest.raises(
        UserError, match=r"no data set 'coco'; .* has: flickr8k, scenes\. Give one of their names, or a folder"
    ):
        find_dataset("coco", root)
    with pytest.raises(UserError, match=r"no data set 'half': the folder .*half has no dataset.json; .* has: flickr8k"):
        find_dataset("half", root)
    with pytest.raises(UserError, match="has no data set yet"):
        find_dataset("coco", tmp_path / "none")


def test_altered_files_are_read_or_refused(tmp_path):
    """Bytes changed at random give a UserError or a dataset, and never another exception."""
    import random

    path = write(tmp_path, document()) / "dataset.json"
    original = path.read_bytes()
    generator = random.Random(0)
    for _ in range(400):
        data = bytearray(original)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.choice(b'"[]{}:,0x\\\xff -')
        path.write_bytes(bytes(data))
        try:
            load_dataset(tmp_path)
        except UserError as error:
            assert "\n" not in str(error)


FLICKR8K = pathlib.Path(__file__).resolve().parent.parent / "data" / "flickr8k"


@pytest.mark.skipif(not FLICKR8K.exists(), reason="Flickr8K isn't here")
def test_flickr8k():
    from neuraltalk.data.vocabulary import build_vocabulary

    dataset = load_dataset(FLICKR8K)
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [6000, 1000, 0]
    assert len(build_vocabulary([sentence for image in dataset.split("train") for sentence in image.sentences])) == 2538
