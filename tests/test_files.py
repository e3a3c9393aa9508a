"""Files are written whole, or not at all; an error names the file that the user named."""

import resource

import pytest

from tinygrad_edu.files import write_whole


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    assert write_whole(path, lambda file: file.write(b"one")) == path
    write_whole(str(path), lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nodir, make it first"):
        write_whole(tmp_path / "nodir" / "a.txt", lambda file: file.write(b"one"))


@pytest.mark.parametrize("error", [ValueError("wrong"), OSError("wrong"), KeyboardInterrupt()])
def test_an_error_of_the_writer_is_not_touched_and_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"new")
        raise error

    with pytest.raises(type(error)) as caught:
        write_whole(path, write)
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_opened_is_named_as_the_user_did(tmp_path):
    path = tmp_path / "a.txt"
    (tmp_path / "a.txt.tmp").mkdir()  # the draft has no room
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(path, lambda file: file.write(b"one"))
    assert caught.value.filename == str(path)


def test_a_full_disk_is_named_with_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write_whole(path, lambda file: file.write(bytes(2 << 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
