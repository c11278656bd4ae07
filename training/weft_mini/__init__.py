# SPDX-License-Identifier: Apache-2.0
"""Tool chain of weft-mini: data, tokenizer, export and evaluation. The trainer is C++."""
