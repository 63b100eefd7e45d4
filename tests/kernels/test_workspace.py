"""What workspaces hand out: memory that is aligned, used again, and let go when it is too small."""

import numpy as np
import pytest

from fastrnn.kernels.vector_math import packed_left_size, packed_size
from fastrnn.kernels.workspace import ALIGNMENT, Workspace


@pytest.fixture(params=["float32", "float64"])
def work(request):
    return Workspace(request.param)


def address(array):
    return array.ctypes.data


def test_arrays_are_aligned(work):
    for size in (1, 3, 17, 1000):
        array = work.take(("array", size), (size, 2))
        assert array.shape == (size, 2) and array.dtype == work.dtype
        assert array.flags.c_contiguous and address(array) % ALIGNMENT == 0


def test_a_name_keeps_its_memory(work):
    first = work.take("name", (4, 3))
    first[...] = 7
    assert work.take("name", (4, 3)) is first
    smaller = work.take("name", (2, 5))
    assert smaller.shape == (2, 5) and address(smaller) == address(first)
    assert (smaller == 7).all()
    assert not np.shares_memory(first, work.take("other", (4, 3)))


def test_memory_grows_with_need_only(work):
    nbytes = []
    for n in (10, 5, 10, 20, 15):
        assert work.take("name", (n,)).shape == (n,)
        nbytes.append(work.nbytes // work.dtype.itemsize)
    assert nbytes == [10, 10, 10, 20, 20]


def test_another_dtype(work):
    assert work.take("rows", (3,), dtype=np.int64).dtype == np.int64
    assert work.take("rows", (5,), dtype=np.int64).dtype == np.int64


def test_zeros(work):
    work.take("name", (3, 2))[...] = 1
    assert not work.zeros("name", (3, 2)).any()


def test_room_for_packed_factors(work):
    for take, size_of in [(work.packed, packed_size), (work.packed_left, packed_left_size)]:
        room = take(size_of.__name__, 5, 7)
        assert room.shape == (size_of(5, 7),)
        assert take(size_of.__name__, 5, 7) is room
        assert take(size_of.__name__, 70, 9).shape == (size_of(70, 9),)
        assert take(size_of.__name__, 5, 7).shape == (size_of(5, 7),)


def test_parts_have_memory_of_their_own(work):
    array, part = work.take("name", (4,)), work.part("part")
    assert work.part("part") is part and work.part("other") is not part
    assert part.dtype == work.dtype
    assert not np.shares_memory(part.take("name", (4,)), array)
    assert work.nbytes == 2 * array.nbytes


def test_kernels_are_called(work):
    assert work.call(max, 1, 2) == 2
