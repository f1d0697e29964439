import pytest

from lexigraft import ERROR_CODES, LexigraftError


def test_an_error_travels_as_a_record_and_back() -> None:
    error = LexigraftError("bad-checkpoint", "The file ends early.", "Fetch it again.")
    assert error.record() == {"code": "bad-checkpoint", "message": "The file ends early.", "hint": "Fetch it again."}
    assert LexigraftError.of_record(error.record()) == error
    assert str(error) == "bad-checkpoint: The file ends early. Fetch it again."
    assert repr(error) == "LexigraftError('bad-checkpoint', 'The file ends early.')"


def test_a_record_that_lacks_something_is_an_internal_error() -> None:
    assert LexigraftError.of_record({}).record() == {"code": "internal", "message": "", "hint": None}


def test_errors_with_other_codes_differ() -> None:
    assert LexigraftError("io", "x") != LexigraftError("network", "x")
    assert LexigraftError("io", "x") != "io: x"
    assert len({LexigraftError("io", "x")}) == 1


@pytest.mark.parametrize("code", ["aborted", "invalid-argument", "not-found", "io", "network", "unsupported-format"])
def test_the_codes_that_this_package_makes_are_known(code: str) -> None:
    assert code in ERROR_CODES
    assert len(set(ERROR_CODES)) == len(ERROR_CODES)
