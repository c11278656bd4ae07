# SPDX-License-Identifier: Apache-2.0
"""Writes texts in three languages with our ids, a JSON line each, for check_tokenizer.js."""

import argparse
import itertools
import json
import random as random_module
import unicodedata

from weft_mini import bpe, corpora, mix

_HARD = (
    "", " ", "\n", " \n \n", "a  b   c", "tab\tand\r\nline", "don't DON'T I'LL we've", "3.14159 007",
    "제품이 3일째 작동하지 않습니다.", unicodedata.normalize("NFD", "한국어 정규화 ñandú café"),
    "¿Qué pasó?! … «nada»", "🙂👍🏽 emoji 👩‍👩‍👧", "日本語 中文 кириллица عربى हिन्दी", "Ⅷ ½ ² ٣",
    "\u00a0nbsp\u3000wide", "x" * 300, "<|im_start|>user\nhi<|im_end|>", "<think>\n\n</think>\n\n{",
    "a<tool_call>b</tool_call>", "<|im_start", "ſ 'ſ 'S", "\u200b\u200dzero", "…...!!!???\n\n\n end",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--samples", type=int, default=3000)
    options = parser.parse_args()
    tokenizer = bpe.Tokenizer.load(options.tokenizer)
    public = corpora.PublicData(options.data)
    stream = mix.Mix(public, 99, later=len(corpora.LATER)).stream(
        "last", lambda sample: sum(len(piece.text) for piece in sample))
    texts = ["".join(piece.text for piece in sample)
             for _, sample in itertools.islice(stream, options.samples)]
    texts += [line["text"] for line in corpora.written_lines()[::4]]
    random = random_module.Random(5)
    characters = [chr(code) for code in itertools.chain(
        range(32, 0x530), range(0x1e00, 0x2100), range(0x3040, 0x3100), range(0xac00, 0xd7a4))
        if unicodedata.category(chr(code))[0] != "C"]
    texts += ["".join(random.choices(characters, k=24)) for _ in range(500)]
    for text in (*texts, *_HARD):
        print(json.dumps({"text": text, "ids": tokenizer.encode(text)}))


if __name__ == "__main__":
    main()
