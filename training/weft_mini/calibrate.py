# SPDX-License-Identifier: Apache-2.0
"""How far the probability of the chosen category can be believed.

The category is the first field of a triage answer, so its probability depends on the message
alone. One temperature is fitted on the development tenth (it minimises the mean log loss); the
table shows, on messages nobody trained or fitted on, how often the choice was right among those
that were equally sure. Prints the temperature and the table in Markdown.
"""

import argparse
import subprocess

import numpy

from weft_mini import bpe, cases, check_template, labels

CATEGORIES = ("technical", "billing", "general")
_OPENING = '{"category": "'
_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_TEMPERATURES = numpy.geomspace(0.3, 4.0, 120)


def first_tokens(tokenizer):
    """The token with which each category begins behind the opening; all must differ."""
    opening = tokenizer.encode(_OPENING)
    whole = [tokenizer.encode(_OPENING + name) for name in CATEGORIES]
    if any(ids[:len(opening)] != opening for ids in whole):
        raise ValueError("expected the categories to begin behind the quotation mark")
    first = [ids[len(opening)] for ids in whole]
    if len(set(first)) != len(CATEGORIES):
        raise ValueError(f"expected categories with different first tokens, found {first}")
    return first


def logits_of(options, tokenizer, chosen):
    prompts = []
    for case in chosen:
        text = check_template.render(case["messages"], add_generation_prompt=True,
                                     enable_thinking=False)
        prompts.append(" ".join(map(str, tokenizer.encode(text + _OPENING))))
    command = [options.binary, "generate", "--checkpoint", options.weights, "--threads",
               str(options.threads), "--choices", ",".join(map(str, first_tokens(tokenizer)))]
    result = subprocess.run(command, input="\n".join(prompts) + "\n", text=True, check=True,
                            stdout=subprocess.PIPE)
    return numpy.array([[float(x) for x in line.split()] for line in result.stdout.splitlines()])


def probabilities(logits, temperature):
    scaled = logits / temperature
    powers = numpy.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_loss(logits, wanted, temperature):
    right = probabilities(logits, temperature)[numpy.arange(len(wanted)), wanted]
    return float(-numpy.log(numpy.maximum(right, 1e-12)).mean())


def expected_calibration_error(sure, right):
    """Mean distance between how sure and how right, over the bins of the table."""
    bins = numpy.digitize(sure, _EDGES[1:-1])
    return sum(abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
               for b in range(len(_EDGES) - 1) if (bins == b).any())


def table(sure, right):
    rows = ["| probability | cases | mean probability | right |", "| --- | ---: | ---: | ---: |"]
    bins = numpy.digitize(sure, _EDGES[1:-1])
    for number, (low, high) in enumerate(zip(_EDGES, _EDGES[1:])):
        inside = bins == number
        if inside.any():
            rows.append(f"| {low:.2f} to {high:.2f} | {inside.sum()} | "
                        f"{100 * sure[inside].mean():.1f} % | {100 * right[inside].mean():.1f} % |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tokenizer = bpe.Tokenizer.load(options.tokenizer)
    chosen = cases.triage(False)
    logits = logits_of(options, tokenizer, chosen)
    wanted = numpy.array([CATEGORIES.index(labels.INTENTS[case["expected"]["intent"]].category)
                          for case in chosen])
    fitting = numpy.array([case["suite"] == "development" for case in chosen])
    losses = [log_loss(logits[fitting], wanted[fitting], t) for t in _TEMPERATURES]
    fitted = float(_TEMPERATURES[int(numpy.argmin(losses))])
    print(f"temperature {fitted:.2f}, fitted on {fitting.sum()} development cases")
    for name, temperature in (("as it is", 1.0), ("with the temperature", fitted)):
        shares = probabilities(logits[~fitting], temperature)
        sure, right = shares.max(axis=1), shares.argmax(axis=1) == wanted[~fitting]
        print(f"\n{(~fitting).sum()} hand-written cases, {name}: expected calibration error "
              f"{100 * expected_calibration_error(sure, right):.1f} points, log loss "
              f"{log_loss(logits[~fitting], wanted[~fitting], temperature):.3f}\n")
        print(table(sure, right))


if __name__ == "__main__":
    main()
