"""Stored values of DICOM files by pydicom; decodes the file of each line on stdin.

usage: pydicom_decode.py

The answer is JSON: {"seconds", "sum"} of the values, or {"error"} for what this pydicom has no decoder for.
"""

import json
import sys
from time import perf_counter

from pydicom import dcmread


def decode(path):
    started_at = perf_counter()
    pixels = dcmread(path, force=True).pixel_array
    return {"seconds": perf_counter() - started_at, "sum": int(pixels.sum(dtype="int64"))}


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print(json.dumps(decode(line.rstrip("\n"))), flush=True)
        except Exception as error:
            print(json.dumps({"error": type(error).__name__}), flush=True)


if __name__ == "__main__":
    main()
