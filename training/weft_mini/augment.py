# SPDX-License-Identifier: Apache-2.0
"""Small changes to a customer's message that keep its label: noise, greetings, urgency cues."""

from weft_mini import wordings

_EDIT_CHANCE = 0.12
_FACES = "😀😡👍🙏🔥🎉😭🤔✨📦💳"
_NOTHING = (" . ? ... ?? !!! - ㅋㅋㅋ ㅎㅎ ㅇㅇ ok test hi hola 안녕 네 sí gracias thanks 감사합니다 "
            "asdf").split(" ")
_LETTERS = ("abcdefghijklmnopqrstuvwxyz", "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅋㅎㅏㅓㅗㅜ", "0123456789",
            "あいうえおかきくけこ")


def typing_noise(text, random):
    """Drops a word, swaps or drops letters, changes case; never touches digits or addresses."""
    roll = random.random()
    if roll < 0.06:
        text = text.lower()
    elif roll < 0.12:
        text = text[:1].upper() + text[1:]
    if random.random() < _EDIT_CHANCE:
        parts = text.split(" ")
        if len(parts) > 4:
            parts.pop(random.randrange(len(parts)))
            text = " ".join(parts)
    if random.random() < _EDIT_CHANCE and len(text) > 10:
        at = random.randrange(1, len(text) - 2)
        a, b = text[at], text[at + 1]
        if a.isalpha() and b.isalpha():
            text = text[:at] + (b + a if random.random() < 0.5 else b) + text[at + 2:]
    if random.random() < 0.08:
        text = text.rstrip(".!")
    return text


def noise_around(text, mark, random):
    """Typing noise on what stands before and behind `mark`, which stays as it is."""
    if random.random() < 0.5:
        return text
    before, found, behind = text.partition(mark)
    if len(before) > 12 and before[-1] == " ":
        before = typing_noise(before[:-1], random) + " "
    if len(behind) > 12 and behind[0] == " ":
        behind = " " + typing_noise(behind[1:], random)
    return before + found + behind


def gibberish(random):
    """A message that says nothing: out of scope in every language."""
    kind = random.randrange(6)
    if kind == 0:
        return "".join(random.choice(_FACES) for _ in range(random.randrange(1, 9)))
    if kind == 1:
        return random.choice(_NOTHING)
    letters = _LETTERS[kind - 2]
    return "".join(random.choice(letters) + (" " if random.random() < 0.15 else "")
                   for _ in range(random.randrange(3, 30))).strip()


def politeness(text, language, random):
    if random.random() < 0.12:
        text = random.choice(wordings.GREETINGS[language]) + text
    if random.random() < 0.12:
        text += random.choice(wordings.CLOSINGS[language])
    return text


def with_cue(text, signal, language, random):
    """Sometimes adds an urgent or calm sentence to a neutral message: (text, new signal)."""
    if signal != "none" or random.random() > 0.3:
        return text, signal
    signal = "urgent" if random.random() < 0.7 else "calm"
    cues = wordings.URGENT if signal == "urgent" else wordings.CALM
    cue = random.choice(cues[language])
    if text[-1:] not in ".!?…":
        text += random.choice((".", ".", ",", "!"))
    return (f"{text} {cue}" if random.random() < 0.8 else f"{cue} {text}"), signal


def message(text, signal, language, random):
    """All of it: (text, signal)."""
    text, signal = with_cue(text, signal, language, random)
    return typing_noise(politeness(text, language, random), random), signal
