#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of a true shape with random weights: the same file for both engines.

usage: bench/inference/make_model.py SHAPE TYPE FILE [successor|chat]
                                     SHAPE: qwen3-0.6b, tiny   TYPE: q4_0, q8_0
Speed does not depend on the values, so the codes are random bytes and every scale is the same. The
embedding is the head too (tied), in the same type as all other matrices (as llama-quantize --pure).

A successor model continues any token by the next one (id + 1), at true cost: what its layers add is
zero, and its head is the embedding, one row further down. For measuring what guesses are worth.
A chat model has weft-mini's template and tokens (the rest of the vocabulary is filled up): workflows
can ask it. It hardly ever says that it has thought enough.
"""
import json
import os
import pathlib
import struct
import sys

SHAPES = {  # hidden, MLP, layers, heads, KV heads, head size, words
    "qwen3-0.6b": (1024, 3072, 28, 16, 8, 128, 151936),
    "tiny": (256, 512, 2, 4, 2, 64, 2048),
}
F32, Q4_0, Q8_0 = 0, 2, 8
MINI = pathlib.Path(__file__).parents[2] / "models" / "weft-mini"
ALIGNMENT = 32


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    kinds = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f")}
    if kind == "str":
        return text(key) + struct.pack("<I", 8) + text(value)
    if kind == "strs":
        return (text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value)))
    if kind == "i32s":
        return text(key) + struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    code, form = kinds[kind]
    return text(key) + struct.pack("<I", code) + struct.pack(form, value)


def byte_characters():
    """The characters that byte-level BPE writes for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def blocks(kind, count, pool):
    """`count` quantised values; `pool` is random and long."""
    scale = struct.pack("<e", 0.004 if kind == Q4_0 else 0.0003)
    size = 16 if kind == Q4_0 else 32
    unit = b"".join(scale + pool[i:i + size] for i in range(0, 4096 * size, size))
    groups = count // 32
    whole, left = divmod(groups, 4096)
    return unit * whole + unit[:left * (size + 2)]


def distinct_rows(kind, columns, rows):
    """A matrix without two equal rows."""
    scale = struct.pack("<e", 0.004 if kind == Q4_0 else 0.0003)
    size = 16 if kind == Q4_0 else 32
    out = []
    for _ in range(rows):
        codes = os.urandom(columns // 32 * size)
        out.append(b"".join(scale + codes[i:i + size] for i in range(0, len(codes), size)))
    return out


def chat_entries(tokens):
    """weft-mini's tokens before all others, its merges, special tokens and template."""
    own = json.loads((MINI / "tokenizer.json").read_text(encoding="utf-8"))
    types = [1] * len(tokens)
    for word, at in own["model"]["vocab"].items():
        tokens[at] = word
    for added in own["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = 3 if added["special"] else 4
    merges = [m if isinstance(m, str) else " ".join(m) for m in own["model"]["merges"]]
    template = json.loads((MINI / "tokenizer_config.json").read_text(encoding="utf-8"))
    return [("tokenizer.ggml.tokens", "strs", tokens),
            ("tokenizer.ggml.token_type", "i32s", types),
            ("tokenizer.ggml.merges", "strs", merges),
            ("tokenizer.ggml.eos_token_id", "u32", tokens.index("<|im_end|>")),
            ("tokenizer.chat_template", "str", template["chat_template"])]


def main(shape, type_name, path, variant=""):
    successor = variant == "successor"
    hidden, inner, layers, heads, kv_heads, head, words = SHAPES[shape]
    kind = {"q4_0": Q4_0, "q8_0": Q8_0}[type_name]
    tokens = byte_characters()
    tokens += [f"w{i}" for i in range(len(tokens), words)]
    meta = [
        ("general.architecture", "str", "qwen3"), ("general.name", "str", f"random {shape}"),
        ("general.file_type", "u32", 2 if kind == Q4_0 else 7),
        ("qwen3.block_count", "u32", layers), ("qwen3.context_length", "u32", 8192),
        ("qwen3.embedding_length", "u32", hidden), ("qwen3.feed_forward_length", "u32", inner),
        ("qwen3.attention.head_count", "u32", heads),
        ("qwen3.attention.head_count_kv", "u32", kv_heads),
        ("qwen3.attention.key_length", "u32", head), ("qwen3.attention.value_length", "u32", head),
        ("qwen3.attention.layer_norm_rms_epsilon", "f32", 1e-6),
        ("qwen3.rope.freq_base", "f32", 1e6),
        ("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", "qwen2"),
        ("tokenizer.ggml.tokens", "strs", tokens),
        ("tokenizer.ggml.token_type", "i32s", [1] * words),
        ("tokenizer.ggml.merges", "strs", ["w 3"]),
        ("tokenizer.ggml.eos_token_id", "u32", words - 1),
    ]
    tokens[300] = "w3"  # what the one merge makes
    tokens[words - 2] = "w300"
    if variant == "chat":
        changed = chat_entries(tokens)
        meta = [e for e in meta if e[0] not in {name for name, *_ in changed}] + changed
    matrices = [("token_embd.weight", hidden, words)]
    vectors = [("output_norm.weight", hidden)]
    special = {}
    if successor:
        matrices.append(("output.weight", hidden, words))
        embedding = distinct_rows(kind, hidden, words)
        special = {"token_embd.weight": b"".join(embedding),
                   "output.weight": b"".join(embedding[-1:] + embedding[:-1])}
    for i in range(layers):
        p = f"blk.{i}."
        matrices += [(p + "attn_q.weight", hidden, heads * head),
                     (p + "attn_k.weight", hidden, kv_heads * head),
                     (p + "attn_v.weight", hidden, kv_heads * head),
                     (p + "attn_output.weight", heads * head, hidden),
                     (p + "ffn_gate.weight", hidden, inner), (p + "ffn_up.weight", hidden, inner),
                     (p + "ffn_down.weight", inner, hidden)]
        vectors += [(p + "attn_norm.weight", hidden), (p + "ffn_norm.weight", hidden),
                    (p + "attn_q_norm.weight", head), (p + "attn_k_norm.weight", head)]
    pool = os.urandom(4096 * 32)
    per_group = 18 if kind == Q4_0 else 34
    infos, offset = [], 0
    for name, columns, rows in matrices:
        infos.append(text(name) + struct.pack("<IQQIQ", 2, columns, rows, kind, offset))
        offset += (columns * rows // 32 * per_group + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    for name, size in vectors:
        infos.append(text(name) + struct.pack("<IQIQ", 1, size, F32, offset))
        offset += size * 4
    with open(path + ".part", "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(meta)))
        out.write(b"".join(entry(*m) for m in meta) + b"".join(infos))
        out.write(b"\0" * (-out.tell() % ALIGNMENT))
        for name, columns, rows in matrices:
            if name in special:
                data = special[name]
            elif successor and name.endswith(("attn_output.weight", "ffn_down.weight")):
                data = bytes(columns * rows // 32 * per_group)  # every scale is 0
            else:
                data = blocks(kind, columns * rows, pool)
            out.write(data + b"\0" * (-len(data) % ALIGNMENT))
        for _, size in vectors:
            out.write(struct.pack("<f", 1.0) * size)
    os.replace(path + ".part", path)


if len(sys.argv) not in (4, 5) or sys.argv[1] not in SHAPES or sys.argv[4:] not in (
        [], ["successor"], ["chat"]):
    sys.exit(__doc__)
main(*sys.argv[1:])
