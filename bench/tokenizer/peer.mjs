// SPDX-License-Identifier: Apache-2.0
//
// The peer in bench/tokenizer/run: npm `tokenizers`, the Rust library's own binding. Same protocol
// and same pieces as tokenizer_bench.cc. Turning the ids into JavaScript numbers is not timed.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [tokenizerPath, nodeDirectory] = process.argv.slice(2);
const { Tokenizer } = createRequire(nodeDirectory + "/")("tokenizers");
const tokenizer = Tokenizer.fromFile(tokenizerPath);
const PIECE_BYTES = 8192;

function piecesOf(bytes) {
  const pieces = [];
  let begin = 0;
  for (let at = 0; at < bytes.length; ) {
    let end = bytes.indexOf(10, at);
    end = end < 0 ? bytes.length : end + 1;
    if (at > begin && end - begin > PIECE_BYTES) {
      pieces.push(bytes.toString("utf8", begin, at));
      begin = at;
    }
    at = end;
  }
  pieces.push(bytes.toString("utf8", begin));
  return pieces;
}

for await (const path of createInterface({ input: process.stdin })) {
  const pieces = piecesOf(readFileSync(path));
  const encoded = [];
  const start = process.cpuUsage();
  for (const piece of pieces) {
    encoded.push(await tokenizer.encode(piece, null, { addSpecialTokens: false }));
  }
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  let tokens = 0;
  let digest = 2166136261;
  for (const encoding of encoded) {
    for (const id of encoding.getIds()) {
      digest = Math.imul(digest ^ id, 16777619);
      ++tokens;
    }
  }
  process.stdout.write(JSON.stringify({ seconds, tokens, digest: digest >>> 0 }) + "\n");
}
