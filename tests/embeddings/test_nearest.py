"""The nearest vectors: the fast ways beside comparing all, value for value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.embeddings import nearest
from forewarn.embeddings.nearest import Flat, Indexed, compressed, extend, shrink, train, unpacked


def clustered(count: int, width: int, seed: int) -> np.ndarray:
    """Vectors in some fifty clusters, as texts on fifty subjects are."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(50, width))
    vectors = centres[chance.integers(50, size=count)] + 0.5 * chance.normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def compared(vectors: np.ndarray, queries: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slow oracle: one query and one vector at a time."""
    cosine, row = np.full((len(queries), k), -1.0), np.full((len(queries), k), -1)
    for place, query in enumerate(queries):
        best = sorted(rows, key=lambda one: (-float(vectors[one] @ query), one))[:k]
        cosine[place, : len(best)] = [vectors[one] @ query for one in best]
        row[place, : len(best)] = best
    return cosine, row


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 30), k=st.integers(1, 40), seed=st.integers(0, 1000), data=st.data())
def test_flat_search_is_what_comparing_one_by_one_gives(count: int, k: int, seed: int, data: st.DataObject) -> None:
    vectors = clustered(count, 16, seed)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1)) if count else st.just(set()))), dtype=np.int64)
    queries = clustered(3, 16, seed + 1)
    cosine, row = Flat(vectors).only(rows).search(queries, k)
    expected_cosine, expected_row = compared(vectors, queries, k, rows)
    np.testing.assert_allclose(cosine, expected_cosine, atol=1e-5)
    assert row.tolist() == expected_row.tolist()


def test_of_equal_vectors_the_first_comes_first() -> None:
    vectors = np.repeat(clustered(1, 16, 0), 5, axis=0)
    assert Flat(vectors).search(vectors[:1], 5)[1].tolist() == [[0, 1, 2, 3, 4]]


def test_a_compressed_vector_points_where_it_pointed() -> None:
    vectors = clustered(500, 512, 3)
    assert (unpacked(compressed(vectors)) * vectors).sum(axis=1).min() > 0.9999
    assert unpacked(compressed(np.zeros((1, 8), dtype=np.float32))).tolist() == [[0.0] * 8]


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, object]:
    vectors = compressed(clustered(6_000, 64, 5))
    return vectors, train(vectors)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(found, true, strict=True)]))


def test_an_index_finds_what_comparing_all_finds(many: tuple[np.ndarray, object]) -> None:
    vectors, index = many
    queries = clustered(40, 64, 5)
    cosine, row = Indexed(vectors, index).search(queries, 10)
    true_cosine, true_row = Flat(unpacked(vectors)).search(queries, 10)
    assert recall(row, true_row) > 0.98
    # A found cosine is the true one, not the index's estimate.
    found = np.einsum("qkd,qd->qk", unpacked(vectors[row]), queries)
    np.testing.assert_allclose(cosine, found, atol=1e-5)
    assert (np.diff(cosine, axis=1) <= 0).all()
    np.testing.assert_allclose(cosine[:, 0], true_cosine[:, 0], atol=1e-5)


@pytest.mark.parametrize("few", [10, 100_000])
def test_an_index_that_may_show_only_some_rows_finds_the_best_of_those(
    many: tuple[np.ndarray, object], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    vectors, index = many
    rows = np.arange(7, 6_000, 6)
    monkeypatch.setattr(nearest, "FEW", few)
    queries = clustered(40, 64, 5)
    _, row = Indexed(vectors, index).only(rows).search(queries, 10)
    assert set(row.ravel()) <= set(rows)
    assert recall(row, Flat(unpacked(vectors)).only(rows).search(queries, 10)[1]) > 0.98


def test_more_than_there_are_is_filled_with_nothing(many: tuple[np.ndarray, object]) -> None:
    vectors, index = many
    cosine, row = Indexed(vectors, index).only(np.array([3, 5])).search(clustered(2, 64, 5), 4)
    assert [sorted(one) for one in row.tolist()] == [[-1, -1, 3, 5]] * 2
    assert (cosine[:, 2:] == -1).all()


def test_an_index_grows_and_shrinks_with_the_base() -> None:
    vectors = compressed(clustered(3_000, 64, 9))
    index = train(vectors[:2_500])
    extend(index, vectors)
    kept = np.arange(3_000) % 3 > 0
    shrink(index, kept)
    left, queries = vectors[kept], clustered(40, 64, 9)
    assert index.ntotal == len(left)
    _, row = Indexed(left, index).search(queries, 10)
    assert recall(row, Flat(unpacked(left)).search(queries, 10)[1]) > 0.98


@pytest.mark.parametrize("width", [8, 30, 64, 262, 384])
def test_an_index_is_made_for_any_width(width: int) -> None:
    vectors = compressed(clustered(2_000, width, 7))
    queries = unpacked(vectors[:50])
    found = Indexed(vectors, train(vectors)).search(queries, 1)[1][:, 0]
    assert (found == np.arange(50)).mean() > 0.9


def test_a_gpu_compares_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = nearest._faiss()
    vectors, asked = clustered(300, 16, 8), []

    def on_gpu(resources: str, queries: np.ndarray, others: np.ndarray, k: int, metric: int) -> tuple[object, object]:
        asked.append((resources, k))
        return faiss.knn(queries, others, k, metric=metric)

    expected = Flat(vectors).search(vectors[:3], 4)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "memory", raising=False)
    monkeypatch.setattr(faiss, "knn_gpu", on_gpu, raising=False)
    found = Flat(vectors).search(vectors[:3], 4)
    assert asked == [("memory", 4)]
    assert (found[1] == expected[1]).all()
