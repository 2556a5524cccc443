"""Data sets of tables and arrays: codes, images and texts, with labels of any kind."""

import io
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from dataset_files import write_npz
from latentknn import datasets
from latentknn.datasets import Dataset, LabelledItems, from_arrays, from_table

CODES = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
NAMES = np.array(["up", "down", "left"] * 4)
IMAGES = np.random.default_rng(1).integers(0, 256, (12, 4, 5), np.uint8)


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def list_table(kind=None):
    codes = pa.array(CODES.tolist(), kind or pa.list_(pa.float32()))
    return pa.table({"embedding": codes, "label": NAMES.tolist(), "number": range(12)})


def assert_same_rows(dataset, items, labels):
    """Check that a data set has all rows, each with its label, and every class on both sides."""
    assert dataset.class_names == tuple(map(str, np.unique(labels)))
    both = [
        (dataset.train_items, dataset.train_labels),
        (dataset.test_items, dataset.test_labels),
    ]
    found = {
        (np.asarray(item).tobytes(), dataset.class_names[number])
        for some, numbers in both
        for item, number in zip(some, numbers, strict=True)
    }
    assert found == {
        (np.asarray(item).tobytes(), str(name)) for item, name in zip(items, labels, strict=True)
    }
    for _, numbers in both:
        assert set(numbers.tolist()) == set(range(len(dataset.class_names)))


TABLES = {
    "arrow": list_table,
    "large lists": lambda: list_table(pa.large_list(pa.float32())),
    "fixed lists": lambda: list_table(pa.list_(pa.float32(), 3)),
    "chunks": lambda: pa.concat_tables([list_table().slice(0, 5), list_table().slice(5)]),
    "slice": lambda: pa.concat_tables([list_table(), list_table()]).slice(12),
    "tensors": lambda: pa.table(
        {"embedding": pa.FixedShapeTensorArray.from_numpy_ndarray(CODES), "label": NAMES.tolist()}
    ),
    "pandas": lambda: pd.DataFrame({"embedding": list(CODES), "label": pd.Categorical(NAMES)}),
    "polars": lambda: pl.DataFrame({"embedding": CODES, "label": pl.Series(NAMES, dtype=pl.Categorical)}),
    "polars lists": lambda: pl.DataFrame({"embedding": CODES.tolist(), "label": NAMES}).cast(
        {"embedding": pl.List(pl.Float32)}
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_codes_of_tables(kind):
    dataset = from_table(TABLES[kind]())
    assert isinstance(dataset, LabelledItems)
    assert dataset.unit == "codes"
    assert dataset.train_items.dtype == np.float32
    assert_same_rows(dataset, CODES, NAMES)


@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow"])
def test_tables_in_files(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    if suffix == "parquet":
        pyarrow.parquet.write_table(list_table(), path)
    elif suffix == "feather":
        pyarrow.feather.write_feather(list_table(), path)
    else:
        with pa.ipc.new_stream(path, list_table().schema) as stream:
            stream.write_table(list_table())
    dataset = from_table(path, items="embedding", labels="label")
    assert dataset.name == "mine"
    assert_same_rows(dataset, CODES, NAMES)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(datasets.DatasetCorruptError, match=rf"mine\.{suffix} cannot be read"):
        from_table(path)
    with pytest.raises(datasets.DatasetNotFoundError, match=rf"none\.{suffix} is no file"):
        from_table(tmp_path / f"none.{suffix}")


def as_bytes():
    return pa.array([encoded(image) for image in IMAGES])


def as_hugging_face_pictures():
    return pa.array([{"bytes": encoded(image), "path": None} for image in IMAGES])


def as_nested_lists():
    return pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.int32())))


def as_fixed_lists():
    return pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.uint8(), 5), 4))


@pytest.mark.parametrize(
    "column",
    [as_bytes, as_hugging_face_pictures, as_nested_lists, as_fixed_lists],
    ids=lambda make: make.__name__,
)
def test_images_of_tables(column):
    dataset = from_table(pa.table({"image": column(), "label": NAMES.tolist()}))
    assert isinstance(dataset, Dataset)
    assert dataset.image_shape == (4, 5, 1)
    assert_same_rows(dataset, IMAGES, NAMES)


def test_pixels_in_flat_lists_need_a_size():
    table = pa.table({"image": IMAGES.reshape(12, 20).tolist(), "label": NAMES.tolist()})
    assert_same_rows(from_table(table, image_size=(4, 5)), IMAGES, NAMES)
    with pytest.raises(ValueError, match=r"items of shape \(20,\), which are no images of 4x4"):
        from_table(table, image_size=(4, 4))
    assert from_table(table).unit == "codes"


def test_paths_of_pictures_are_relative_to_the_table(tmp_path):
    (tmp_path / "pictures").mkdir()
    paths = []
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{number}.png")
        paths.append(f"pictures/{number}.png")
    pyarrow.parquet.write_table(
        pa.table({"image": paths, "label": NAMES.tolist()}), tmp_path / "mine.parquet"
    )
    assert_same_rows(from_table(tmp_path / "mine.parquet"), IMAGES, NAMES)
    loaded = datasets.load("mine", tmp_path / "mine.parquet", image_size=(2, 2))
    assert loaded.image_shape == (2, 2, 1)
    (tmp_path / "pictures" / "3.png").unlink()
    with pytest.raises(datasets.DatasetCorruptError, match=r"pictures/3\.png cannot be read as a picture"):
        from_table(tmp_path / "mine.parquet")


def test_a_damaged_picture_of_a_table_is_named():
    pictures = [encoded(image) for image in IMAGES]
    pictures[7] = b"nothing"
    with pytest.raises(
        datasets.DatasetCorruptError, match="row 7 of column 'image' of the table cannot be read"
    ):
        from_table(pa.table({"image": pictures, "label": NAMES.tolist()}))


def test_texts_of_tables():
    texts = [f"text {number}" for number in range(12)]
    dataset = from_table(pd.DataFrame({"text": texts, "label": NAMES}))
    assert dataset.unit == "texts"
    assert_same_rows(dataset, np.array(texts), NAMES)


def test_the_split_of_a_table():
    table = list_table()
    train, test = table.slice(0, 9), table.slice(9)
    says = table.append_column("part", pa.array(["train"] * 9 + ["test"] * 3))
    for dataset in (
        from_table(train, test),
        from_table({"train": train, "test": test}),
        from_table(says, split="part"),
    ):
        assert np.array_equal(dataset.train_items, CODES[:9])
        assert np.array_equal(dataset.test_items, CODES[9:])
        assert dataset.train_labels.tolist() == [2, 0, 1] * 3
    with pytest.raises(ValueError, match="column 'label' of the table holds 'down', expected train and test"):
        from_table(table, split="label")
    with pytest.raises(ValueError, match="received split and test"):
        from_table(says, test, split="part")


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": [1.0]}, {}, "has the columns x, none of them with a usual name.*items=NAME"),
        ({"code": [1.0], "text": ["a"]}, {}, "has the columns code, text, 2 of them with a usual name"),
        ({"code": [[1.0]]}, {"labels": "class"}, "has no column 'class'; it has code"),
        ({"code": [[1.0], None], "label": [1, 2]}, {}, "row 1 of column 'code' of the table is missing"),
        (
            {"code": [[1.0], [2.0]], "label": ["a", None]},
            {},
            "row 1 of column 'label' of the table is missing",
        ),
        ({"code": [[1.0], [2.0, 3.0]], "label": [1, 2]}, {}, "the first has 1, that of row 1 has 2"),
        (
            {"code": [[1.0, 2.0], [2.0, None]], "label": [1, 2]},
            {},
            "row 1 of column 'code' .* missing number",
        ),
        ({"code": [["a"], ["b"]], "label": [1, 2]}, {}, "holds string, expected numbers"),
        ({"code": [[1.0], [2.0]], "label": ["a", "b"]}, {}, "a single item of 2 classes, such as 'a', 'b'"),
    ],
)
def test_wrong_tables_are_refused(columns, options, message):
    with pytest.raises(ValueError, match=message):
        from_table(pa.table(columns), **options)


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="the table is a int, which Arrow cannot read as a table"):
        from_table(3)


class HuggingFaceLike:
    """What `datasets.Dataset` of Hugging Face documents of itself, as far as it is used here."""

    class ClassLabel:
        names = ("left", "down", "up")

    def __init__(self):
        self.features = {"image": object(), "label": self.ClassLabel()}

    def with_format(self, kind):
        assert kind == "arrow"
        numbers = [self.ClassLabel.names.index(name) for name in NAMES]
        table = pa.table({"image": as_hugging_face_pictures(), "label": numbers})

        class Formatted:
            def __getitem__(self, rows):
                assert rows == slice(None)
                return table

        return Formatted()


def test_a_data_set_of_hugging_face_by_its_interface():
    assert_same_rows(from_table(HuggingFaceLike()), IMAGES, NAMES)


def test_a_data_set_of_hugging_face():
    hugging_face = pytest.importorskip("datasets")
    features = hugging_face.Features(
        {"image": hugging_face.Image(), "label": hugging_face.ClassLabel(names=["left", "down", "up"])}
    )
    rows = {"image": [Image.fromarray(image) for image in IMAGES], "label": NAMES.tolist()}
    whole = hugging_face.Dataset.from_dict(rows, features=features)
    assert_same_rows(from_table(whole), IMAGES, NAMES)
    chosen = whole.shuffle(seed=1).select(range(9))
    parts = hugging_face.DatasetDict({"train": whole, "test": chosen})
    dataset = from_table(parts)
    assert np.array_equal(dataset.train_images, IMAGES)
    expected = [np.asarray(row["image"]) for row in chosen]
    assert np.array_equal(dataset.test_images, expected)


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "latentknn\[tables\]"'):
        from_table("mine.parquet")


# Arrays


def test_arrays_of_codes_images_and_texts():
    for items, unit in ((CODES, "codes"), (IMAGES, "images"), (NAMES, "texts"), (CODES[:, None], "items")):
        dataset = from_arrays(items, NAMES)
        assert dataset.unit == unit
        assert isinstance(dataset, Dataset if unit == "images" else LabelledItems)
        assert_same_rows(dataset, items, NAMES)


def test_npy_files_are_mapped_into_memory(tmp_path):
    np.save(tmp_path / "codes.npy", CODES)
    np.save(tmp_path / "labels.npy", NAMES)
    dataset = from_arrays(
        tmp_path / "codes.npy", str(tmp_path / "labels.npy"), CODES[:3], NAMES[:3], name="mine"
    )
    assert np.array_equal(dataset.train_items, CODES)
    base = dataset.train_items
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert_same_rows(from_arrays(tmp_path / "codes.npy", NAMES), CODES, NAMES)


def test_wrong_npy_files_are_named(tmp_path):
    with pytest.raises(datasets.DatasetNotFoundError, match=r"none\.npy is no file"):
        from_arrays(tmp_path / "none.npy", NAMES)
    (tmp_path / "text.npy").write_text("nothing")
    with pytest.raises(datasets.DatasetCorruptError, match=r"text\.npy cannot be read as an \.npy file"):
        from_arrays(tmp_path / "text.npy", NAMES)
    np.savez(tmp_path / "both.npz", CODES)
    with pytest.raises(datasets.DatasetCorruptError, match=r"both\.npz is an \.npz file"):
        from_arrays(tmp_path / "both.npz", NAMES)
    np.save(tmp_path / "codes.npy", CODES)
    with pytest.raises(ValueError, match=r"codes\.npy: labels must have shape \(12,\)"):
        from_arrays(tmp_path / "codes.npy", NAMES[:5])


def test_integers_with_gaps_become_numbers_without():
    labels = np.array([3, 100, 7] * 4)
    dataset = from_arrays(CODES, labels)
    assert dataset.class_names == ("3", "7", "100")
    assert set(dataset.train_labels.tolist()) == {0, 1, 2}
    assert datasets.describe_rare_classes(dataset) == ""


def test_halves_of_arrays_are_refused():
    with pytest.raises(ValueError, match="only one of test_items and test_labels"):
        from_arrays(CODES, NAMES, CODES)
    with pytest.raises(ValueError, match="the test items has items of class 'new', but the items has none"):
        from_arrays(CODES, NAMES, CODES[:1], ["new"])
    with pytest.raises(TypeError, match=r"dtype <U4, but the test items of float64"):
        from_arrays(CODES, NAMES, CODES[:1], [3.5])
    with pytest.raises(ValueError, match="the items: label 1 is missing"):
        from_arrays(CODES[:2], ["a", None])


def test_labels_of_an_npz_file_may_be_strings(tmp_path, arrays):
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    named = {part: names[a] if "labels" in part else a for part, a in arrays.items()}
    dataset = datasets.load("mine", write_npz(tmp_path / "mine.npz", named))
    assert dataset.class_names == tuple(sorted(names))
    assert [dataset.class_names[n] for n in dataset.train_labels] == named["train_labels"].tolist()
    given = datasets.load("mine", write_npz(tmp_path / "mine.npz", named, class_names=names))
    assert given.class_names == tuple(names)
    assert np.array_equal(given.test_labels, arrays["test_labels"])
    with pytest.raises(ValueError, match=r"y_train\): label '\w+' is none of the class names one, two"):
        datasets.load("mine", write_npz(tmp_path / "mine.npz", named, class_names=["one", "two"]))


def test_strings_beside_numbers_are_refused(tmp_path, arrays):
    mixed = arrays | {"test_labels": arrays["test_labels"].astype(np.str_)}
    with pytest.raises(
        ValueError, match=r"y_train\) has dtype uint8, but .*y_test\) <U3; labels must be all"
    ):
        datasets.load("mine", write_npz(tmp_path / "mine.npz", mixed))


def test_rare_classes_are_told():
    train = np.array([0, 0, 1], np.int64)
    dataset = LabelledItems("mine", CODES[:3], train, CODES[:1], train[:1], ("a", "b", "c"), "codes")
    assert datasets.describe_rare_classes(dataset) == (
        "no training codes are of c; a single one of the training codes is of b"
    )
