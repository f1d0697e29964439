from pathlib import Path

import numpy
import PIL.Image
import pytest

from lexigraft import LexigraftError, Source, served
from lexigraft.sources import CHUNK_BYTES, picture


def code_of(call) -> str:
    with pytest.raises(LexigraftError) as raised:
        call()
    return raised.value.code


def test_an_address_is_read_by_the_page() -> None:
    source = Source.of("HTTPS://example.org/model.gguf")
    assert source.record() == {
        "kind": "url",
        "key": "HTTPS://example.org/model.gguf",
        "url": "HTTPS://example.org/model.gguf",
    }
    assert code_of(lambda: source.read(0, 1)) == "invalid-argument"


def test_a_path_is_sent_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    content = bytes(range(256)) * 20_000
    file.write_bytes(content)
    source = Source.of(str(file))
    record = source.record()
    assert (record["kind"], record["name"], record["size"]) == ("sent", "model.gguf", len(content))
    parts = [source.read(at, min(CHUNK_BYTES, len(content) - at)) for at in range(0, len(content), CHUNK_BYTES)]
    assert len(parts) == 2
    assert b"".join(parts) == content
    assert Source.of(file).key == source.key


def test_a_changed_file_has_another_key_and_a_shorter_one_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"a longer content")
    source = Source.of(file)
    file.write_bytes(b"short")
    assert Source.of(file).key != source.key
    assert code_of(lambda: source.read(0, 16)) == "io"
    file.unlink()
    assert code_of(lambda: source.read(0, 16)) == "io"


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 0), (0, CHUNK_BYTES + 1), (100, 1)])
def test_parts_out_of_bounds_are_refused(offset: int, length: int) -> None:
    assert code_of(lambda: Source.of(b"twelve bytes").read(offset, length)) == "invalid-argument"


def test_what_is_no_file_is_refused_by_code(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert code_of(lambda: Source.of(tmp_path / "none")) == "not-found"
    assert code_of(lambda: Source.of(tmp_path)) == "io"
    assert code_of(lambda: Source.of(tmp_path / "empty")) == "invalid-argument"
    assert code_of(lambda: Source.of(b"")) == "invalid-argument"
    assert code_of(lambda: Source.of(7)) == "invalid-argument"


def test_a_file_too_large_for_the_kernel_names_the_ways_around(tmp_path: Path) -> None:
    file = tmp_path / "large.gguf"
    with file.open("wb") as large:
        # Sparse: it takes no room.
        large.truncate(2 * 2**30 + 1)
    with pytest.raises(LexigraftError, match=r"lexigraft\.served"):
        Source.of(file)


def test_bytes_are_kept_as_they_were() -> None:
    given = bytearray(b"abc")
    source = Source.of(given)
    given[0] = 0
    assert source.read(0, 3) == b"abc"
    assert source.key == Source.of(b"abc").key != Source.of(b"abd").key


def test_a_served_file_stays_below_the_server() -> None:
    assert served("/models/a.gguf").record() == {
        "kind": "served",
        "key": "served:models/a.gguf",
        "path": "models/a.gguf",
    }
    for path in ["../secret", "models/../../secret", "", "/"]:
        assert code_of(lambda path=path: served(path)) == "invalid-argument"


def test_pictures_become_pixels() -> None:
    image = PIL.Image.new("RGB", (3, 2), (10, 20, 30))
    image.putpixel((1, 0), (40, 50, 60))
    of_image = picture(image)
    assert of_image.record()["pixels"] == {"width": 3, "height": 2}
    assert of_image.read(0, 24)[:8] == bytes([10, 20, 30, 255, 40, 50, 60, 255])
    assert picture(numpy.asarray(image)).read(0, 24) == of_image.read(0, 24)
    assert picture(numpy.asarray(image.convert("RGBA"))).key == of_image.key
    grey = picture(numpy.array([[1, 2], [3, 4]], dtype=numpy.uint8))
    assert grey.read(0, 16) == bytes([1, 1, 1, 255, 2, 2, 2, 255, 3, 3, 3, 255, 4, 4, 4, 255])


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    values = numpy.zeros((2, 3), dtype=numpy.uint8)
    assert picture(values).key != picture(values.reshape(3, 2)).key


def test_a_slice_of_an_array_is_a_picture() -> None:
    values = numpy.arange(48, dtype=numpy.uint8).reshape(4, 4, 3)
    assert picture(values[::2, ::2]).read(0, 16) == picture(values[::2, ::2].copy()).read(0, 16)


@pytest.mark.parametrize("shape", [(2, 2, 2), (4,), (2, 2, 3, 1)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    assert code_of(lambda: picture(numpy.zeros(shape, dtype=numpy.uint8))) == "invalid-argument"


def test_arrays_of_other_types_and_empty_ones_are_refused() -> None:
    assert code_of(lambda: picture(numpy.zeros((2, 2)))) == "invalid-argument"
    assert code_of(lambda: picture(numpy.zeros((0, 4, 3), dtype=numpy.uint8))) == "empty-image"
