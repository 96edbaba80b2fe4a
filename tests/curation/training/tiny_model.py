"""A language model that trains in seconds, from nothing: run by the Python that has torch and TRL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
import trl

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
"""Chat templates of real models, with tools, as TRL ships them."""

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>")


def template(name: str) -> str:
    """The chat template of a family of models."""
    return (TEMPLATES / f"{name}.jinja").read_text()


def tokenizer_of(texts: Iterable[str], *, family: str = "qwen2_5") -> transformers.PreTrainedTokenizerBase:
    """A byte-level tokenizer trained on these texts, with the chat template of a real family."""
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=800, special_tokens=list(SPECIAL), show_progress=False)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|im_start|>",
        additional_special_tokens=list(SPECIAL[3:]),
        chat_template=template(family),
    )


def config_of(tokenizer: transformers.PreTrainedTokenizerBase, **more: Any) -> transformers.PretrainedConfig:
    """Two layers of 32."""
    return transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        **more,
    )


def language_model(tokenizer: transformers.PreTrainedTokenizerBase) -> transformers.PreTrainedModel:
    """A causal language model that knows nothing; the same in every run, and from a folder."""
    transformers.set_seed(1)
    folder = tempfile.mkdtemp()
    transformers.Qwen2ForCausalLM(config_of(tokenizer)).save_pretrained(folder)
    return transformers.Qwen2ForCausalLM.from_pretrained(folder)


def reward_model(tokenizer: transformers.PreTrainedTokenizerBase) -> transformers.PreTrainedModel:
    """A model that gives a text one number."""
    transformers.set_seed(1)
    return transformers.Qwen2ForSequenceClassification(config_of(tokenizer, num_labels=1))


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of every parameter."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def changed(before: dict[str, torch.Tensor], model: torch.nn.Module) -> float:
    """Share of the parameter tensors that training changed."""
    moved = [not torch.equal(before[name], value) for name, value in model.named_parameters()]
    return sum(moved) / len(moved)


@torch.no_grad()
def logprob(
    model: torch.nn.Module,
    tokenizer: transformers.PreTrainedTokenizerBase,
    prompt: Sequence[dict[str, Any]],
    answer: Sequence[dict[str, Any]],
    tools: Any,
) -> float:
    """How likely the model finds an answer after its prompt, nats a token; measured beside TRL's trainers."""
    render = {"tools": tools or None, "tokenize": True, "return_dict": False}
    asked = tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, **render)
    whole = tokenizer.apply_chat_template([*prompt, *answer], **render)
    assert whole[: len(asked)] == asked, "the prompt is not the beginning of prompt and answer"
    tokens = torch.tensor([whole])
    model.eval()
    said = torch.log_softmax(model(input_ids=tokens).logits[0, :-1], dim=-1)
    found = said.gather(1, tokens[0, 1:, None])[len(asked) - 1 :, 0]
    return float(found.mean())
