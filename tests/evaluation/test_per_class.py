"""Accuracy of each class."""

from delrec_compile.evaluation.per_class import ClassAccuracy, class_names, counted, per_class


def test_each_class_that_occurs_has_a_row() -> None:
    rows = per_class(["a", "b", "c"], predicted=[0, 1, 1, 0], true=[0, 1, 0, 0])
    assert rows == [ClassAccuracy("a", 3, 2), ClassAccuracy("b", 1, 1)]
    assert rows[0].accuracy == 2 / 3


def test_classes_without_labels_are_numbers() -> None:
    assert class_names(("low", "high"), [5]) == ["low", "high"]
    assert class_names((), [0, 1], [3]) == ["0", "1", "2", "3"]
    assert class_names((), [], []) == ["0"]


def test_classes_are_counted_where_no_true_ones_are_known() -> None:
    assert counted(["a", "b", "c"], [2, 0, 2]) == [("a", 1), ("c", 2)]
