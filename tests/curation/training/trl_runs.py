"""A drop in the hands of TRL: one run per trainer, what came of it as JSON on the last line.

Run by the Python of `make test-trl`, which has torch, TRL and the newest `datasets` and nothing of Tailrace:
``python trl_runs.py RUN FOLDER`` with the name of a function below and the folder of a drop.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import tiny_model as tiny
import trl
from trl.chat_template_utils import supports_tool_calling
from trl.data_utils import extract_prompt, is_conversational, maybe_apply_chat_template

Rows = list[dict[str, Any]]

FAMILIES = ("cohere2", "deepseekv3", "gemma3", "glm4moe", "gptoss", "lfm2", "llama3_1", "phi3", "qwen2_5")
FAMILIES += ("qwen3", "qwen3_5_think", "smolvlm")
"""Model families whose chat templates must take every row; those of one maker repeat each other."""


def load(folder: Path, kind: str) -> datasets.DatasetDict:
    """A folder of a drop as a person loads it."""
    return datasets.load_dataset(str(folder / kind), cache_dir=tempfile.mkdtemp())


def texts(*loaded: datasets.DatasetDict) -> list[str]:
    """Everything in the rows, for a tokenizer to learn from."""
    rows = [row for splits in loaded for split in splits.values() for row in split]
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def arguments(**more: Any) -> dict[str, Any]:
    """What all trainers are told: a processor, no files, no reports, every step logged."""
    return {
        "output_dir": tempfile.mkdtemp(),
        "use_cpu": True,
        "bf16": False,
        "max_steps": 20,
        "learning_rate": 5e-3,
        "lr_scheduler_type": "constant",
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "seed": 1,
        **more,
    }


def trained(trainer: Any) -> dict[str, Any]:
    """Train; what moved, the losses step by step, and what TRL measured on the validation split."""
    before = tiny.weights_of(trainer.model)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    measured = trainer.evaluate() if trainer.eval_dataset is not None else {}
    return {
        "losses": [entry["loss"] for entry in logs],
        "finite": all(math.isfinite(entry["loss"]) for entry in logs),
        "changed": tiny.changed(before, trainer.model),
        "first": logs[0],
        "last": logs[-1],
        "evaluated": {k: v for k, v in measured.items() if isinstance(v, float)},
    }


def gaps(model: Any, tokenizer: Any, rows: Rows) -> float:
    """How much likelier the chosen answers are than the rejected ones, nats a token, on average."""
    found = [
        tiny.logprob(model, tokenizer, row["prompt"], row["chosen"], row.get("tools"))
        - tiny.logprob(model, tokenizer, row["prompt"], row["rejected"], row.get("tools"))
        for row in rows
    ]
    return sum(found) / len(found)


def liked(model: Any, tokenizer: Any, rows: Rows) -> float:
    """The same between answers labelled good and others, which lie in rows of their own."""
    by_label: dict[bool, list[float]] = {True: [], False: []}
    for row in rows:
        found = tiny.logprob(model, tokenizer, row["prompt"], row["completion"], row.get("tools"))
        by_label[row["label"]].append(found)
    good, bad = (sum(values) / len(values) for values in (by_label[True], by_label[False]))
    return good - bad


def rendered(tokenizer: Any, family: str, rows: list[tuple[str, dict[str, Any], Any]]) -> dict[str, Any]:
    """How many rows with and without tools the chat template of a family takes; what it says of others."""
    tokenizer.chat_template = tiny.template(family)
    found: dict[str, Any] = {"tool rows": 0, "plain rows": 0, "refused": {}}
    for kind, row, tools in rows:
        which = "tool rows" if tools or "tool_calls" in json.dumps(row) else "plain rows"
        try:
            text = maybe_apply_chat_template(row, tokenizer, tools=tools)
        except Exception as error:  # noqa: BLE001 - a template may raise anything
            found["refused"].setdefault(which, f"{kind}: {type(error).__name__}: {error}")
            continue
        empty = [key for key, value in text.items() if key != "label" and not value.strip()]
        if empty:
            found["refused"].setdefault(which, f"{kind}: nothing is left of {empty}: {row}")
        found[which] += not empty
    return {**found, "takes tools": supports_tool_calling(tokenizer)}


def data(folder: Path) -> dict[str, Any]:
    """TRL's own functions over every row, and the chat templates of real families."""
    kinds = {
        path.name: load(folder, path.name)
        for path in sorted(folder.iterdir())
        if list(path.glob("*.parquet"))
    }
    rows = [
        (kind, {k: v for k, v in row.items() if k not in ("tools", "margin")}, row.get("tools"))
        for kind, splits in kinds.items()
        for split in splits.values()
        for row in split
    ]
    tokenizer = tiny.tokenizer_of(texts(*kinds.values()))
    implicit = [
        (row["prompt"], extract_prompt({side: row["prompt"] + row[side] for side in ("chosen", "rejected")}))
        for kind, row, _ in rows
        if kind == "preference"
    ]
    families = {family: rendered(tokenizer, family, rows) for family in FAMILIES}
    return {
        "rows": {
            kind: {name: split.num_rows for name, split in splits.items()} for kind, splits in kinds.items()
        },
        "features": {
            kind: {k: str(v) for k, v in splits["train"].features.items()} for kind, splits in kinds.items()
        },
        "conversational": sum(is_conversational(row) for _, row, _ in rows),
        "all": len(rows),
        "extracted": sum(prompt == found["prompt"] for prompt, found in implicit),
        "pairs": len(implicit),
        "families": families,
    }


def dpo(folder: Path) -> dict[str, Any]:
    """Direct preference optimisation of the pairs."""
    pairs = load(folder, "preference")
    tokenizer = tiny.tokenizer_of(texts(pairs))
    model = tiny.language_model(tokenizer)
    before = gaps(model, tokenizer, list(pairs["train"]))
    trainer = trl.DPOTrainer(
        model=model,
        args=trl.DPOConfig(**arguments(max_length=2048)),
        train_dataset=pairs["train"],
        eval_dataset=pairs["validation"],
        processing_class=tokenizer,
    )
    found = trained(trainer)
    after = gaps(trainer.model, tokenizer, list(pairs["train"]))
    return {**found, "rows": trainer.train_dataset.num_rows, "before": before, "after": after}


def kto(folder: Path) -> dict[str, Any]:
    """Kahneman-Tversky optimisation of the single rows, with the class weights that the manifest suggests."""
    single = load(folder, "unpaired")
    tokenizer = tiny.tokenizer_of(texts(single))
    model = tiny.language_model(tokenizer)
    before = liked(model, tokenizer, list(single["train"]))
    warned = Warned.listen()
    trainer = trl.KTOTrainer(
        model=model,
        args=trl.KTOConfig(
            **arguments(max_length=2048), **json.loads((folder / "manifest.json").read_bytes())["kto"]
        ),
        train_dataset=single["train"],
        eval_dataset=single["validation"],
        processing_class=tokenizer,
    )
    found = trained(trainer)
    after = liked(trainer.model, tokenizer, list(single["train"]))
    return {
        **found,
        "rows": trainer.train_dataset.num_rows,
        "weights": [trainer.desirable_weight, trainer.undesirable_weight],
        "labels": [sum(single["train"]["label"]), single["train"].num_rows],
        "before": before,
        "after": after,
        "warnings": warned.messages,
    }


def reward(folder: Path) -> dict[str, Any]:
    """A reward model of the pairs; their margin counts where the drop has one."""
    pairs = load(folder, "preference")
    tokenizer = tiny.tokenizer_of(texts(pairs))
    trainer = trl.RewardTrainer(
        model=tiny.reward_model(tokenizer),
        args=trl.RewardConfig(**arguments(max_length=2048, learning_rate=1e-2)),
        train_dataset=pairs["train"],
        eval_dataset=pairs["validation"],
        processing_class=tokenizer,
    )
    found = trained(trainer)
    batch = next(iter(trainer.get_train_dataloader()))
    return {**found, "rows": trainer.train_dataset.num_rows, "batch": sorted(batch)}


def sft(folder: Path) -> dict[str, Any]:
    """Supervised fine-tuning on what the assistant said, and on nothing else."""
    talks = load(folder, "sft")
    tokenizer = tiny.tokenizer_of(texts(talks))
    model = tiny.language_model(tokenizer)
    trainer = trl.SFTTrainer(
        model=model,
        args=trl.SFTConfig(**arguments(max_length=4096, assistant_only_loss=True)),
        train_dataset=talks["train"],
        eval_dataset=talks["validation"],
        processing_class=tokenizer,
    )
    learned = []
    for row in trainer.train_dataset:
        kept = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
        learned.append(tokenizer.decode(kept))
    found = trained(trainer)
    return {
        **found,
        "rows": trainer.train_dataset.num_rows,
        "learned": learned,
        "talks": list(talks["train"]),
    }


def grpo(folder: Path) -> dict[str, Any]:
    """Prompts for an online method; the reward is a trivial one: the share of letters in an answer."""
    prompts = load(folder, "prompts")
    tokenizer = tiny.tokenizer_of(texts(prompts))
    asked: list[str] = []

    def letters(prompts: list[Rows], completions: list[Rows], **_: Any) -> list[float]:
        asked.extend(prompt[-1]["role"] for prompt in prompts)
        answers = [completion[0]["content"] for completion in completions]
        return [sum(map(str.isalpha, answer)) / max(len(answer), 1) for answer in answers]

    trainer = trl.GRPOTrainer(
        model=tiny.language_model(tokenizer),
        reward_funcs=letters,
        args=trl.GRPOConfig(**arguments(max_steps=4, num_generations=4, max_completion_length=12, beta=0.0)),
        train_dataset=prompts["train"],
        processing_class=tokenizer,
    )
    found = trained(trainer)
    return {**found, "rows": trainer.train_dataset.num_rows, "asked": asked}


class Warned(logging.Handler):
    """What TRL warned about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    @classmethod
    def listen(cls) -> Warned:
        """Listen from now on."""
        made = cls()
        logging.getLogger("trl").addHandler(made)
        return made

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


RUNS: dict[str, Callable[[Path], dict[str, Any]]] = {
    run.__name__: run for run in (data, dpo, kto, reward, sft, grpo)
}

if __name__ == "__main__":
    datasets.disable_progress_bars()
    found = RUNS[sys.argv[1]](Path(sys.argv[2]))
    versions = {
        package.__name__: package.__version__ for package in (trl, datasets, tiny.torch, tiny.transformers)
    }
    sys.stdout.write("\n" + json.dumps({**found, "versions": versions}) + "\n")
