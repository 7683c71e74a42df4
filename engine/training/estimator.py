"""forewarn as an estimator of scikit-learn: for pipelines, cross-validation, grids.

In: n texts (a list, an array, a series, a frame with a column of texts) and n labels of two classes. Out: classes and
probabilities. Each text is judged on its own (`Model.score`). scikit-learn is imported with this module, and needed to
fit only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forewarn.errors import ForewarnError, InputError
from forewarn.reading.dataframes import texts_of
from forewarn.reading.labelled import labels_of
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

if TYPE_CHECKING:
    from forewarn.scoring.model import Model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
except ImportError:
    # So that the package can still be looked at (`help(forewarn)`) where there is no scikit-learn.
    BaseEstimator = ClassifierMixin = object

_YES = ("1", "true", "yes", "crisis", "positive")


class TeachingError(InputError, ValueError):
    """Texts or labels that an estimator cannot be fitted on, or asked about; scikit-learn expects a ValueError."""


class ForewarnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells texts about a crisis from others: rules, past cases, outliers and a head that the labels teach.

    `positive` the label of a crisis (None = 1, True, "yes", "crisis" …, or the greater of two numbers); `encoder`,
    `device`, `detectors`, `base`, `finetune`, `cache` as of `FitOptions`; `random_state` the seed. After `fit`:
    `classes_` the two labels, sorted; `model_` the `Model`, which `save_model` writes.
    """

    def __init__(
        self,
        positive: Any = None,
        *,
        encoder: str = "bundled",
        device: str | None = None,
        detectors: tuple[str, ...] = ("KNN",),
        base: str | None = None,
        finetune: str = "head",
        cache: bool = True,
        random_state: int = 0,
    ) -> None:
        self.positive = positive
        self.encoder = encoder
        self.device = device
        self.detectors = detectors
        self.base = base
        self.finetune = finetune
        self.cache = cache
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """What checks and pipelines of scikit-learn may expect: one column of texts, two classes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from n texts and their labels (n,), of two classes and at least three texts each.

        Raises TeachingError, a ForewarnError and a ValueError, where they cannot teach.
        """
        if BaseEstimator is object:
            raise ForewarnError("ForewarnClassifier needs scikit-learn", remedy="pip install scikit-learn")
        if y is None:
            raise TeachingError(
                "requires y to be passed, but the target y is None", remedy="Give a label for each text."
            )
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import column_or_1d

        texts = _texts(X)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if labels.shape != (len(texts),):
            raise TeachingError(
                f"there are {len(texts)} texts, and labels of shape {labels.shape}", remedy="Give one label a text."
            )
        self.classes_, place = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:
            raise TeachingError(
                f"Only binary classification is supported. There are {len(self.classes_)} classes",
                remedy="Say of each text whether it is of a crisis; `forewarn.fit` also tells kinds of crises apart.",
            )
        self._crisis = _crisis_of(self.classes_, self.positive)
        frame = pl.DataFrame({"text": texts, "label": np.where(place == self._crisis, "1", "0")})
        options = FitOptions(
            positive=("1",),
            test=0.0,
            encoder=self.encoder,
            device=self.device,
            detectors=tuple(self.detectors),
            base=self.base,
            finetune=self.finetune,
            seed=self.random_state,
            cache=self.cache,
        )
        try:
            self.model_: Model = fit(frame, options)
        except ForewarnError as error:
            raise TeachingError(error.message, path=error.path, line=error.line, remedy=error.remedy) from error
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The log-odds of `classes_[1]`, float64 (n,); where that is no crisis, those of a crisis turned round."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "model_")
        log_odds: NDArray[np.float64] = self.model_.score(_texts(X), device=self.device)["log_odds"].to_numpy()
        return log_odds if self._crisis == 1 else -log_odds

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probabilities of `classes_`, float64 (n, 2)."""
        from scipy.special import expit

        log_odds = self.decision_function(X)
        return np.stack([expit(-log_odds), expit(log_odds)], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """The more probable of `classes_` for each of n texts, (n,)."""
        positive = (self.decision_function(X) > 0).astype(np.int64)
        chosen: NDArray[Any] = self.classes_[positive]
        return chosen


def _texts(given: Any) -> pl.Series:
    """The texts of what scikit-learn hands on, which may be a column of shape (n, 1)."""
    if isinstance(given, np.ndarray):
        if given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
        if given.ndim != 1:
            raise TeachingError(f"texts have the shape {given.shape}", remedy="Reshape your data: one text each, (n,).")
    try:
        texts = texts_of(given)
    except TypeError:
        raise TeachingError("what is given holds no texts", remedy="Give a list of strings.") from None
    except InputError as error:
        raise TeachingError(error.message, remedy=error.remedy) from None
    if not len(texts):
        raise TeachingError("there is no text: 0 sample(s), a minimum of 1 is required", remedy="Give one or more.")
    return texts


def _crisis_of(classes: NDArray[Any], positive: Any) -> int:
    """Which of two classes is the crisis, 0 or 1."""
    named = labels_of(pl.Series(classes.tolist())).to_list()
    if positive is not None:
        wanted = labels_of(pl.Series([positive]))[0]
        if wanted not in named:
            raise TeachingError(f"no text has the label {positive!r}", remedy=f"There are {' and '.join(named)}.")
        return named.index(wanted)
    templates_of_plain = [number for number, name in enumerate(named) if name.lower() in _YES]
    if len(templates_of_plain) == 1:
        return templates_of_plain[0]
    if classes.dtype.kind in "iuf":
        return 1
    raise TeachingError(
        f"it is not known which label is that of a crisis: {' or '.join(named)}",
        remedy=f"Say ForewarnClassifier(positive={named[0]!r}).",
    )
