# SPDX-License-Identifier: Apache-2.0
"""Starting values of the token embeddings, from a bag of tokens.

A model that starts from random embeddings needs more than a million tokens before it tells one
intent from another. So the embeddings are trained first, alone, as a linear classifier: the mean
of a message's token vectors has to point at the mean vector of the tokens that spell its label.
The head of the network is tied to the embeddings, so a network whose first attention layer starts
as a plain mean (trainer/model.cc) knows most labels before its first step.
"""

import argparse
import random as random_module

import numpy

from weft_mini import augment, bpe, corpora

_VARIANTS = 3          # noisy variants of every written line
_BATCH = 512
_TOKEN_DROPOUT = 0.3
_DROPOUTS = (0.0, 0.0, 0.1, 0.2)   # of merges (Tokenizer.split_anew)
_RATE = 0.01
_SCALE = 0.2           # root mean square of every token's vector


def labelled_messages(public, random):
    """(text, {head: label}) of every training message."""
    training = corpora.training_lines(later=0)
    rows = []
    for line in training:
        if line["task"] == "tool" and "intent" not in line:
            rows.append((line["text"], {"tool": line["tool"]}))
            continue
        for _ in range(_VARIANTS):
            text, signal = augment.message(line["text"], line.get("signal", "none"),
                                           line["lang"], random)
            rows.append((text, {"intent": line.get("intent", "oos"), "signal": signal}))
    rows += [(text, {"banking": intent}) for text, intent in public.banking("train")]
    rows += [(text, {"assistant": intent})
             for text, intent in public.clinc("train") + public.clinc("oos_train")]
    return rows


class Adam:
    def __init__(self, shape):
        self.mean, self.square, self.steps = numpy.zeros(
            shape, numpy.float32), numpy.zeros(shape, numpy.float32), 0

    def step(self, values, gradient, rate):
        self.steps += 1
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.01 * (gradient * gradient - self.square)
        mean = self.mean / (1 - 0.9 ** self.steps)
        square = self.square / (1 - 0.99 ** self.steps)
        values -= (rate * mean / (numpy.sqrt(square) + 1e-8)).astype(numpy.float32)


class BagOfTokens:
    """Scores of a label: the bag's vector times the mean vector of the label's own tokens."""

    def __init__(self, tokenizer, hidden, rows, random):
        self.random = random
        self.embedding = random.normal(0, 0.1, (tokenizer.size, hidden)).astype(numpy.float32)
        names = {head: sorted({labels[head] for _, labels in rows if head in labels})
                 for head in sorted({head for _, labels in rows for head in labels})}
        self.index = {head: {name: i for i, name in enumerate(of)} for head, of in names.items()}
        self.spelling = {head: numpy.zeros((len(of), tokenizer.size), numpy.float32)
                         for head, of in names.items()}
        for head, of in names.items():
            for row, name in enumerate(of):
                ids = tokenizer.encode(name)
                numpy.add.at(self.spelling[head][row], ids, 1 / len(ids))
        self.bias = {head: numpy.zeros(len(of), numpy.float32) for head, of in names.items()}
        self.adam = Adam(self.embedding.shape)

    def step(self, batch, rate):
        """`batch`: (ids, labels) pairs. Returns how many labels were right, and how many."""
        counts = numpy.zeros((len(batch), len(self.embedding)), numpy.float32)
        for row, (ids, _) in enumerate(batch):
            kept = [token for token in ids if self.random.random() > _TOKEN_DROPOUT] or ids
            numpy.add.at(counts[row], kept, 1.0)
        counts /= numpy.maximum(counts.sum(axis=1, keepdims=True), 1) ** 0.5
        bags = counts @ self.embedding
        dbags, right, total = numpy.zeros_like(bags), 0, 0
        gradient = numpy.zeros_like(self.embedding)
        for head, spelling in self.spelling.items():
            rows = [i for i, (_, labels) in enumerate(batch) if head in labels]
            if not rows:
                continue
            wanted = numpy.array([self.index[head][batch[i][1][head]] for i in rows])
            weights = spelling @ self.embedding
            scores = bags[rows] @ weights.T + self.bias[head]
            chances = numpy.exp(scores - scores.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            right += int((chances.argmax(axis=1) == wanted).sum())
            total += len(rows)
            chances[numpy.arange(len(rows)), wanted] -= 1
            chances /= len(batch)
            dbags[rows] += chances @ weights
            gradient += spelling.T @ (chances.T @ bags[rows])
            self.bias[head] -= 0.5 * chances.sum(axis=0)
        gradient += counts.T @ dbags
        self.adam.step(self.embedding, gradient, rate)
        return right, total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True, help="float32 matrix for weft-train --embeddings")
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = random_module.Random(options.seed)
    tokenizer = bpe.Tokenizer.load(options.tokenizer)
    rows = labelled_messages(corpora.PublicData(options.data), random)
    model = BagOfTokens(tokenizer, options.hidden, rows,
                        numpy.random.default_rng(options.seed))
    encoded = [(tokenizer.split_anew(text, random.choice(_DROPOUTS), (), random), labels)
               for text, labels in rows]
    for number in range(options.passes):
        random.shuffle(encoded)
        right = total = 0
        for first in range(0, len(encoded), _BATCH):
            found = model.step(encoded[first:first + _BATCH],
                               _RATE * (1 - number / options.passes))
            right, total = right + found[0], total + found[1]
        print(f"pass {number + 1}: {100 * right / total:.1f} % of {total} labels right", flush=True)
    scale = _SCALE / numpy.sqrt((model.embedding ** 2).mean(axis=1, keepdims=True))
    (model.embedding * scale).astype(numpy.float32).tofile(options.out)


if __name__ == "__main__":
    main()
