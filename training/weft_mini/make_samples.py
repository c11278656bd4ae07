# SPDX-License-Identifier: Apache-2.0
"""Writes the sample file that the trainer reads (layout: trainer/files.h).

Part of a customer's tokens is replaced by random ones in the input only: the target stays, so the
model learns not to hang on single words.
"""

import argparse
import array
import collections
import random as random_module
import sys

from weft_mini import bpe, corpora, mix

_LENGTH_MAX = 2000


def encode(sample, tokenizer):
    """(ids, percents, positions of a customer's tokens)."""
    ids, percents, customer = [], [], []
    for piece in sample:
        tokens = tokenizer.encode(piece.text, special=not piece.customer)
        if piece.customer:
            customer += range(len(ids), len(ids) + len(tokens))
        ids += tokens
        percents += [piece.percent] * len(tokens)
    return ids, percents, customer


class SampleWriter:
    def __init__(self, seed):
        self.random = random_module.Random(f"{seed} replacement")
        self.lengths = array.array("i")
        self.inputs, self.targets = array.array("H"), array.array("H")
        self.weights = array.array("B")

    def add(self, ids, percents, customer, replace_share, vocabulary):
        inputs = list(ids)
        for position in customer:
            if self.random.random() < replace_share:
                inputs[position] = self.random.randrange(256, vocabulary - len(bpe.SPECIAL))
        self.lengths.append(len(ids) - 1)
        self.inputs.extend(inputs[:-1])
        self.targets.extend(ids[1:])
        self.weights.extend(percents[1:])

    def write(self, path):
        with open(path, "wb") as file:
            file.write(b"WFTS0001")
            array.array("q", [len(self.lengths), len(self.inputs)]).tofile(file)
            for values in (self.lengths, self.inputs, self.targets, self.weights):
                values.tofile(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="directory of the public data sets")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--stage", nargs=2, action="append", required=True,
                        metavar=("NAME", "TOKENS"), help="a stretch of the stream; repeatable")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many samples")
    options = parser.parse_args()
    if sys.byteorder != "little":
        sys.exit("expected a little-endian machine, found a big-endian one")
    tokenizer = bpe.Tokenizer.load(options.tokenizer)
    writer = SampleWriter(options.seed)
    samples = mix.Mix(corpora.PublicData(options.data), options.seed)
    encoded = {}

    def length(sample):
        encoded["last"] = encode(sample, tokenizer)
        return len(encoded["last"][0])

    counts, tokens = collections.Counter(), collections.Counter()
    for stage, goal in options.stage:
        goal = len(writer.inputs) + int(goal)
        for source, sample in samples.stream(stage, length):
            ids, percents, customer = encoded["last"]
            if len(ids) > _LENGTH_MAX:
                continue
            slots = source in ("tools", "copy")  # ids must be copied, so a tool sample keeps its tokens
            writer.add(ids, percents, customer, 0.0 if slots else 0.06, tokenizer.size)
            counts[source] += 1
            tokens[source] += len(ids)
            if sum(counts.values()) <= options.show:
                print(source, len(ids), "".join(piece.text for piece in sample), sep=" | ")
            if len(writer.inputs) >= goal:
                break
    writer.write(options.out)
    for source in counts:
        print(f"{source:8} {counts[source]:7} samples {tokens[source]:9} tokens "
              f"{tokens[source] / counts[source]:6.1f} each")


if __name__ == "__main__":
    main()
