from pathlib import Path

import pytest

from fractalvid.finetune.weights.classes import map_classes, read_class_map
from fractalvid.utils.errors import UserError

KNOWN = ("zumba", "air_drumming", "Abseiling", "yoga")


def test_classes_are_found_by_name_whatever_the_case_and_spaces() -> None:
    found = map_classes(["abseiling", "air drumming"], KNOWN, {})
    assert found.names == ("abseiling", "air drumming", "yoga", "zumba")
    assert [KNOWN[column] for column in found.columns] == ["Abseiling", "air_drumming", "yoga", "zumba"]
    assert found.answers == (0, 1)


def test_a_name_of_its_own_comes_before_one_that_is_alike() -> None:
    assert map_classes(["run", "walk"], ["Run", "run", "walk"], {}).columns == (1, 2, 0)
    with pytest.raises(UserError, match="1 of the 1 classes"):
        map_classes(["RUN"], ["Run", "run"], {})


def test_a_class_that_the_weights_lack_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        map_classes(["yoga", "zumbaa", "swimming"], KNOWN, {})
    text = str(caught.value)
    assert "2 of the 3 classes are not among the 4 of the weights: 'zumbaa' (nearest: 'zumba'), 'swimming'" in text
    assert "--class-map FILE" in text
    assert "\n" not in text


def test_a_table_says_what_is_meant_and_what_is_left_out() -> None:
    found = map_classes(["dance", "swim", "yoga"], KNOWN, {"dance": "Zumba", "swim": ""})
    assert found.names[:2] == ("dance", "yoga")
    assert found.answers == (0, None, 1)
    assert sorted(found.columns) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="leaves all classes out"):
        map_classes(["swim"], KNOWN, {"swim": ""})
    with pytest.raises(UserError, match=r"'dancing' is no class of the test videos \(nearest: 'dance'\)"):
        map_classes(["dance"], KNOWN, {"dancing": "zumba"})
    with pytest.raises(UserError, match=r"not among the 4 of the weights: 'dance' \(nearest: 'zumba'\)"):
        map_classes(["dance"], KNOWN, {"dance": "zuumba"})


def test_several_classes_may_be_one_to_the_weights_and_names_stay_apart() -> None:
    found = map_classes(["salsa", "tango", "yoga"], KNOWN, {"salsa": "zumba", "tango": "zumba", "yoga": "Abseiling"})
    assert found.answers == (0, 0, 1)
    assert found.names == ("zumba", "yoga", "air_drumming", "yoga (of the weights)")
    assert [KNOWN[column] for column in found.columns] == ["zumba", "Abseiling", "air_drumming", "yoga"]


def test_a_class_map_is_read(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes("\ufeffweights,class,note\r\nzumba, dance ,x\r\n,swim,\r\n".encode())
    assert read_class_map(path) == {"dance": "zumba", "swim": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"class,name\na,b\n", "expected the columns class and weights"),
        (b"", "expected the columns class and weights"),
        (b"class,weights\na,b\na,c\n", "line 3: 'a' is there twice"),
        (b"class,weights\n,b\n", "line 2: the class is empty"),
        (b"class,weights\n\xff,b\n", "is not UTF-8 text"),
        (b"class,weights," + b"x" * 200_000, "line 1: field larger than field limit"),
        (None, "cannot read --class-map"),
    ],
)
def test_bad_class_maps_are_one_line(tmp_path: Path, text: bytes | None, message: str) -> None:
    if text is not None:
        (tmp_path / "map.csv").write_bytes(text)
    with pytest.raises(UserError, match=message) as caught:
        read_class_map(tmp_path / "map.csv")
    assert "\n" not in str(caught.value)


def test_no_two_answers_have_one_name() -> None:
    found = map_classes(["A", "B", "C"], ["C", "D"], {"A": "C", "B": "C", "C": "D"})
    assert (found.names, found.answers) == (("C (of the weights)", "C"), (0, 0, 1))
    found = map_classes(
        ["yoga", "yoga (of the weights)"], KNOWN, {"yoga": "zumba", "yoga (of the weights)": "Abseiling"}
    )
    assert len(set(found.names)) == 4
    assert found.names[:2] == ("yoga", "yoga (of the weights)")
    assert len(set(map_classes(["run"], ["walk", "run", "walk"], {}).names)) == 3
