# SPDX-License-Identifier: Apache-2.0
"""Writes a trained checkpoint as a model directory in the Hugging Face layout.

Matrices are int8 with one float16 scale for every 32 inputs (w = q * scale), which an ordinary
safetensors reader can read: `X.weight` I8 [out, in] and `X.weight_scale` F16 [out, in / 32].
Gains stay float32. With --weights the dequantised values are also written as a checkpoint of the
trainer, so that what is evaluated is what is shipped.
"""

import argparse
import json
import pathlib
import struct

import numpy

from weft_mini import bpe, corpora

GROUP = 32
_MAGIC = b"WFTC0001"
_HEADER = struct.Struct("<11q")
_SHAPE_NAMES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings")


def read_checkpoint(path):
    """(shape, flat parameters); the order of the parameters is that of trainer/model.cc."""
    raw = pathlib.Path(path).read_bytes()
    if raw[:8] != _MAGIC:
        raise ValueError(f"{path}: expected {_MAGIC!r} at the start, found {raw[:8]!r}")
    numbers = _HEADER.unpack_from(raw, 8)
    shape = dict(zip(_SHAPE_NAMES, numbers))
    values = numpy.frombuffer(raw, numpy.float32, offset=8 + _HEADER.size)
    count = sum(rows * columns for _, rows, columns in spans(shape))
    return shape, values[:count]


def write_weights(path, shape, values):
    """A checkpoint of the trainer without moments."""
    header = _HEADER.pack(*(shape[name] for name in _SHAPE_NAMES), -1, 0, 0)
    pathlib.Path(path).write_bytes(_MAGIC + header + values.tobytes())


def spans(shape):
    """(published name or names, rows, columns) of every parameter in file order.

    Several names mean one matrix that the published layout has as several, top to bottom.
    """
    hidden, wide = shape["hidden_size"], shape["intermediate_size"]
    query = shape["num_attention_heads"] * shape["head_dim"]
    key = shape["num_key_value_heads"] * shape["head_dim"]
    yield (("model.embed_tokens", shape["vocab_size"]),), shape["vocab_size"], hidden
    for index in range(shape["num_hidden_layers"]):
        at = f"model.layers.{index}."
        attention = at + "self_attn."
        yield ((at + "input_layernorm", hidden),), hidden, 1
        yield ((attention + "q_proj", query), (attention + "k_proj", key),
               (attention + "v_proj", key)), query + 2 * key, hidden
        yield ((attention + "q_norm", shape["head_dim"]),), shape["head_dim"], 1
        yield ((attention + "k_norm", shape["head_dim"]),), shape["head_dim"], 1
        yield ((attention + "o_proj", hidden),), hidden, query
        yield ((at + "post_attention_layernorm", hidden),), hidden, 1
        yield ((at + "mlp.gate_proj", wide), (at + "mlp.up_proj", wide)), 2 * wide, hidden
        yield ((at + "mlp.down_proj", hidden),), hidden, wide
    yield (("model.norm", hidden),), hidden, 1


def quantise(matrix):
    """(int8, float16 scales, the values that they stand for)."""
    groups = matrix.reshape(matrix.shape[0], -1, GROUP)
    scales = (numpy.abs(groups).max(axis=2) / 127).astype(numpy.float16)
    wide = numpy.maximum(scales.astype(numpy.float32), 1e-12)[:, :, None]
    integers = numpy.clip(numpy.rint(groups / wide), -127, 127).astype(numpy.int8)
    restored = integers.astype(numpy.float32) * scales.astype(numpy.float32)[:, :, None]
    return integers.reshape(matrix.shape), scales, restored.reshape(matrix.shape)


def tensors_of(shape, values):
    """({name: array}, the flat values after quantisation)."""
    tensors, restored, offset = {}, values.copy(), 0
    for names, rows, columns in spans(shape):
        block = values[offset:offset + rows * columns].reshape(rows, columns)
        if columns == 1:
            tensors[names[0][0] + ".weight"] = block[:, 0]
        else:
            integers, scales, back = quantise(block)
            restored[offset:offset + rows * columns] = back.reshape(-1)
            top = 0
            for name, height in names:
                tensors[name + ".weight"] = integers[top:top + height]
                tensors[name + ".weight_scale"] = scales[top:top + height]
                top += height
        offset += rows * columns
    return tensors, restored


def write_safetensors(path, tensors):
    kinds = {"int8": "I8", "float16": "F16", "float32": "F32"}
    header, offset = {"__metadata__": {"format": "pt", "weft.quantization": "q8_g32"}}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": kinds[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(numpy.ascontiguousarray(array).tobytes())


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_configuration(directory, shape, tokenizer):
    end, text_end = tokenizer.special["<|im_end|>"], tokenizer.special["<|endoftext|>"]
    write_json(directory / "config.json", {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", **shape,
        "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": None,
        "eos_token_id": end, "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 10000.0, "sliding_window": None, "tie_word_embeddings": True,
        "torch_dtype": "float32", "use_cache": True, "use_sliding_window": False,
        "quantization_config": {"quant_method": "weft_q8_g32", "group_size": GROUP},
    })
    write_json(directory / "generation_config.json", {
        "do_sample": False, "eos_token_id": [end, text_end], "pad_token_id": text_end,
        "max_new_tokens": 256, "weft_json_spacing": "spaced",
    })
    template = (corpora.HERE / "templates" / "chat_template.jinja").read_text(encoding="utf-8")
    added = {str(index): {"content": token, "lstrip": False, "normalized": False, "rstrip": False,
                          "single_word": False, "special": token.startswith("<|")}
             for token, index in tokenizer.special.items()}
    write_json(directory / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": added, "bos_token": None, "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace",
        "clean_up_tokenization_spaces": False, "split_special_tokens": False,
        "model_max_length": shape["max_position_embeddings"],
        "chat_template": template.removesuffix("\n"),
    })
    tokenizer_json = json.dumps(tokenizer.to_json(), ensure_ascii=False, indent=0)
    (directory / "tokenizer.json").write_text(tokenizer_json + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True, help="model directory to write")
    parser.add_argument("--weights", help="also write the dequantised weights here")
    options = parser.parse_args()
    directory = pathlib.Path(options.out)
    directory.mkdir(parents=True, exist_ok=True)
    shape, values = read_checkpoint(options.checkpoint)
    tensors, restored = tensors_of(shape, values)
    write_safetensors(directory / "model.safetensors", tensors)
    write_configuration(directory, shape, bpe.Tokenizer.load(options.tokenizer))
    if options.weights:
        write_weights(options.weights, shape, restored)
    size = (directory / "model.safetensors").stat().st_size
    print(f"{directory}: {len(values)} parameters, model.safetensors {size} bytes")


if __name__ == "__main__":
    main()
