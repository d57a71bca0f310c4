import numpy as np
import pytest

from fractalvid.finetune.results.scores import confusion_matrix, scores, top_classes


def test_scores_are_in_percent_and_classes_weigh_equally() -> None:
    p = np.full((6, 7), 0.01)
    labels = np.array([0, 0, 0, 0, 1, 5])
    for row, best in enumerate([0, 0, 0, 3, 1, 6]):
        p[row, best] = 0.9
    p[3, 0] = 0.5  # second
    p[5, 5] = 0.0  # last of seven
    got = scores(p, labels)
    assert got["top1"] == pytest.approx(100 * 4 / 6)
    assert got["top5"] == pytest.approx(100 * 5 / 6)
    assert got["mean_class"] == pytest.approx((75 + 100 + 0) / 3)


def test_top_5_of_fewer_classes_is_all_of_them() -> None:
    p = np.array([[0.2, 0.5, 0.3]])
    assert top_classes(p, 5).tolist() == [[1, 2, 0]]
    assert scores(p, np.array([0]))["top5"] == 100.0


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns() -> None:
    matrix = confusion_matrix(np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]
