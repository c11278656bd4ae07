# SPDX-License-Identifier: Apache-2.0
"""Readers of the training data, and the split of the written lines.

The written lines are part of the repository. The public sets are not: they are read from the
directory given as DATA, and a missing one is named on standard error and left out.
"""

import collections
import csv
import gzip
import json
import pathlib
import random
import sys

LANGUAGES = ("en", "ko", "es")
HERE = pathlib.Path(__file__).resolve().parent.parent
_SPLIT_SEED = 20
_BITEXT_HELD_OUT = 450
# banking77's intents that are one of ours under another name.
BANKING_AS_TRIAGE = {
    "card_payment_not_recognised": "unknown_charge",
    "direct_debit_payment_not_recognised": "unknown_charge",
    "extra_charge_on_statement": "unknown_charge",
    "transaction_charged_twice": "double_charge",
    "request_refund": "get_refund",
    "refund_not_showing_up": "track_refund",
    "passcode_forgotten": "recover_password",
    "terminate_account": "delete_account",
    "declined_card_payment": "payment_issue",
    "card_delivery_estimate": "delivery_period",
}
# clinc150's intents that no support desk can do anything with.
CLINC_FAR = frozenset("""
weather tell_joke meaning_of_life fun_fact recipe cook_time calories meal_suggestion ingredients_list
food_last nutrition_info ingredient_substitution timezone time date alarm timer flip_coin roll_dice
calculator definition spelling measurement_conversion translate who_made_you where_are_you_from
how_old_are_you what_are_your_hobbies what_is_your_name are_you_a_bot do_you_have_pets
next_holiday traffic directions gas mpg tire_pressure play_music what_song next_song smart_home
reminder todo_list shopping_list distance vaccines plug_type travel_suggestion restaurant_suggestion
restaurant_reviews international_visa greeting goodbye thank_you
""".split())


def written_lines():
    """All lines written for this project: dictionaries with task, lang, text and labels."""
    lines = []
    for language in LANGUAGES:
        path = HERE / "data" / "weft-utterances" / f"{language}.jsonl"
        with open(path, encoding="utf-8") as file:
            lines += [json.loads(line) for line in file]
    return lines


def split_written_lines():
    """(training, development): a tenth of every language and label is held out."""
    groups = collections.defaultdict(list)
    for line in written_lines():
        label = line.get("intent", "") if line["task"] == "triage" else line.get("tool", "")
        groups[line["lang"], line["task"], label].append(line)
    training, development = [], []
    for key in sorted(groups):
        group = groups[key]
        random.Random(f"{_SPLIT_SEED} {key}").shuffle(group)
        held_out = max(1, round(len(group) / 10))
        development += group[:held_out]
        training += group[held_out:]
    return training, development


def read_lines(name):
    """One file of the data directory; one that is not written yet reads as empty."""
    path = HERE / "data" / name
    if not path.exists():
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def additional_lines():
    """Lines written after the first look at the results: products that plainly do not work."""
    return read_lines("additional.jsonl")


# What was written when earlier stretches of the training were done, in this order.
LATER = ("later", "seventh")


def training_lines(later=len(LATER)):
    """The training part of the split, and the additional lines, none of which is held out.

    Tasks triage, oos and tool, as in weft-utterances. A tool line of the additional files may name
    a second id that is not meant ({other_order_id}), and may ask for the history. `later`: with so
    many of the LATER collections.
    """
    lines = (split_written_lines()[0] + read_lines("additional-triage.jsonl")
             + read_lines("additional-tools.jsonl"))
    for name in LATER[:later]:
        lines += read_lines(f"{name}-triage.jsonl") + read_lines(f"{name}-tools.jsonl")
    return lines


def invented_lines(later=len(LATER)):
    """Requests for tools of other trades: names and arguments have to be copied."""
    lines = read_lines("invented-tools.jsonl")
    for name in LATER[:later]:
        lines += read_lines(f"{name}-invented-tools.jsonl")
    return lines


def around_lines():
    """Sentences that ask for nothing: {lang, place, text}; place: before, between, after."""
    return read_lines("around.jsonl")


def decision_lines():
    """Inputs of the examples' own model steps, with the right output."""
    return read_lines("decisions.jsonl")


def handwritten_cases():
    """Cases in other voices; used for the model card only, never trained on."""
    return read_lines("handwritten.jsonl")


def handwritten_voices():
    """Further cases, written before the training that they judge; never trained on either."""
    return read_lines("handwritten-voices.jsonl")


def handwritten_around():
    """Sentences to put around hand-written cases: {lang, text}; never trained on."""
    return read_lines("handwritten-around.jsonl")


class PublicData:
    """The public sets below one directory; a set that is absent reads as empty."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self._reported = set()

    def _open(self, name):
        path = self.directory / name
        if not path.exists():
            if name not in self._reported:
                print(f"ABSENT: {path}; going on without it", file=sys.stderr)
                self._reported.add(name)
            return None
        return gzip.open(path, "rt", encoding="utf-8", newline="")

    def _rows(self, name, delimiter):
        file = self._open(name)
        if file is None:
            return []
        with file:
            quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
            return list(csv.reader(file, delimiter=delimiter, quoting=quoting))

    def banking(self, split):
        """(text, intent) of banking77; labels in lower case without the question mark."""
        rows = self._rows(f"banking77/{split}.csv.gz", ",")[1:]
        return [(text.strip(), label.lower().replace("?", "")) for text, label in rows]

    def clinc(self, split):
        """(text, intent) of clinc150: train, val, test, oos_train, oos_val or oos_test."""
        return [(row[0], row[1]) for row in self._rows(f"clinc150/{split}.tsv.gz", "\t")]

    def bitext(self):
        """(training, held out) pairs of (text, intent); there is no official split."""
        rows = self._rows("bitext-support/train.csv.gz", ",")[1:]
        pairs = [(row[0].strip(), row[1]) for row in rows]
        random.Random(_SPLIT_SEED).shuffle(pairs)
        return pairs[_BITEXT_HELD_OUT:], pairs[:_BITEXT_HELD_OUT]

    def korean_text(self):
        """Plain Korean sentences, for the counts of the tokenizer only."""
        questions = [row[2] for row in self._rows("korean-utterances/paraKQC_v1.tsv.gz", "\t")]
        spoken = [row[1] for row in self._rows("korean-utterances/3i4k_train_val.tsv.gz", "\t")]
        return questions + spoken
