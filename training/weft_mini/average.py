# SPDX-License-Identifier: Apache-2.0
"""The mean of the weights of several checkpoints of one run, as a checkpoint without moments.

What a last stretch learns and what it unlearns lie in different directions: halfway back most of the
first is kept and most of the second undone (Izmailov et al. 2018, "Averaging Weights Leads to Wider
Optima and Better Generalization").
"""

import argparse
import pathlib

import numpy

from weft_mini import export


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("checkpoints", nargs="+")
    options = parser.parse_args()
    read = [export.read_checkpoint(path) for path in options.checkpoints]
    shape = read[0][0]
    if any(other != shape for other, _ in read):
        parser.error("the checkpoints have different shapes")
    mean = sum(values.astype(numpy.float64) for _, values in read) / len(read)
    export.write_weights(options.out, shape, mean.astype(numpy.float32))
    print(f"{options.out}: the mean of {len(read)} checkpoints, {len(mean)} parameters")


if __name__ == "__main__":
    main()
