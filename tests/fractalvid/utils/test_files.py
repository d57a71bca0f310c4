"""Files that appear whole, and places that are tried before the work."""

from pathlib import Path

import pytest

from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, make_folder, replace_file, write_bytes, write_text


def test_a_name_that_is_too_long_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 252)  # itself possible, but not with what the name of the temporary file adds
    with pytest.raises(UserError, match="File name too long"):
        write_bytes(path, b"data")
    with pytest.raises(UserError, match="File name too long"):
        check_place(path)
    with pytest.raises(OSError, match="File name too long"):
        replace_file(path, b"data")
    assert not list(tmp_path.iterdir())


def test_text_that_is_no_utf_8_is_written_all_the_same(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "a name: q\udcff.npz")
    assert (tmp_path / "x").read_text(encoding="utf-8") == "a name: q?.npz"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")  # once more, with what is in it
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^can't make the folder .*file: File exists; choose another --out$"):
        make_folder(tmp_path / "file")
    with pytest.raises(UserError, match="file/deeper: Not a directory"):
        make_folder(tmp_path / "file" / "deeper")


def test_trying_a_place_makes_its_folder_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    check_place(path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", tmp_path / "new" / "folder"]
    path.write_text("held")
    check_place(path)
    assert path.read_text() == "held"
    for wrong in (path / "below", path.parent):
        with pytest.raises(UserError, match=r"can't write .*choose another --out"):
            check_place(wrong)
