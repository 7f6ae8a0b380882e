"""Making a dataset from people's files: every layout, what is left out and told, the line that each mistake gives."""

import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from neuraltalk.cli import dataset as command
from neuraltalk.data import assemble as assemble_module
from neuraltalk.data.assemble import assemble
from neuraltalk.data.dataset import load_dataset
from neuraltalk.data.importers import Described, read_captions, tokenize
from neuraltalk.data.picture_names import Pictures
from neuraltalk.data.splits import use_split_files
from neuraltalk.errors import UserError


def described(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return [(picture.name, picture.captions, picture.split) for picture in read_captions(path)]


DOGS = [("a.jpg", ["A dog, running.", "One dog"], None), ("b.jpg", ['A "cat"'], None)]


# Words


@pytest.mark.parametrize(
    "caption, tokens",
    [
        ("A black dog is running .", "a black dog is running"),
        ("A man's T-shirt; it's 2-for-1!", "a mans t shirt its 2 for 1"),
        ("five o’clock shadow", "five oclock shadow"),
        ("the players' ball 'quoted'", "the players ball quoted"),
        ("snake_case & more", "snake case more"),
        ("Ein HÄSSLICHER Straßenköter", "ein hässlicher straßenköter"),
        ("e\u0301te\u0301", "été"),  # letters with separate accents are composed
        ("कुत्ता दौड़ता है।", "कुत्ता दौड़ता है"),
        ("собака бежит", "собака бежит"),
        ("🐕 ... !", ""),
        ("", ""),
    ],
)
def test_tokens_are_lower_case_letters_and_digits(caption, tokens):
    assert tokenize(caption) == unicodedata.normalize("NFC", tokens).split()


# Reading


@pytest.mark.parametrize(
    "name, text",
    [
        ("header.csv", 'image,caption\na.jpg,"A dog, running."\na.jpg,One dog\nb.jpg,"A ""cat"""\n'),
        ("unquoted.csv", 'image,caption\na.jpg,A dog, running.\na.jpg,One dog\nb.jpg,"A ""cat"""\n'),
        ("bare.csv", 'a.jpg,"A dog, running."\na.jpg,One dog\nb.jpg,"A ""cat"""\n'),
        ("bare-unquoted.csv", 'a.jpg,A dog, running.\na.jpg,One dog\nb.jpg,"A ""cat"""'),
        ("semicolon.csv", 'Caption;Filename\nA dog, running.;a.jpg\nOne dog;a.jpg\n"A ""cat""";b.jpg\n'),
        (
            "numbered.csv",
            'image_name| comment_number| comment\na.jpg| 0| A dog, running.\na.jpg| 1| One dog\nb.jpg| 0| A "cat"\n',
        ),
        ("columns.csv", 'a.jpg,"A dog, running.",One dog\nb.jpg,"A ""cat""",\n'),
        (
            "named-columns.csv",
            'id,file_name,caption_1,caption_2\n1,a.jpg,"A dog, running.",One dog\n2,b.jpg,"A ""cat""",\n',
        ),
        ("table.tsv", 'filename\tcaption\na.jpg\tA dog, running.\na.jpg\tOne dog\nb.jpg\tA "cat"\n'),
        ("quoted.tsv", 'a.jpg\tA dog, running.\na.jpg\tOne dog\nb.jpg\t"A ""cat"""\n'),
        ("Flickr8k.token.txt", 'a.jpg#0\tA dog, running.\na.jpg#1\tOne dog\nb.jpg#0\tA "cat"\n'),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_layout_reads_the_same(tmp_path, name, text, ends, encoding):
    assert described(tmp_path / name, text.replace("\n", ends), encoding) == DOGS


def test_letters_and_empty_lines(tmp_path):
    assert described(tmp_path / "x.csv", "\n\nhund.jpg,Ein häßlicher Köter\n\n犬.jpg,犬が走る\n\n") == [
        ("hund.jpg", ["Ein häßlicher Köter"], None),
        ("犬.jpg", ["犬が走る"], None),
    ]


def test_names_keep_their_spaces_and_captions_fit_on_a_line(tmp_path):
    text = 'image,caption\n"my  dog\u2028.jpg ","A dog\n\n runs"\n'
    assert described(tmp_path / "x.csv", text) == [("my  dog\u2028.jpg", ["A dog runs"], None)]
    assert described(tmp_path / "x.tsv", "my  dog.jpg\tA dog\u2028 runs\n") == [("my  dog.jpg", ["A dog runs"], None)]


def test_a_quotation_at_the_start_of_a_caption_is_no_quoting_in_tab_files(tmp_path):
    assert described(tmp_path / "x.tsv", 'a.jpg\t"Stop" says a sign\nb.jpg\t"No\n') == [
        ("a.jpg", ['"Stop" says a sign'], None),
        ("b.jpg", ['"No'], None),
    ]


def test_a_split_column(tmp_path):
    text = "file,split,caption\na.jpg,train,A dog\nb.jpg,dev,A cat\nc.jpg,Test,A cow\nd.jpg,,A hen\n"
    assert [split for _, _, split in described(tmp_path / "x.csv", text)] == ["train", "val", "test", None]


COCO = {
    "images": [
        {"id": 7, "file_name": "COCO_val2014_000000000007.jpg"},
        {"id": 3, "file_name": "b.jpg"},
        {"id": 4, "file_name": "c.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "caption": "A cat"},
        {"id": 2, "image_id": 7, "caption": "A dog"},
        {"id": 5, "image_id": 7, "caption": "One dog "},
    ],
}


def test_coco(tmp_path):
    (tmp_path / "captions_val2014.json").write_text(json.dumps(COCO))
    assert read_captions(tmp_path / "captions_val2014.json") == [
        Described("COCO_val2014_000000000007.jpg", ["A dog", "One dog "], None, 7),
        Described("b.jpg", ["A cat"], None, 3),
    ]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("x.csv", "", "is empty; expected captions"),
        ("x.csv", "a.jpg\nb.jpg\n", "only one column"),
        ("x.csv", "image,caption\n", "has a header but no captions"),
        ("x.csv", 'image,caption\na.jpg,"A dog\nb.jpg,x\n', "line 3: unexpected end of data; quote a caption"),
        ("x.csv", 'image,caption\na.jpg,"A" dog\n', "line 2: ',' expected after '\"'"),
        (
            "x.csv",
            "caption,image\nA dog, running,a.jpg\n",
            "line 2 has 3 columns, the header 2: put captions with ',' in quotes",
        ),
        ("x.csv", "image,caption\n,A dog\n", "line 2: no file name"),
        (
            "x.csv",
            "image,caption,split\na.jpg,A dog,dogs\n",
            "line 2: no split 'dogs'; expected one of train, val, test, restval",
        ),
        (
            "x.csv",
            "image,caption,split\na.jpg,A dog,val\na.jpg,One,test\n",
            "line 3: a.jpg is in the split test, but in val before",
        ),
        ("x.csv", "image,caption\na.jpg," + "x" * 200_000, "line 2: field larger than field limit"),
        (
            "x.token.txt",
            "a.jpg#0\tA dog\nb.jpg A cat\n",
            "line 2 should be 'name.jpg#0', a tab and a caption, not 'b.jpg A cat'",
        ),
        ("x.json", "[]", "not a COCO caption file"),
        ("x.json", '{"images": [', "not JSON"),
        (
            "x.json",
            json.dumps({**COCO, "annotations": [{"image_id": 3, "bbox": []}]}),
            "annotation 0 should have a number",
        ),
        ("x.json", json.dumps({**COCO, "images": [{"id": "x"}]}), "image 0 should have a number"),
        (
            "x.json",
            json.dumps({**COCO, "images": COCO["images"][:1]}),
            "1 image_ids of its annotations aren't among its images (the first: 3)",
        ),
        ("x.json", json.dumps({**COCO, "annotations": []}), "no image has a caption"),
    ],
)
def test_faulty_files_are_refused(tmp_path, name, text, message):
    with pytest.raises(UserError) as error:
        described(tmp_path / name, text)
    assert message in str(error.value) and name in str(error.value) and "\n" not in str(error.value)


def test_other_encodings_are_refused(tmp_path):
    with pytest.raises(UserError, match="x.csv: is UTF-16; save it as UTF-8"):
        described(tmp_path / "x.csv", "a.jpg,Hund", "utf-16")
    with pytest.raises(UserError, match=r"x.csv: is not UTF-8 \(byte 7\); save it as UTF-8"):
        described(tmp_path / "x.csv", "a.jpg,Köter", "latin-1")
    with pytest.raises(UserError, match="none.csv: can't be read: No such file"):
        read_captions(tmp_path / "none.csv")


# Assembling


@pytest.fixture
def photos(tmp_path):
    """Ten small pictures, half of them in a sub-folder, and captions for them."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    names = []
    for k in range(10):
        names.append(f"p{k}.jpg")
        Image.new("RGB", (8, 8), (20 * k, 0, 0)).save(folder / ("sub" if k % 2 else "") / names[-1])
    return folder, [Described(name, [f"A dog {k}", "One dog"]) for k, name in enumerate(names)]


def rng():
    return np.random.default_rng(0)


def test_a_dataset_is_assembled(tmp_path, photos):
    folder, captions = photos
    report = assemble(tmp_path / "mine", captions, rng(), pictures=folder, splits="val=2,test=30%")
    assert report[1:] == (10, {"train": 5, "val": 2, "test": 3}, 20, 13, [])
    dataset = load_dataset(tmp_path / "mine")
    assert dataset.name == "mine"
    for k, image in enumerate(dataset.images):
        assert (image.imgid, image.filename, image.filepath) == (k, f"p{k}.jpg", "sub" if k % 2 else "")
        assert image.sentences == [(["a", "dog", str(k)], f"A dog {k}", 2 * k), (["one", "dog"], "One dog", 2 * k + 1)]
        assert dataset.picture_path(image).is_file()
    assert os.listdir(tmp_path / "mine") == ["dataset.json"]


def test_the_draw_follows_the_seed(tmp_path, photos):
    folder, captions = photos
    files = []
    for k, seed in enumerate((1, 1, 2)):
        path = assemble(tmp_path / str(k), captions, np.random.default_rng(seed), pictures=folder, name="x").path
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


def test_pictures_are_copied_if_asked(tmp_path, photos):
    folder, captions = photos
    calls = []
    assemble(tmp_path / "mine", captions, rng(), pictures=folder, copy=True, progress=lambda *call: calls.append(call))
    assert calls[0] == (1, 10) and calls[-1] == (10, 10)
    moved = tmp_path / "moved"
    (tmp_path / "mine").rename(moved)
    dataset = load_dataset(moved)
    for image in dataset.images:
        path = dataset.picture_path(image)
        assert moved in path.parents
        assert path.read_bytes() == (folder / image.filepath / image.filename).read_bytes()


def test_pictures_already_in_the_folder_stay(tmp_path, photos):
    folder, captions = photos
    (tmp_path / "mine").mkdir()
    folder.rename(tmp_path / "mine" / "imgs")
    for copy in (False, True):
        assemble(tmp_path / "mine", captions, rng(), pictures=tmp_path / "mine" / "imgs", copy=copy, force=True)
        text = (tmp_path / "mine" / "dataset.json").read_text()
        assert '"pictures"' not in text and str(tmp_path) not in text
        assert len(os.listdir(tmp_path / "mine" / "imgs")) == 6


def test_what_is_missing_is_counted_and_left_out(tmp_path, photos):
    folder, captions = photos
    captions = [*captions[:8], Described("gone.jpg", ["A dog"]), Described("p8.jpg", ["...", ""])]
    report = assemble(tmp_path / "mine", captions, rng(), pictures=folder)
    assert report.images == 8
    assert report.skipped == [
        f"1 picture with captions isn't in {folder}: gone.jpg",
        f"1 picture in {folder} has no captions: sub/p9.jpg",
        "2 captions have no words",
        "1 picture has no caption with words: p8.jpg",
    ]


def test_names_with_folders_other_cases_or_no_extension_are_found(tmp_path, photos):
    folder, _ = photos
    captions = [
        Described(name, ["A dog"]) for name in ("./p0.jpg", "sub\\p1.jpg", "elsewhere/p2.jpg", "P3.JPG", "p4", "p0.jpg")
    ]
    assemble(tmp_path / "mine", captions, rng(), pictures=folder)
    images = load_dataset(tmp_path / "mine").images
    assert [image.filename for image in images] == [f"p{k}.jpg" for k in range(5)]
    assert len(images[0].sentences) == 2


def test_names_are_found_whatever_system_composed_their_letters(tmp_path):
    apart, composed = unicodedata.normalize("NFD", "café.png"), unicodedata.normalize("NFC", "café.png")
    for written, named in ((apart, composed), (composed, apart)):
        folder = tmp_path / f"of {len(written)} letters" / "sub"
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / written)
        for name in (named, f"sub/{named}"):
            assert Pictures(folder.parent).find(name) == f"sub/{written}"


def test_a_picture_in_a_folder_of_another_name_is_not_taken_for_it(tmp_path, photos):
    folder, captions = photos
    for name in ("cats", "dogs"):
        (folder / name).mkdir()
    Image.new("RGB", (8, 8)).save(folder / "dogs" / "001.jpg")
    named = [Described("cats/001.jpg", ["A cat"]), Described("photos/dogs/001.jpg", ["A dog"]), captions[0]]
    report = assemble(tmp_path / "mine", named, rng(), pictures=folder)
    assert report.skipped[0] == f"1 picture with captions isn't in {folder}: cats/001.jpg"
    assert [(image.filepath, image.sentences[0].raw) for image in load_dataset(tmp_path / "mine").images] == [
        ("dogs", "A dog"),
        ("", "A dog 0"),
    ]


def test_the_picture_with_most_folders_in_common_is_found(tmp_path):
    for path in ("x/a.jpg", "y/a.jpg", "y/x/a.jpg", "y/A.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    there = Pictures(tmp_path)
    for name, path in (
        ("imgs/x/a.jpg", "x/a.jpg"),
        ("../imgs/Y/a.jpg", "y/a.jpg"),
        ("imgs\\y\\A.jpg", "y/A.jpg"),
        ("imgs/y/x/A", "y/x/a.jpg"),
        ("z/a.jpg", None),
    ):
        assert there.find(name) == path, name
    with pytest.raises(UserError, match="has 'a.jpg' twice, x/a.jpg and y/a.jpg"):
        there.find("a.jpg")


def test_a_name_that_two_pictures_have_is_refused(tmp_path, photos):
    folder, captions = photos
    Image.new("RGB", (8, 8)).save(folder / "p1.jpg")
    (folder / "other").mkdir()
    (folder / "p1.jpg").rename(folder / "other" / "p1.jpg")
    with pytest.raises(UserError, match="has 'p1.jpg' twice, "):
        assemble(tmp_path / "mine", captions, rng(), pictures=folder)
    assemble(tmp_path / "mine", [Described("sub/p1.jpg", ["A dog"])], rng(), pictures=folder)


def test_unreadable_pictures_can_be_left_out(tmp_path, photos):
    folder, captions = photos
    (folder / "p2.jpg").write_bytes((folder / "p2.jpg").read_bytes()[:100])
    report = assemble(tmp_path / "mine", captions, rng(), pictures=folder, open_all=True)
    assert (
        report.images == 9
        and report.skipped[0].startswith("1 picture can't be read: ")
        and "p2.jpg" in report.skipped[0]
    )


def test_without_pictures_nothing_is_looked_for(tmp_path):
    captions = [Described("a.jpg", ["A dog"]), Described("sub/b.jpg", ["A dog"]), Described("../c.jpg", ["A dog"])]
    report = assemble(tmp_path / "mine", captions, rng())
    assert report.skipped == ["1 picture is named by a path outside the data set: ../c.jpg"]
    assert [(image.filepath, image.filename) for image in load_dataset(tmp_path / "mine").images] == [
        ("", "a.jpg"),
        ("sub", "b.jpg"),
    ]


def test_without_pictures_several_files_of_captions_describe_one_image(tmp_path):
    captions = [Described("a.jpg", ["A dog"]), Described("b.jpg", ["A cat"]), Described("a.jpg", ["One dog"])]
    assert assemble(tmp_path / "mine", captions, rng()).images == 2
    first, _ = load_dataset(tmp_path / "mine").images
    assert [sentence.raw for sentence in first.sentences] == ["A dog", "One dog"]


def test_lists_of_splits_name_pictures_with_folders_or_without_extension():
    captions = [Described(name, ["A dog"]) for name in ("x/1.jpg", "y/1.jpg", "2.jpg", "3.jpg", "2.jpg", "z/4.jpg")]
    kept, skipped = use_split_files(captions, {"train": {"imgs/x/1.jpg", "2", "5"}, "test": {"y\\1.jpg", "4.JPG"}})
    assert [(picture.name, picture.split) for picture in kept] == [
        ("x/1.jpg", "train"),
        ("y/1.jpg", "test"),
        ("2.jpg", "train"),
        ("2.jpg", "train"),
        ("z/4.jpg", "test"),
    ]
    assert skipped == ["1 picture with captions is in no split file", "1 picture in the split files has no captions: 5"]
    with pytest.raises(UserError, match="2.jpg: is in two splits, train and val; leave it in one"):
        use_split_files(captions, {"val": {"2.jpg"}, "train": {"2"}})
    with pytest.raises(UserError, match="name none of the pictures that have captions .the first: 'x/1.jpg'"):
        use_split_files(captions, {"val": {"w/1.jpg"}})


def test_splits_of_the_files_are_kept(tmp_path, photos):
    folder, captions = photos
    given = [picture._replace(split="train") for picture in captions[:4]] + captions[4:]
    report = assemble(tmp_path / "a", given, rng(), pictures=folder, splits="val=2,test=2")
    assert report.splits == {"train": 6, "val": 2, "test": 2}
    assert all(image.split == "train" for image in load_dataset(tmp_path / "a").images[:4])
    given = [captions[0]._replace(split="val"), *captions[1:]]
    assert assemble(tmp_path / "b", given, rng(), pictures=folder).splits == {"train": 9, "val": 1}


def test_shares_are_rounded_to_whole_pictures(tmp_path, photos):
    folder, captions = photos
    report = assemble(tmp_path / "mine", captions, rng(), pictures=folder, splits="val=28%, test = 1.4%")
    assert report.splits == {"train": 7, "val": 3}


def test_files_of_the_images_before_go_with_the_old_dataset(tmp_path, photos):
    folder, captions = photos
    arguments = dict(pictures=folder, force=True, outdated=("features.npy", "extractor.npz"))
    (tmp_path / "mine").mkdir()
    for name in ("features.npy", "truth.json"):
        (tmp_path / "mine" / name).touch()
    with pytest.raises(UserError, match="should be like"):
        assemble(tmp_path / "mine", captions, rng(), splits="?", **arguments)
    assert sorted(os.listdir(tmp_path / "mine")) == ["features.npy", "truth.json"]  # nothing was done yet
    assemble(tmp_path / "mine", captions, rng(), **arguments)
    assert sorted(os.listdir(tmp_path / "mine")) == ["dataset.json", "truth.json"]


@pytest.mark.parametrize(
    "rule, message",
    [
        ("val", "'val' should be like val=1000 or val=10%"),
        ("val=1.5", "'val=1.5' should be like"),
        ("val=-1", "'val=-1' should be like"),
        ("dogs=2", "no split 'dogs'; expected one of train, val, test, restval"),
        ("val=2,val=3", "val is there twice"),
        ("val=6,test=6", "asks for 12 pictures besides those that train, but there are 10"),
        ("val=50%,test=50%", "asks for 10 pictures besides those that train, but there are 10"),
    ],
)
def test_rules_that_do_not_fit_are_refused(tmp_path, photos, rule, message):
    folder, captions = photos
    with pytest.raises(UserError) as error:
        assemble(tmp_path / "mine", captions, rng(), pictures=folder, splits=rule)
    assert message in str(error.value) and rule in str(error.value)
    assert not (tmp_path / "mine").exists()


def test_mistakes_of_folders_are_refused(tmp_path, photos):
    folder, captions = photos
    with pytest.raises(UserError, match="none: no such folder; give the folder of the pictures"):
        assemble(tmp_path / "mine", captions, rng(), pictures=tmp_path / "none")
    with pytest.raises(
        UserError, match="has none of the 1 picture that has captions .the first: 'x.jpg'.; give their folder"
    ):
        assemble(tmp_path / "mine", [Described("x.jpg", ["A dog"])], rng(), pictures=folder)
    with pytest.raises(UserError, match="no caption has a word in it"):
        assemble(tmp_path / "mine", [Described("p0.jpg", ["..."])], rng(), pictures=folder)
    with pytest.raises(UserError, match="every picture has its split already"):
        assemble(tmp_path / "mine", [captions[0]._replace(split="val")], rng(), pictures=folder, splits="val=1")
    with pytest.raises(UserError, match="p0.jpg: is in two splits, train and val"):
        twice = [Described("p0.jpg", ["A"], "train"), Described("./p0.jpg", ["A"], "val")]
        assemble(tmp_path / "mine", twice, rng(), pictures=folder)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: is a file; give a folder"):
        assemble(tmp_path / "file", captions, rng(), pictures=folder)
    assert not (tmp_path / "mine").exists()


def test_an_existing_dataset_is_only_replaced_by_force(tmp_path, photos):
    folder, captions = photos
    path = assemble(tmp_path / "mine", captions, rng(), pictures=folder).path
    before = path.read_bytes()
    with pytest.raises(
        UserError, match="dataset.json: is there already; give another folder, or --force to replace it"
    ):
        assemble(tmp_path / "mine", captions[:5], rng(), pictures=folder)
    assert path.read_bytes() == before
    assert assemble(tmp_path / "mine", captions[:5], rng(), pictures=folder, force=True).images == 5


def test_a_failure_leaves_no_dataset(tmp_path, photos, monkeypatch):
    folder, captions = photos

    def full(reading, writing, size):
        writing.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assemble_module.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        assemble(tmp_path / "mine", captions, rng(), pictures=folder, copy=True)
    assert [name for _, _, names in os.walk(tmp_path / "mine") for name in names] == []


# The command


def write_csv(path, captions):
    path.write_text(
        "image,caption\n" + "".join(f"{picture.name},{text}\n" for picture in captions for text in picture.captions)
    )
    return str(path)


def test_the_command_makes_a_dataset_and_features(tmp_path, photos, capsys):
    folder, captions = photos
    table, mine = write_csv(tmp_path / "captions.csv", captions), tmp_path / "mine"
    assert command.main([str(mine), table, "--pictures", str(folder), "--extract"]) == 0
    out = capsys.readouterr().out
    assert "10 images (train 8, val 1, test 1), 20 sentences, 13 different words" in out
    assert sorted(os.listdir(mine)) == ["dataset.json", "extractor.npz", "features.npy"]

    from neuraltalk.data.features import check_features, open_features
    from neuraltalk.vision.extractors import load_extractor

    features, dataset = open_features(mine), load_dataset(mine)
    check_features(features, dataset)
    expected = load_extractor(mine / "extractor.npz").features([dataset.picture_path(dataset.images[3])])
    np.testing.assert_allclose(features.rows([3]), expected, rtol=1e-6)

    assert command.main([str(mine), "--check"]) == 0
    out = capsys.readouterr().out
    assert "10 images (train 8, val 1, test 1), no faults" in out and "4096 numbers for each image, no faults" in out

    assert command.main([str(mine), table, "--pictures", str(folder)]) == 2
    assert "error: " in capsys.readouterr().err
    assert command.main([str(mine), table, "--pictures", str(folder), "--extract"]) == 2
    assert (
        "features.npy: is there already; remove it, or leave out --extract to keep it (--force replaces"
        in capsys.readouterr().err
    )


def test_the_command_uses_flickrs_lists(tmp_path, photos, capsys):
    folder, captions = photos
    tokens = folder / "Flickr8k.token.txt"
    tokens.write_text(
        "".join(f"{picture.name}#{k}\t{text}\n" for picture in captions for k, text in enumerate(picture.captions))
    )
    lists = {"train": captions[:5], "dev": captions[5:7], "test": captions[7:9]}
    for name, pictures in lists.items():
        (folder / f"Flickr_8k.{name}Images.txt").write_text("\r\n".join(picture.name for picture in pictures) + "\r\n")
    assert command.main([str(tmp_path / "a"), str(tokens)]) == 0
    out, err = capsys.readouterr()
    assert (
        "9 images (train 5, val 2, test 2)" in out and "left out: 1 picture with captions is in no split file" in err
    )
    # drawn instead, or by other lists
    assert command.main([str(tmp_path / "b"), str(tokens), "--split", "val=1"]) == 0
    assert "10 images (train 9, val 1)" in capsys.readouterr().out
    (tmp_path / "list.txt").write_text("p9.jpg\nx.jpg\n")
    assert command.main([str(tmp_path / "c"), str(tokens), "--split-file", f"train={tmp_path / 'list.txt'}"]) == 0
    out, err = capsys.readouterr()
    assert "1 image (train 1)" in out and "left out: 1 picture in the split files has no captions: x.jpg" in err


def test_the_command_reads_several_coco_files(tmp_path, capsys):
    for name in ("train2014", "val2014"):
        content = {
            "images": [{"id": k, "file_name": f"{name}_{k}.jpg"} for k in range(5)],
            "annotations": [{"image_id": k, "caption": "A dog"} for k in range(5)],
        }
        (tmp_path / f"captions_{name}.json").write_text(json.dumps(content))
    sources = [f"train={tmp_path / 'captions_train2014.json'}", str(tmp_path / "captions_val2014.json")]
    assert command.main([str(tmp_path / "coco"), *sources, "--without-pictures", "--split", "val=2,test=2"]) == 0
    assert "10 images (train 6, val 2, test 2)" in capsys.readouterr().out
    record = json.loads((tmp_path / "coco" / "dataset.json").read_text())["images"][7]
    assert (record["filename"], record["cocoid"], record["imgid"]) == ("val2014_2.jpg", 2, 7)


def test_the_check_lists_every_fault(tmp_path, photos, capsys):
    folder, captions = photos
    path = assemble(tmp_path / "mine", captions, rng(), pictures=folder).path
    assert command.main([str(tmp_path / "mine"), "--check"]) == 2  # no features
    assert "no features; expected one of" in capsys.readouterr().err
    value = json.loads(path.read_text())
    value["images"][0]["imgid"] = 1
    value["images"][4]["split"] = "dev"
    path.write_text(json.dumps(value))
    assert command.main([str(tmp_path / "mine"), "--check"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert (
        len(out) == 3
        and "imgid 1 is also that of image 0" in out[0]
        and "split should be" in out[1]
        and out[2] == "2 faults"
    )


def test_the_check_looks_at_regions_and_phrases(tmp_path, photos, capsys):
    folder, captions = photos
    mine = assemble(tmp_path / "mine", captions, rng(), pictures=folder).path.parent
    np.save(mine / "features.npy", np.ones((10, 4)))
    image, boxes = np.arange(10).repeat(2), np.tile([[0, 0, 8, 8], [1, 1, 4, 4]], (10, 1)).T
    np.savez(mine / "region_feats.npz", feats=np.ones((3, 20)), boxes=boxes, image=image)
    phrase = {"sentence": 0, "phrase": "a dog", "box": [0, 0, 1, 1]}
    (mine / "phrases.json").write_text(json.dumps([[phrase]] + [[]] * 9))
    assert command.main([str(mine), "--check"]) == 0
    out = capsys.readouterr().out
    assert "region_feats.npz: 3 numbers for each of 20 regions, no faults" in out and "phrases.json: 1 phrase, no faults" in out
    np.savez(mine / "region_feats.npz", feats=np.ones((3, 20)), boxes=boxes, image=image + 1)
    assert command.main([str(mine), "--check"]) == 2
    assert "region_feats.npz: image counts the images from 1" in capsys.readouterr().err
    np.savez(mine / "region_feats.npz", feats=np.ones((3, 20)), boxes=boxes, image=image)
    (mine / "phrases.json").write_text("[]")
    assert command.main([str(mine), "--check"]) == 2
    assert "phrases.json: has phrases of 0 images, but there are 10" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["mine"], "CAPTIONS is missing"),
        (["mine", "x.csv", "--without-pictures", "--copy"], "--without-pictures can't be combined"),
        (["mine", "x.csv", "--seed", "-1"], "should be a whole number, 0 or more"),
        (["mine", "none.csv"], "none.csv: can't be read"),
        (["mine", "dogs=none.csv"], "no split 'dogs'"),
        (["mine", "x.csv", "--split-file", "list.txt"], "--split-file list.txt: should be SPLIT=FILE"),
    ],
)
def test_mistakes_on_the_command_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a.jpg,A dog\n")
    assert command.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_extraction_never_hides_behind_other_features(tmp_path, photos, capsys):
    folder, captions = photos
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vgg_feats.mat").touch()
    arguments = [str(tmp_path / "mine"), write_csv(tmp_path / "x.csv", captions), "--pictures", str(folder)]
    assert command.main([*arguments, "--extract", "--force"]) == 2
    assert "vgg_feats.mat: is there already; remove it, or leave out --extract" in capsys.readouterr().err
    assert command.main(arguments) == 0
    assert "vgg_feats.mat was there before: its features must follow" in capsys.readouterr().err
