"""Loading: files are read to where their codes stay, and what is damaged is an error that names it once."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest

import latentknn as lk

ROWS, DIM = 40_000, 64
CODES = np.random.default_rng(0).standard_normal((ROWS, DIM), dtype=np.float32)


@pytest.fixture(params=["index.safetensors", "folder/"])
def saved(request, tmp_path):
    path = f"{tmp_path}/{request.param}"
    index = lk.CosineIndex.from_codes(CODES[:30_000], engine="cpu")
    index.save(path)
    index.add(CODES[30_000:])
    index.save(path)
    return path


def largest_file(path):
    if os.path.isfile(path):
        return path
    return max((os.path.join(path, name) for name in os.listdir(path)), key=os.path.getsize)


def test_loading_makes_no_second_copy_of_the_codes(saved):
    tracemalloc.start()
    try:
        index = lk.CosineIndex.load(saved, engine="cpu")
        allocated = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert index.codes.tobytes() == CODES.tobytes()
    assert allocated < CODES.nbytes / 4


@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_a_damaged_block_is_an_error_that_names_the_file_once(saved, engine):
    name = largest_file(saved)
    with open(name, "r+b") as file:
        file.seek(os.path.getsize(name) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))
    with pytest.raises(ValueError, match="are not what was written") as caught:
        lk.CosineIndex.load(saved, engine=engine)
    assert str(caught.value).count("is not a readable") == (1 if saved.endswith("rs") else 2)
    assert name in str(caught.value)


def test_a_file_that_is_cut_short_while_it_is_read_is_an_error(saved, monkeypatch):
    name = largest_file(saved)
    preadv, begun = os.preadv, []

    def cutting(file, buffers, position):
        if len(buffers[0]) >= 1 << 20 and not begun:
            begun.append(position)
            os.truncate(name, 3 << 20)
        return preadv(file, buffers, position)

    monkeypatch.setattr(os, "preadv", cutting)
    with pytest.raises(ValueError, match="which was not the end when it was opened"):
        lk.CosineIndex.load(saved, engine="cpu")
    assert begun


def test_an_interrupt_while_codes_are_read_is_raised(saved, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "preadv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lk.CosineIndex.load(saved, engine="cpu")


def test_what_the_core_is_given_to_fill_is_refused_like_other_codes():
    database = lk._core.Database(3, "auto")

    def write(rows):
        rows[:] = 1
        rows[4, 1] = np.nan

    with pytest.raises(ValueError, match="row 4 of the codes contains NaN"):
        database.fill(9, write, None, 2)
    assert len(database) == 0

    def fail(rows):
        raise OSError(5, "no more of it")

    with pytest.raises(OSError, match="no more of it"):
        database.fill(9, fail, None, 2)
    assert len(database) == 0
    ids = np.zeros(9, np.int64)

    def write_both(rows):
        rows[:] = np.arange(27).reshape(9, 3) + 1
        ids[:] = np.arange(9)[::-1]

    database.fill(9, write_both, ids, 2)
    assert database.rows().tolist() == (np.arange(27).reshape(9, 3) + 1).tolist()
    assert database.own_ids().tolist() == ids.tolist()
