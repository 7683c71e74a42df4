"""The kernel machine, the corpus's parting, and the classifier that is shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forewarn.detectors.crisis_classifier import FILE, load_crisis_classifier, shipped
from forewarn.detectors.crisis_corpus import COLUMNS, STAGES, distinct, read_corpus, situations, tenths
from forewarn.detectors.kernel_machine import fit_kernel_machine, kernel, log_softmax
from forewarn.embeddings import load_encoder

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "detectors" / "corpus"


def circle(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and whether their first two coordinates have one sign: no plane parts them."""
    vectors = np.random.default_rng(seed).normal(size=(number, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, vectors[:, 0] * vectors[:, 1] > 0


def test_a_kernel_machine_learns_what_no_plane_parts() -> None:
    (vectors, alike), (others, truth) = circle(600), circle(400, 1)
    allowed = np.stack([~alike, alike], axis=1)
    (machine,) = fit_kernel_machine(vectors, [allowed], [np.ones(600)], landmarks=150, gamma=2.0, penalty=1e-5)
    right = (machine.log_probabilities(others).argmax(axis=1) == 1) == truth
    assert right.mean() > 0.9
    np.testing.assert_allclose(np.exp(machine.log_probabilities(others)).sum(axis=1), 1.0)
    plain = np.exp(-2.0 * ((others[:, None] - machine.landmarks[None]) ** 2).sum(axis=2))
    np.testing.assert_allclose(kernel(others, machine.landmarks, 2.0), plain, atol=5e-3)


def test_a_text_that_may_be_of_several_classes_teaches_which_it_is_not() -> None:
    vectors, alike = circle(600)
    third = vectors[:, 2] > 0
    # Of half of the texts only whether they are alike is known, of the others all.
    classes = np.where(alike, np.where(third, 0, 1), np.where(third, 2, 3))
    allowed = classes[:, None] == np.arange(4)
    allowed[::2] = np.stack([alike, alike, ~alike, ~alike], axis=1)[::2]
    (machine,) = fit_kernel_machine(vectors, [allowed], [np.ones(600)], landmarks=200, gamma=2.0, penalty=1e-6)
    assert (machine.log_probabilities(vectors).argmax(axis=1) == classes).mean() > 0.95


def test_a_softmax_of_large_numbers_is_one() -> None:
    np.testing.assert_allclose(log_softmax(np.array([[1e4, 0.0]])), [[0.0, -1e4]])


def test_near_duplicates_are_dropped_and_counterparts_kept() -> None:
    texts = [
        "Third pharmacy in our street out of fever medicine",
        "Third pharmacy in our road out of fever medicine",
        "The pharmacy moved next door",
        "街上第三家药店退烧药断货",
        "街上第三家药店退烧药断货了",
    ]
    assert distinct(texts).tolist() == [True, False, True, True, False]


def test_a_situation_stays_on_one_side_in_every_language() -> None:
    rows = [
        ("a", "transport", "first_report", "en", "tweet", "train-derails"),
        ("b", "transport", "harmless", "zh", "聊天", "train-derails"),
        ("c", "ordinary", "plain", "en", "novel", "novel-sea"),
        ("d", "ordinary", "plain", "zh", "小说", "novel-city"),
    ]
    texts = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    assert situations(texts).to_list() == ["transport:train-derails"] * 2 + ["ordinary:novel"] * 2
    tenth = tenths(texts)
    assert (tenth[0], tenth[2]) == (tenth[1], tenth[3])


def test_the_corpus_holds_what_its_page_says() -> None:
    texts = read_corpus(CORPUS)
    assert texts.height >= 12_000
    assert set(texts["stage"].unique()) == set(STAGES)
    count = dict(texts["language"].value_counts().iter_rows())
    assert min(count["en"], count["zh"]) > 5_500
    assert min(count[name] for name in ("es", "pt", "it", "fr", "de", "ru", "ja", "ko", "ar")) >= 100
    assert 0.05 < (tenths(texts) == 0).mean() < 0.15


TOLD = [
    "Train derails outside Lomza, several carriages in the river",
    "小学门口有人持刀砍人",
    "Bank halts withdrawals",
    "Fourth morning in a row that the queue at the cash machine reaches the church, and it is empty by nine",
]
ORDINARY = [
    "The shop is closed for the holiday, back on Monday",
    "Great pasta, lovely staff, we will be back in spring",
    "这部电影太炸了，笑死我了",
    "Changelog: fix crash on start, faster search",
]


def test_the_shipped_classifier_tells_crises_from_the_rest() -> None:
    encoder = load_encoder("bundled")
    classifier = shipped()
    assert classifier.about.encoder_checksum == encoder.checksum
    odds = classifier.log_odds(encoder.encode([*TOLD, *ORDINARY]))
    assert odds[: len(TOLD)].min() > 0.0 > odds[len(TOLD) :].max()
    opinion = classifier.opinion(encoder.encode(TOLD[:1]))
    np.testing.assert_allclose(opinion.log_odds, odds[:1], atol=1e-3)
    assert classifier.about.domains[opinion.domains[0].argmax()] == "transport"
    np.testing.assert_allclose(opinion.stages.sum(axis=1), 1.0)


def test_a_classifier_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    vectors = circle(50)[0]
    wide = np.zeros((50, 512), dtype=np.float32)
    wide[:, :4] = vectors
    shipped().save(tmp_path / "again.safetensors")
    again = load_crisis_classifier(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.log_odds(wide), shipped().log_odds(wide))


def test_the_shipped_file_is_small() -> None:
    assert (ROOT / "detectors" / FILE).stat().st_size <= 4 << 20


def test_fewer_texts_than_landmarks_are_refused() -> None:
    vectors, alike = circle(10)
    with pytest.raises(ValueError, match="20 landmarks"):
        fit_kernel_machine(
            vectors, [np.stack([alike, ~alike], axis=1)], [np.ones(10)], landmarks=20, gamma=1.0, penalty=1.0
        )
