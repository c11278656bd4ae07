# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE: training, encoding, and the tokenizer.json of the Hugging Face layout.

The split expression is Qwen2's. Python's `re` has no \\p{L}, so the three character classes are
spelled out from unicodedata; the file carries the original expression.
"""

import collections
import heapq
import json
import re
import sys
import unicodedata

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>",
           "</tool_call>", "<tool_response>", "</tool_response>")
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
_SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"


def _ranges(initial):
    """The characters whose category begins with `initial`, as the inside of a [class]."""
    ranges, start = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code))[0] == initial
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges)


def _split_expression():
    letters, numbers = _ranges("L"), _ranges("N")
    return re.compile(
        r"'(?i:s|t|re|ve|m|ll|d)"
        rf"|[^\r\n{letters}{numbers}]?[{letters}]+"
        rf"|[{numbers}]"
        rf"| ?[^{_SPACE}{letters}{numbers}]+[\r\n]*"
        rf"|[{_SPACE}]*[\r\n]+"
        rf"|[{_SPACE}]+(?![^{_SPACE}])"
        rf"|[{_SPACE}]+")


_WORDS = _split_expression()
SPECIAL_SPLIT = re.compile("(" + "|".join(re.escape(token) for token in SPECIAL) + ")")


def words(text):
    """The pieces that merges never cross."""
    return _WORDS.findall(unicodedata.normalize("NFC", text))


def _byte_characters():
    """GPT-2's printable stand-in for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in printable:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


_BYTE_CHARACTER = _byte_characters()


def _spelled(token):
    return "".join(_BYTE_CHARACTER[byte] for byte in token)


def _merge_word(word, pair, joined):
    merged, position = [], 0
    while position < len(word):
        if word[position:position + 2] == pair:
            merged.append(joined)
            position += 2
        else:
            merged.append(word[position])
            position += 1
    return tuple(merged)


def train(counts, merge_count):
    """The most frequent pairs, one after another; ties go to the smaller pair of bytes."""
    pieces = [tuple(bytes([byte]) for byte in word.encode()) for word in counts]
    weights = list(counts.values())
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for index, word in enumerate(pieces):
        for pair in zip(word, word[1:]):
            pairs[pair] += weights[index]
            where[pair].add(index)
    known = {bytes([byte]) for byte in range(256)}
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while len(merges) < merge_count:
        if not heap:
            raise ValueError(f"expected text for {merge_count} merges, found {len(merges)}")
        count, pair = heapq.heappop(heap)
        joined = pair[0] + pair[1]
        if pairs[pair] != -count:
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        if joined in known:  # the same bytes from another pair: one id has one spelling
            continue
        known.add(joined)
        merges.append(pair)
        changed = set()
        for index in sorted(where.pop(pair)):
            before = pieces[index]
            after = _merge_word(before, pair, joined)
            if after == before:
                continue
            for old in zip(before, before[1:]):
                pairs[old] -= weights[index]
                changed.add(old)
            for new in zip(after, after[1:]):
                pairs[new] += weights[index]
                where[new].add(index)
                changed.add(new)
            pieces[index] = after
        for new in changed:
            if pairs[new] > 0 and new != pair:
                heapq.heappush(heap, (-pairs[new], new))
    return merges


class Tokenizer:
    """Encodes as tokenizer.json does; special tokens stand at the end of the id range."""

    def __init__(self, merges):
        self.merges = merges
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.bytes_of = [bytes([byte]) for byte in range(256)] + [a + b for a, b in merges]
        self.ids = {token: index for index, token in enumerate(self.bytes_of)}
        self.special = {token: len(self.bytes_of) + i for i, token in enumerate(SPECIAL)}
        self.bytes_of += [token.encode() for token in SPECIAL]
        self._cache = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        byte_of = {character: byte for byte, character in _BYTE_CHARACTER.items()}
        return cls([tuple(bytes(byte_of[c] for c in part) for part in pair)
                    for pair in data["model"]["merges"]])

    @property
    def size(self):
        return len(self.bytes_of)

    def _word(self, word):
        if word in self._cache:
            return self._cache[word]
        parts = [bytes([byte]) for byte in word.encode()]
        while len(parts) > 1:
            ranked = [self.ranks.get(pair, sys.maxsize) for pair in zip(parts, parts[1:])]
            best = min(ranked)
            if best == sys.maxsize:
                break
            at = ranked.index(best)
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        self._cache[word] = [self.ids[part] for part in parts]
        return self._cache[word]

    def split_anew(self, text, dropout, kept, random):
        """Plain text with every merge left out with probability `dropout`; `kept` words are whole.

        BPE-dropout (Provilkov, Emelianenko, Voita 2020): a word seen in several pieces lends what
        was learnt of it to other words that share a piece.
        """
        ids = []
        for word in words(text):
            if len(word) < 3 or word.strip() in kept:
                ids += self._word(word)
                continue
            parts = [bytes([byte]) for byte in word.encode()]
            while len(parts) > 1:
                ranked = [self.ranks.get(pair, sys.maxsize) if random.random() >= dropout
                          else sys.maxsize for pair in zip(parts, parts[1:])]
                best = min(ranked)
                if best == sys.maxsize:
                    break
                at = ranked.index(best)
                parts[at:at + 2] = [parts[at] + parts[at + 1]]
            ids += [self.ids[part] for part in parts]
        return ids

    def encode(self, text, special=True):
        """`special=False` is for a customer's text: control tokens in it are plain characters."""
        ids = []
        for part in SPECIAL_SPLIT.split(text) if special else [text]:
            if special and part in self.special:
                ids.append(self.special[part])
            else:
                for word in words(part):
                    ids += self._word(word)
        return ids

    def decode(self, ids):
        return b"".join(self.bytes_of[index] for index in ids).decode("utf-8", "replace")

    def to_json(self):
        vocabulary = {_spelled(token): index for token, index in self.ids.items()}
        added = [{"id": index, "content": token, "single_word": False, "lstrip": False,
                  "rstrip": False, "normalized": False, "special": token.startswith("<|")}
                 for token, index in self.special.items()]
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                      "use_regex": False}
        return {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated",
                 "invert": False}, byte_level]},
            "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocabulary,
                      "merges": [[_spelled(a), _spelled(b)] for a, b in self.merges]},
        }
