# SPDX-License-Identifier: Apache-2.0
"""Checks that a run gives the same bytes on one thread, on two, and when stopped in between."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

_OPTIONS = ("--hidden 64 --layers 2 --head-dim 32 --feed-forward 96 --shard-rows 512 "
            "--learning-rate 3e-3 --warmup-steps 3").split()


def run(binary, samples, checkpoint, tokens, threads):
    subprocess.run([binary, "train", "--samples", samples, "--checkpoint", checkpoint,
                    "--stop-at-tokens", str(tokens), "--threads", str(threads), *_OPTIONS],
                   check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--samples", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        one, two, stopped = (f"{directory}/{name}" for name in ("one", "two", "stopped"))
        run(options.binary, options.samples, one, 6000, 1)
        run(options.binary, options.samples, two, 6000, 2)
        run(options.binary, options.samples, stopped, 2500, 2)
        run(options.binary, options.samples, stopped, 6000, 1)
        contents = {pathlib.Path(path).read_bytes() for path in (one, two, stopped)}
    print(f"one thread, two threads, stopped and resumed: {len(contents)} different result(s)")
    sys.exit(0 if len(contents) == 1 else 1)


if __name__ == "__main__":
    main()
