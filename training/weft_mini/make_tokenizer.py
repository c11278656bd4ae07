# SPDX-License-Identifier: Apache-2.0
"""Trains the tokenizer on samples of the mix and on plain Korean text; writes tokenizer.json.

Counts are damped (count ^ 0.6): otherwise the words of the frames eat the vocabulary.
"""

import argparse
import collections
import itertools
import json

from weft_mini import bpe, corpora, mix

_DAMPING = 0.6
_KOREAN_SENTENCES = 30000


def word_counts(public, samples, seed):
    counts = collections.Counter()
    stream = mix.Mix(public, seed, later=0).stream(
        "main", lambda sample: sum(len(piece.text) for piece in sample))
    for _, sample in itertools.islice(stream, samples):
        for piece in sample:
            for part in bpe.SPECIAL_SPLIT.split(piece.text):
                if part and part not in bpe.SPECIAL:
                    counts.update(bpe.words(part))
    for sentence in public.korean_text()[:_KOREAN_SENTENCES]:
        counts.update(bpe.words(sentence))
    return {word: int(count ** _DAMPING) for word, count in sorted(counts.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="directory of the public data sets")
    parser.add_argument("--out", required=True, help="tokenizer.json to write")
    parser.add_argument("--vocabulary", type=int, default=6144)
    parser.add_argument("--samples", type=int, default=40000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = word_counts(corpora.PublicData(options.data), options.samples, options.seed)
    merges = bpe.train(counts, options.vocabulary - 256 - len(bpe.SPECIAL))
    tokenizer = bpe.Tokenizer(merges)
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(tokenizer.to_json(), file, ensure_ascii=False, indent=0)
        file.write("\n")
    print(f"{options.out}: {tokenizer.size} tokens from {len(counts)} distinct words")


if __name__ == "__main__":
    main()
