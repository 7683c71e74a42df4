"""`ForewarnClassifier` keeps scikit-learn's contract, as far as that can be asked of what reads texts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

from forewarn.errors import ForewarnError
from forewarn.training.estimator import ForewarnClassifier

CRISIS = ["the ferry is sinking", "smoke above the harbour", "people in the river", "sirens all night"]
ORDINARY = ["a new cake recipe", "the match ended well", "a walk in the park", "my cat sleeps"]
WORDS = ["today", "again", "near us", "he said", "so they say", "right now"]
TEXTS = [f"{text} {word}" for word in WORDS for pair in zip(CRISIS, ORDINARY, strict=True) for text in pair]
TRUTH = np.tile([True, False], len(TEXTS) // 2)

LEFT_OUT = {
    "check_classifiers_train": "wants a number of features that is the same in fit and predict; texts have none",
    "check_n_features_in_after_fitting": "texts have no number of features",
    "check_n_features_in": "texts have no number of features",
    "check_complex_data": "is about complex numbers",
    "check_dtype_object": "is about objects that are numbers",
    "check_estimators_empty_data_messages": "is about a matrix without columns",
    "check_estimator_sparse_tag": "is about sparse matrices",
    "check_estimator_sparse_array": "is about sparse matrices",
    "check_estimator_sparse_matrix": "is about sparse matrices",
    "check_fit2d_predict1d": "is about the shape of a matrix of numbers",
    "check_fit2d_1feature": "is about the shape of a matrix of numbers",
    "check_fit2d_1sample": "is about the shape of a matrix of numbers",
    "check_array_api_input": "is about arrays of other libraries",
    "check_classifiers_classes": "its labels, one and two, do not say which of them is that of a crisis",
    "check_methods_subset_invariance": "wants ten digits; vectors are float32: eight digits, tested below",
    "check_classifiers_one_label_sample_weights": "there are no sample weights",
    "check_estimators_dtypes": "is about the precision of numbers",
    "check_f_contiguous_array_estimator": "is about the layout of a matrix of numbers",
    "check_readonly_memmap_input": "is about a memory-mapped matrix of numbers",
}
"""The checks of scikit-learn that make no sense here, and why."""
SLOW = {
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_classifier_data_not_an_array",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_classifiers_one_label",
    "check_estimators_partial_fit_n_features",
    "check_non_transformer_estimators_n_iter",
    "check_decision_proba_consistency",
    "check_methods_sample_order_invariance",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_dont_overwrite_parameters",
    "check_supervised_y_2d",
    "check_estimators_overwrite_params",
    "check_fit_score_takes_y",
}
"""Checks that hold, but fit several times, half a minute in all: run by `FOREWARN_SLOW=1`."""


class NumbersAsTexts(ForewarnClassifier):
    """scikit-learn's checks give rows of numbers: each number is a word here."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = False, True
        return tags

    def fit(self, X: Any, y: Any) -> NumbersAsTexts:
        return super().fit(_words(X), y)

    def decision_function(self, X: Any) -> Any:
        return super().decision_function(_words(X))


def _words(rows: Any) -> Any:
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not np.isfinite(rows).all():
        return rows
    return [" ".join(f"w{at}{'abcdefghij'[int(number) % 10]}" for at, number in enumerate(row)) for row in rows]


def _checks() -> list[Any]:
    found = [check for _, check in estimator_checks_generator(NumbersAsTexts())]
    without = set(LEFT_OUT) if os.environ.get("FOREWARN_SLOW") else set(LEFT_OUT) | SLOW
    return [pytest.param(check, id=_name(check)) for check in found if _name(check) not in without]


def _name(check: Any) -> str:
    return str(getattr(check, "func", check).__name__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", _checks())
def test_a_check_of_scikit_learn_holds(check: Callable[[Any], None]) -> None:
    check(NumbersAsTexts())


def test_every_check_that_is_left_out_is_one_of_scikit_learn() -> None:
    assert set(LEFT_OUT) | SLOW <= {_name(check) for _, check in estimator_checks_generator(NumbersAsTexts())}


@pytest.fixture(scope="module")
def fitted() -> ForewarnClassifier:
    return ForewarnClassifier().fit(TEXTS, TRUTH)


def test_texts_it_has_not_seen_are_told_apart(fitted: ForewarnClassifier) -> None:
    assert fitted.predict(["the ferry is sinking, they say", "a cake for the match"]).tolist() == [True, False]
    assert fitted.classes_.tolist() == [False, True]


def test_probabilities_are_of_the_classes_in_order_and_add_up_to_one(fitted: ForewarnClassifier) -> None:
    probabilities = fitted.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), 2)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities[TRUTH, 1] > 0.5).all()


def test_a_text_has_the_same_score_alone_and_among_others(fitted: ForewarnClassifier) -> None:
    together = fitted.decision_function(TEXTS[:6])
    alone = np.concatenate([fitted.decision_function([text]) for text in TEXTS[:6]])
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)


def test_the_crisis_may_be_the_first_of_the_two_labels() -> None:
    labels = np.where(TRUTH, "crisis", "ordinary")
    fitted = ForewarnClassifier().fit(TEXTS, labels)
    assert fitted.predict(["smoke above the harbour"]).tolist() == ["crisis"]
    assert fitted.decision_function(["smoke above the harbour"])[0] < 0, "the log-odds of classes_[1], ordinary"
    assert fitted.predict_proba(["smoke above the harbour"])[0, 0] > 0.5


def test_labels_that_do_not_say_which_is_the_crisis_are_asked_about() -> None:
    labels = np.where(TRUTH, "red", "blue")
    with pytest.raises(ForewarnError, match=r"(?s)blue or red.*positive="):
        ForewarnClassifier().fit(TEXTS, labels)
    assert ForewarnClassifier("red").fit(TEXTS, labels).predict(["my cat sleeps"]).tolist() == ["blue"]


def test_unfitted_it_says_so() -> None:
    for ask in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(ForewarnClassifier(), ask)(["a text"])


def test_it_is_cloned_with_its_parameters() -> None:
    copy = clone(ForewarnClassifier("flood", random_state=7))
    assert copy.get_params()["positive"] == "flood"
    assert copy.set_params(random_state=3).random_state == 3


def test_what_cannot_teach_is_a_value_error_with_a_remedy() -> None:
    for texts, labels, said in (
        (TEXTS, TRUTH[:-1], "Give one label a text"),
        (TEXTS, np.ones(len(TEXTS)), "binary classification"),
        (["a", None], [0, 1], "Leave it out"),
        ("one text", [1], "list"),
    ):
        with pytest.raises(ValueError, match=f"(?s){said}") as met:
            ForewarnClassifier().fit(texts, labels)
        assert isinstance(met.value, ForewarnError)


@pytest.mark.parametrize("frame", [pl.DataFrame({"text": TEXTS}), pd.DataFrame({"text": TEXTS}), np.array(TEXTS)])
def test_frames_and_arrays_are_texts_too(frame: Any, fitted: ForewarnClassifier) -> None:
    np.testing.assert_allclose(fitted.decision_function(frame), fitted.decision_function(TEXTS), rtol=1e-6)


def test_it_stands_at_the_end_of_a_pipeline_under_cross_validation() -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda texts: [text.strip() for text in texts]), ForewarnClassifier())
    scores = cross_val_score(pipeline, TEXTS, TRUTH, cv=2)
    assert scores.mean() > 0.9
