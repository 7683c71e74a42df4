"""The network that is fine-tuned: a pre-trained encoder, the mean of its tokens, a linear head.

In: the name or folder of a Hugging Face model and a strategy. Out: a torch module of which only what the strategy
names can be trained. Weights are read from safetensors alone; no model's own code is run, and nothing is fetched
unless the caller says so.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from forewarn.detectors.finetuning.settings import Strategy
from forewarn.errors import DetectorError, EncoderError
from forewarn.extras import require

_RANK = 8
_ADAPTER_WIDTH = 64
PREFIX_TOKENS = 16
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "mlp_dropout")


class Bottleneck(nn.Module):
    """An adapter (Houlsby et al. 2019): down, a curve, up, added to what came in. It starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, _ADAPTER_WIDTH), nn.Linear(_ADAPTER_WIDTH, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states to hidden states of the same shape."""
        added: Tensor = self.up(nn.functional.gelu(self.down(hidden)))
        return hidden + added

    def after(self, layer: nn.Module) -> None:
        """Let the output of an encoder's layer go through this adapter."""

        def through(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
            return (self(output[0]), *output[1:]) if isinstance(output, tuple) else self(output)

        layer.register_forward_hook(through)


class Network(nn.Module):
    """`model` is a Hugging Face encoder, or peft's wrapping of one; `categories` outputs."""

    def __init__(self, model: Any, strategy: Strategy, categories: int, dropout: float) -> None:
        super().__init__()
        self.strategy = strategy
        self.model = model
        width = int(model.config.hidden_size)
        self.width = width
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, categories)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.adapters = nn.ModuleList()
        if strategy.kind == "adapter":
            for layer in layers(model):
                adapter = Bottleneck(width)
                adapter.after(layer)
                self.adapters.append(adapter)

    @property
    def plain(self) -> Any:
        """The Hugging Face encoder itself."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def embedded(self, tokens: Tensor) -> Tensor:
        """The word embeddings of n texts of t tokens: (n, t, e)."""
        vectors: Tensor = self.plain.get_input_embeddings()(tokens)
        return vectors

    def pooled(self, tokens: Tensor, mask: Tensor, embedded: Tensor | None = None) -> Tensor:
        """The mean of each text's tokens, as long as the root of its width, so that a feature's variance is about 1."""
        given = {"input_ids": tokens} if embedded is None else {"inputs_embeds": embedded}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's prefix uses a name that transformers is leaving.
            hidden = self.model(**given, attention_mask=mask).last_hidden_state
        kept = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * kept).sum(dim=1) / kept.sum(dim=1)
        unit: Tensor = nn.functional.normalize(mean.float(), dim=-1) * self.width**0.5
        return unit

    def judged(self, pooled: Tensor) -> Tensor:
        """The logits of n pooled texts: (n, categories)."""
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def forward(self, tokens: Tensor, mask: Tensor, embedded: Tensor | None = None) -> Tensor:
        """The logits of n texts of t tokens, ids and mask int64 (n, t); or of their embeddings (n, t, e)."""
        return self.judged(self.pooled(tokens, mask, embedded))

    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that the strategy trains, by name."""
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}


def layers(model: Any) -> nn.ModuleList:
    """The encoder's stack of layers, whatever its family calls it."""
    depth = int(model.config.num_hidden_layers)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and not isinstance(module[0], Bottleneck):
            return module
    raise EncoderError(
        f"the layers of a model of the family {model.config.model_type!r} cannot be told apart",
        remedy="Use --finetune head or full with it.",
    )


def load_base(base: str | Path, *, download: bool = False) -> tuple[Any, Any]:
    """The encoder and the tokenizer of a Hugging Face model by name or folder.

    Raises EncoderError where it is not on this machine (unless `download`), has no safetensors, or is damaged.
    """
    require("transformers")
    from transformers import AutoModel, AutoTokenizer

    where: dict[str, Any] = {"local_files_only": not download, "trust_remote_code": False}
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(base), **where)
            model = AutoModel.from_pretrained(str(base), use_safetensors=True, dtype=torch.float32, **where)
        except Exception as error:  # Those of safetensors, tokenizers and the hub share no base class but this.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EncoderError(
                f"{str(base)!r} is no model that can be fine-tuned here: {reason}",
                remedy="Name a folder with model.safetensors, or fetch the model once with `hf download NAME`.",
            ) from None
    return model, tokenizer


def build(model: Any, strategy: Strategy, categories: int, *, dropout: float, steps: int) -> Network:
    """A network whose trainable parameters are what the strategy names; `steps` of the optimiser are planned."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    for name in _DROPOUTS:
        if hasattr(model.config, name):
            setattr(model.config, name, dropout)
    for weight in model.parameters():
        weight.requires_grad_(strategy.kind == "full")
    if getattr(model, "pooler", None) is not None:  # Never asked: the mean of the tokens is.
        model.pooler.requires_grad_(False)
    if strategy.kind == "top":
        stack = layers(model)
        if strategy.layers > len(stack):
            raise DetectorError(f"the strategy {strategy} asks for more than the model's {len(stack)} layers")
        for layer in stack[-strategy.layers :]:
            layer.requires_grad_(True)
    if strategy.kind in ("lora", "adalora", "prefix"):
        model = with_peft(model, strategy, steps=steps)
    return Network(model, strategy, categories, dropout)


def with_peft(model: Any, strategy: Strategy, *, steps: int) -> Any:
    """peft's wrapping: LoRA (Hu et al. 2022), AdaLoRA (Zhang et al. 2023) or prefix tuning (Li & Liang 2021)."""
    require("peft")
    from peft import AdaLoraConfig, LoraConfig, PrefixTuningConfig, TaskType, get_peft_model

    task = TaskType.FEATURE_EXTRACTION
    config: Any
    if strategy.kind == "prefix":
        config = PrefixTuningConfig(task_type=task, num_virtual_tokens=PREFIX_TOKENS)
    else:
        inside = {id(module) for module in layers(model).modules() if isinstance(module, nn.Linear)}
        targets = [name for name, module in model.named_modules() if id(module) in inside]
        if strategy.kind == "lora":
            config = LoraConfig(task_type=task, r=_RANK, lora_alpha=2 * _RANK, lora_dropout=0.1, target_modules=targets)
        else:
            config = AdaLoraConfig(
                task_type=task,
                target_modules=targets,
                init_r=_RANK + _RANK // 2,
                target_r=_RANK,
                lora_alpha=2 * _RANK,
                lora_dropout=0.1,
                total_step=steps,
                tinit=steps // 10,
                tfinal=steps // 3,
                deltaT=max(1, steps // 50),
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of transformers names that peft still uses.
        try:
            wrapped = get_peft_model(model, config)
            if strategy.kind == "prefix":
                _begin_prefix(wrapped)
        except (RuntimeError, ValueError, TypeError) as error:
            raise EncoderError(
                f"a model of the family {model.config.model_type!r} cannot be trained with {strategy}: {error}",
                remedy="Use --finetune adapter, top-N or full with it.",
            ) from None
    return wrapped


def _begin_prefix(wrapped: Any) -> None:
    """Begin with a small prefix, and raise ValueError where the model does not listen to it.

    peft draws it from N(0, 1), beside which a pre-trained encoder's own keys are small; and some families accept a
    prefix and leave it unread.
    """
    prefix = wrapped.prompt_encoder["default"].embedding.weight
    nn.init.normal_(prefix, std=0.02)
    ones = torch.ones(1, 4, dtype=torch.int64)
    wrapped(input_ids=ones, attention_mask=ones).last_hidden_state[0, 0, 0].backward()
    if prefix.grad is None or not prefix.grad.any():
        raise ValueError("it does not read a prefix")
    prefix.grad = None


def merged(network: Network) -> Network:
    """The same function without peft where the strategy allows: low-rank updates are added to the weights."""
    if network.strategy.kind in ("lora", "adalora"):
        network.model = network.model.merge_and_unload()
    return network.requires_grad_(False).eval()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice of transformers' on the terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
