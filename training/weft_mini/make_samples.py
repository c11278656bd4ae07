# SPDX-License-Identifier: Apache-2.0
"""Writes the sample file that the trainer reads (layout: trainer/files.h).

Part of a customer's tokens is replaced by random ones in the input only: the target stays, so the
model learns not to hang on single words. Half of the messages are split into other pieces than the
tokenizer's, except for words that the answer repeats: those have to be copied token by token.
"""

import argparse
import array
import collections
import random as random_module
import sys

import numpy

from weft_mini import bpe, corpora, mix

_LENGTH_MAX = 2000
_SEEN_MIN = 200        # of two tokens, before what follows them may be called certain
_CERTAIN = 0.99
_DROPOUTS = (0.0, 0.0, 0.0, 0.08, 0.15, 0.25)   # of a message's merges
_REPLACED = 0.07       # share of a customer's tokens, where nothing has to be copied
_CERTAIN_KEPT = 0.25   # share of the certain tokens that are scored


def encode(sample, tokenizer, random):
    """(ids, percents, positions of a customer's tokens)."""
    ids, percents, customer = [], [], []
    dropout = random.choice(_DROPOUTS)
    kept = set()
    if dropout:
        kept = {word.strip() for piece in sample if not piece.customer
                for word in bpe.words(piece.text)}
    for piece in sample:
        if piece.customer and dropout:
            tokens = tokenizer.split_anew(piece.text, dropout, kept, random)
        else:
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

    def thin_out(self):
        """Scores only a quarter of the tokens that the two before them determine.

        Brackets, keys and the tails of names are learnt at once and then cost half of the head's
        time. What is certain is counted over this very file.
        """
        inputs = numpy.frombuffer(self.inputs, numpy.uint16).astype(numpy.int64)
        targets = numpy.frombuffer(self.targets, numpy.uint16).astype(numpy.int64)
        weights = numpy.frombuffer(self.weights, numpy.uint8).copy()
        context = numpy.concatenate([[0], inputs[:-1]]) * (1 << 16) + inputs
        scored = numpy.flatnonzero((weights > 0) & (weights <= 100))
        _, place, seen = numpy.unique(context[scored], return_inverse=True, return_counts=True)
        _, pair, same = numpy.unique(place * (1 << 16) + targets[scored], return_inverse=True,
                                     return_counts=True)
        certain = (seen[place] >= _SEEN_MIN) & (same[pair] > _CERTAIN * seen[place])
        dropped = numpy.random.default_rng(self.random.randrange(1 << 30)).random(
            len(scored)) > _CERTAIN_KEPT
        weights[scored[certain & dropped]] = 0
        self.weights = array.array("B", weights.tobytes())
        return len(scored), int((certain & dropped).sum())

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
    later = {mix.STAGES[stage].later for stage, _ in options.stage}
    if len(later) > 1:
        sys.exit("the stages want different lines: give each a file of its own")
    samples = mix.Mix(corpora.PublicData(options.data), options.seed, later.pop())
    encoded = {}
    random = random_module.Random(f"{options.seed} pieces")

    def length(sample):
        encoded["last"] = encode(sample, tokenizer, random)
        return len(encoded["last"][0])

    counts, tokens = collections.Counter(), collections.Counter()
    for stage, goal in options.stage:
        goal = len(writer.inputs) + int(goal)
        for source, sample in samples.stream(stage, length):
            ids, percents, customer = encoded["last"]
            if len(ids) > _LENGTH_MAX:
                continue
            slots = source in ("tools", "copy")  # ids must be copied, so a tool sample keeps its tokens
            writer.add(ids, percents, customer, 0.0 if slots else _REPLACED, tokenizer.size)
            counts[source] += 1
            tokens[source] += len(ids)
            if sum(counts.values()) <= options.show:
                print(source, len(ids), "".join(piece.text for piece in sample), sep=" | ")
            if len(writer.inputs) >= goal:
                break
    scored, dropped = writer.thin_out()
    print(f"{scored} scored tokens, {dropped} of them left out as certain")
    writer.write(options.out)
    for source in counts:
        print(f"{source:8} {counts[source]:7} samples {tokens[source]:9} tokens "
              f"{tokens[source] / counts[source]:6.1f} each")


if __name__ == "__main__":
    main()
