#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of a true shape with random weights: the same file for both engines.

usage: bench/inference/make_model.py SHAPE TYPE FILE [successor|chat]
       bench/inference/make_model.py SHAPE f32 FILE blank
SHAPE: qwen3-0.6b, exaone-1.2b, granite-micro, exaone-32b, qwen3-30b-a3b, tiny, and
       qwen3-0.6b-4-layers, granite-micro-4-layers         TYPE: q4_0, q8_0, bf16
Speed does not depend on the values, so the codes are random bytes and every scale is the same. The
embedding is the head too (tied), in the same type as all other matrices (as llama-quantize --pure).

A successor model continues any token by the next one (id + 1), at true cost: what its layers add is
zero, and its head is the embedding, one row further down. For measuring what guesses are worth.
A chat model has weft-mini's template and tokens (the rest of the vocabulary is filled up): workflows
can ask it. It hardly ever says that it has thought enough.
A blank model has zeros for weights and a head of its own: bench/quality writes values into it.
"""
import json
import os
import pathlib
import random
import struct
import sys

SHAPES = {  # architecture, hidden, MLP, layers, heads, KV heads, head size, words
    "qwen3-0.6b": ("qwen3", 1024, 3072, 28, 16, 8, 128, 151936),
    "exaone-1.2b": ("exaone4", 2048, 4096, 30, 32, 8, 64, 102400),
    "granite-micro": ("granite", 2560, 8192, 40, 40, 8, 64, 100352),
    "granite-micro-4-layers": ("granite", 2560, 8192, 4, 40, 8, 64, 100352),
    "exaone-32b": ("exaone4", 5120, 27392, 64, 40, 8, 128, 102400),
    "qwen3-30b-a3b": ("qwen3moe", 2048, 768, 48, 32, 4, 128, 151936),  # MLP: of one expert
    "tiny": ("qwen3", 256, 512, 2, 4, 2, 64, 2048),
    "qwen3-0.6b-4-layers": ("qwen3", 1024, 3072, 4, 16, 8, 128, 151936),
}
UNTIED = ("exaone-32b", "qwen3-30b-a3b")  # a head of their own
CONTEXT = {"exaone-32b": 131072, "qwen3-30b-a3b": 40960, "granite-micro-4-layers": 131072}
EXPERTS, EXPERTS_USED = 128, 8
PRE = {"qwen3": "qwen2", "qwen3moe": "qwen2", "exaone4": "exaone4", "granite": "dbrx"}  # tokenizer.ggml.pre
# What a layer has besides its seven matrices: name, whether of the head's size.
NORMS = {
    "qwen3": [("attn_norm", False), ("ffn_norm", False), ("attn_q_norm", True),
              ("attn_k_norm", True)],
    "exaone4": [("post_attention_norm", False), ("post_ffw_norm", False), ("attn_q_norm", True),
                ("attn_k_norm", True)],
    "granite": [("attn_norm", False), ("ffn_norm", False)],
}
NORMS["qwen3moe"] = NORMS["qwen3"]
F32, Q4_0, Q8_0, BF16 = 0, 2, 8, 30
KINDS = {"q4_0": Q4_0, "q8_0": Q8_0, "bf16": BF16, "f32": F32}
PER_GROUP = {Q4_0: 18, Q8_0: 34, BF16: 64, F32: 128}  # bytes of 32 values
FILE_TYPE = {Q4_0: 2, Q8_0: 7, BF16: 32, F32: 0}      # general.file_type
ROUTER = "ffn_gate_inp.weight"  # a row of float32 for each expert
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


def groups_of(kind, codes):
    """Blocks of 32 values out of random bytes: every scale is the same, bf16 lies around 0.02."""
    if kind == BF16:
        return b"".join(struct.pack("<H", (high << 8 | low) & 0x807F | 0x3C80)
                        for low, high in zip(codes[::2], codes[1::2]))
    scale = struct.pack("<e", 0.004 if kind == Q4_0 else 0.0003)
    size = PER_GROUP[kind] - 2
    return b"".join(scale + codes[i:i + size] for i in range(0, len(codes), size))


def code_bytes(kind):
    return PER_GROUP[kind] - (0 if kind == BF16 else 2)


def write_blocks(out, groups, unit, size):
    """`groups` blocks of `size` bytes, repeating those of `unit`; no model is held in memory."""
    whole, left = divmod(groups * size, len(unit))
    for _ in range(whole):
        out.write(unit)
    out.write(unit[:left])


def distinct_rows(kind, columns, rows):
    """A matrix without two equal rows."""
    return [groups_of(kind, os.urandom(columns // 32 * code_bytes(kind))) for _ in range(rows)]


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


def metadata(shape, kind, tokens):
    architecture, hidden, inner, layers, heads, kv_heads, head, words = SHAPES[shape]
    own = [
        ("block_count", "u32", layers), ("context_length", "u32", CONTEXT.get(shape, 8192)),
        ("embedding_length", "u32", hidden), ("feed_forward_length", "u32", inner),
        ("attention.head_count", "u32", heads), ("attention.head_count_kv", "u32", kv_heads),
        ("attention.layer_norm_rms_epsilon", "f32", 1e-6), ("rope.freq_base", "f32", 1e6),
        ("vocab_size", "u32", words),
    ]
    if architecture == "granite":
        own += [("rope.dimension_count", "u32", head), ("attention.scale", "f32", 1 / head),
                ("embedding_scale", "f32", 12.0), ("residual_scale", "f32", 0.22),
                ("logit_scale", "f32", 10.0)]
    else:
        own += [("attention.key_length", "u32", head), ("attention.value_length", "u32", head)]
    if architecture == "qwen3moe":
        own += [("expert_count", "u32", EXPERTS), ("expert_used_count", "u32", EXPERTS_USED),
                ("expert_feed_forward_length", "u32", inner)]
    if shape == "exaone-32b":
        own += [("attention.sliding_window", "u32", 4096)]  # three layers of four
    return [
        ("general.architecture", "str", architecture), ("general.name", "str", f"random {shape}"),
        ("general.file_type", "u32", FILE_TYPE[kind]),
        *((f"{architecture}.{name}", of, value) for name, of, value in own),
        ("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", PRE[architecture]),
        ("tokenizer.ggml.tokens", "strs", tokens),
        ("tokenizer.ggml.token_type", "i32s", [1] * words),
        ("tokenizer.ggml.merges", "strs", ["w 3"]),
        ("tokenizer.ggml.eos_token_id", "u32", words - 1),
    ]


def tensors(shape, untied):
    """(matrices with columns, rows and how many lie behind each other; vectors with sizes)"""
    architecture, hidden, inner, layers, heads, kv_heads, head, words = SHAPES[shape]
    experts = EXPERTS if architecture == "qwen3moe" else 1
    kept = "_exps" if experts > 1 else ""
    matrices = [("token_embd.weight", hidden, words, 1)]
    vectors = [("output_norm.weight", hidden)]
    if untied:
        matrices.append(("output.weight", hidden, words, 1))
    for i in range(layers):
        p = f"blk.{i}."
        matrices += [(p + "attn_q.weight", hidden, heads * head, 1),
                     (p + "attn_k.weight", hidden, kv_heads * head, 1),
                     (p + "attn_v.weight", hidden, kv_heads * head, 1),
                     (p + "attn_output.weight", heads * head, hidden, 1),
                     (f"{p}ffn_gate{kept}.weight", hidden, inner, experts),
                     (f"{p}ffn_up{kept}.weight", hidden, inner, experts),
                     (f"{p}ffn_down{kept}.weight", inner, hidden, experts)]
        vectors += [(f"{p}{name}.weight", head if of_head else hidden)
                    for name, of_head in NORMS[architecture]]
        if experts > 1:
            vectors.append((p + ROUTER, hidden * experts))
    return matrices, vectors


def main(shape, type_name, path, variant=""):
    kind = KINDS[type_name]
    words = SHAPES[shape][-1]
    tokens = byte_characters()
    tokens += [f"w{i}" for i in range(len(tokens), words)]
    tokens[300] = "w3"  # what the one merge makes
    tokens[words - 2] = "w300"
    meta = metadata(shape, kind, tokens)
    if variant == "chat":
        changed = chat_entries(tokens)
        meta = [e for e in meta if e[0] not in {name for name, *_ in changed}] + changed
    matrices, vectors = tensors(shape, shape in UNTIED or variant in ("successor", "blank"))
    special = {}
    if variant == "successor":
        embedding = distinct_rows(kind, SHAPES[shape][1], words)
        special = {"token_embd.weight": b"".join(embedding),
                   "output.weight": b"".join(embedding[-1:] + embedding[:-1])}
    size = PER_GROUP[kind]
    infos, offset = [], 0
    for name, columns, rows, count in matrices:
        sizes = [columns, rows, *([count] if count > 1 else [])]
        infos.append(text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset))
        offset += (columns * rows * count // 32 * size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    for name, count in vectors:
        sizes = [count // EXPERTS, EXPERTS] if name.endswith(ROUTER) else [count]
        infos.append(text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, F32, offset))
        offset += count * 4
    if variant != "blank":
        unit = groups_of(kind, os.urandom(4096 * code_bytes(kind)))
    with open(path + ".part", "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(meta)))
        out.write(b"".join(entry(*m) for m in meta) + b"".join(infos))
        out.write(b"\0" * (-out.tell() % ALIGNMENT))
        if variant == "blank":  # all zeros, which the file system need not store
            out.truncate(out.tell() + offset)
            matrices, vectors = [], []
        for name, columns, rows, count in matrices:
            if name in special:
                out.write(special[name])
            elif variant == "successor" and name.endswith(("attn_output.weight",
                                                           "ffn_down.weight")):
                write_blocks(out, columns * rows // 32, bytes(len(unit)), size)  # scales of 0
            else:
                write_blocks(out, columns * rows * count // 32, unit, size)
            out.write(b"\0" * (-out.tell() % ALIGNMENT))
        for name, count in vectors:
            if name.endswith(ROUTER):  # different experts for different tokens
                out.write(b"".join(struct.pack("<f", random.gauss(0, 0.1)) for _ in range(count)))
            else:
                out.write(struct.pack("<f", 1.0) * count)
    os.replace(path + ".part", path)


if len(sys.argv) not in (4, 5) or sys.argv[1] not in SHAPES or sys.argv[2] not in KINDS or sys.argv[
        4:] not in ([], ["successor"], ["chat"], ["blank"]) or (sys.argv[2] == "f32") != (
        sys.argv[4:] == ["blank"]):
    sys.exit(__doc__)
main(*sys.argv[1:])
