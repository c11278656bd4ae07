#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A corpus as one text file: an input a line, sorted, in ASCII with \\n, \\xNN and the like.

usage: pack.py pack FILE FOLDER…   every file below the folders becomes a line of FILE
       pack.py unpack FILE FOLDER  every line becomes a file of FOLDER, named by its number
"""
import pathlib
import sys


def pack(file, folders):
    inputs = {path.read_bytes() for folder in folders for path in pathlib.Path(folder).rglob('*')
              if path.is_file()}
    lines = sorted(data.decode('latin-1').encode('unicode_escape') for data in inputs)
    pathlib.Path(file).write_bytes(b''.join(line + b'\n' for line in lines))


def unpack(file, folder):
    for number, line in enumerate(pathlib.Path(file).read_bytes().split(b'\n')[:-1], 1):
        data = line.decode('unicode_escape').encode('latin-1')
        (pathlib.Path(folder) / f'{number:05}').write_bytes(data)


if __name__ == '__main__':
    if len(sys.argv) >= 4 and sys.argv[1] == 'pack':
        pack(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 4 and sys.argv[1] == 'unpack':
        unpack(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
