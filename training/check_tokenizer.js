// SPDX-License-Identifier: Apache-2.0
//
// Compares our encoder with Hugging Face's Rust library (npm package `tokenizers`).
//   node check_tokenizer.js MODULES/node_modules/tokenizers tokenizer.json < lines of {text, ids}
// Exit code 1 when any text differs.
const readline = require("readline");

const [modulePath, tokenizerPath] = process.argv.slice(2);
const { Tokenizer } = require(require("path").resolve(modulePath));
const tokenizer = Tokenizer.fromFile(tokenizerPath);

async function main() {
  let equal = 0;
  const different = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { text, ids } = JSON.parse(line);
    const found = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
    const same = found.length === ids.length && found.every((id, i) => id === ids[i]);
    if (same) equal += 1;
    else different.push({ text, expected: ids, found });
  }
  console.log(`${equal} texts equal, ${different.length} different`);
  for (const item of different.slice(0, 5)) console.log(JSON.stringify(item));
  process.exit(different.length ? 1 : 0);
}

main();
