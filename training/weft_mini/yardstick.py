# SPDX-License-Identifier: Apache-2.0
"""The yardstick: a linear classifier over hashed word and character n-grams, in numpy.

Multinomial logistic regression, one weight column per label, stepped by AdaGrad a line at a time.
A language model of this size has to be read beside it, because it is hard to beat.
"""

import random as random_module
import re
import zlib

import numpy

_BUCKETS = 1 << 18
_PASSES = 12
_RATE = 0.15


def features(text):
    text = re.sub(r"\s+", " ", re.sub(r"\d", "0", text.lower())).strip()
    words = re.findall(r"\w+", text)
    grams = {f"w {word}" for word in words}
    grams |= {f"p {a} {b}" for a, b in zip(words, words[1:])}
    padded = f" {text} "
    for size in (1, 2, 3, 4, 5):
        grams |= {f"c {padded[i:i + size]}" for i in range(len(padded) - size + 1)}
    hashed = {zlib.crc32(gram.encode()) % _BUCKETS for gram in grams}
    return numpy.fromiter(sorted(hashed), numpy.int64)


class Linear:
    def __init__(self, pairs, seed=1):
        self.labels = sorted({label for _, label in pairs})
        index = {label: number for number, label in enumerate(self.labels)}
        self.weights = numpy.zeros((_BUCKETS, len(self.labels)), numpy.float32)
        squares = numpy.full((_BUCKETS, len(self.labels)), 1e-4, numpy.float32)
        rows = [(features(text), index[label]) for text, label in pairs]
        random = random_module.Random(seed)
        for step in range(_PASSES):
            random.shuffle(rows)
            rate = _RATE * (1 - step / _PASSES)
            for row, label in rows:
                gradient = self._probabilities(row)
                gradient[label] -= 1
                gradient /= numpy.sqrt(len(row))
                squares[row] += gradient * gradient
                self.weights[row] -= rate * gradient / numpy.sqrt(squares[row])

    def _probabilities(self, row):
        scores = self.weights[row].sum(axis=0) / numpy.sqrt(len(row))
        powers = numpy.exp(scores - scores.max())
        return powers / powers.sum()

    def judge(self, text):
        """(label, its probability)"""
        chances = self._probabilities(features(text))
        return self.labels[int(chances.argmax())], float(chances.max())

    def predict(self, text):
        return self.judge(text)[0]
