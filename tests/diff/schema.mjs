// SPDX-License-Identifier: Apache-2.0
// Random schemas and values, judged by ajv and by ours: the verdicts must agree.
// usage: node tests/diff/schema.mjs PROGRAM [SEED [COUNT]]     (ajv: run tools/node/setup first)
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_TOOLS ?? new URL("../../tools/node/", import.meta.url));
const Ajv = require("ajv/dist/2020");

const [program, seedText = "1", countText = "2000"] = process.argv.slice(2);
let state = BigInt(seedText) * 0x9e3779b97f4a7c15n + 1n;
function random(n) {  // 0 … n-1, by xorshift64*
  state ^= (state >> 12n) & 0xffffffffffffffffn;
  state = (state ^ (state << 25n)) & 0xffffffffffffffffn;
  state ^= state >> 27n;
  return Number((((state * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn) >> 32n) % BigInt(n));
}
const pick = (list) => list[random(list.length)];
const some = (max, make) => Array.from({ length: random(max + 1) }, make);

// no empty name: ajv 8.20 takes a missing "" for present in `required`
const names = ["a", "b", "ab", "x1", "~/"];
const texts = ["", "a", "ab", "abc", "a1", "한국", "😀", "\n", "x y"];
const numbers = [0, 1, -1, 2, 3, 0.1, 0.3, 1.5, 2.5, 10, 1e20, -7, 100];
const patterns = ["^a", "b$", "^[a-c]+$", "\\d", "^.$", "^\\s*$", "a{2,3}", "\\p{L}", "(?!a)b", "^$"];
const types = ["null", "boolean", "integer", "number", "string", "array", "object"];

function value(depth) {
  const kind = random(depth > 0 ? 8 : 5);
  if (kind < 1) return pick([null, true, false]);
  if (kind < 3) return pick(numbers);
  if (kind < 5) return pick(texts);
  if (kind < 6) return some(4, () => value(depth - 1));
  const object = {};
  for (const name of some(4, () => pick(names))) object[name] = value(depth - 1);
  return object;
}
const unique = (list) => [...new Set(list)];
function map(make, keys = names) {
  const out = {};
  for (const key of some(3, () => pick(keys))) out[key] = make();
  return out;
}
function schema(depth) {
  if (random(12) === 0) return pick([true, false, {}]);
  const out = {};
  const sub = () => (depth > 0 ? schema(depth - 1) : pick([true, { type: pick(types) }, { minimum: 1 }]));
  const list = () => [sub(), ...some(2, sub)];
  const count = () => random(4);
  const keywords = {
    type: () => (random(2) ? pick(types) : unique([pick(types), pick(types)])),
    enum: () => unique([value(1), value(0), value(0)].map((v) => JSON.stringify(v))).map((v) => JSON.parse(v)),
    const: () => value(1),
    minimum: () => pick(numbers), maximum: () => pick(numbers),
    exclusiveMinimum: () => pick(numbers), exclusiveMaximum: () => pick(numbers),
    multipleOf: () => pick([1, 2, 3, 0.5, 10]),
    minLength: count, maxLength: count, pattern: () => pick(patterns),
    minItems: count, maxItems: count, uniqueItems: () => random(2) === 1,
    prefixItems: list, items: sub, contains: sub, minContains: count, maxContains: count,
    unevaluatedItems: sub,
    minProperties: count, maxProperties: count,
    required: () => unique(some(2, () => pick(names))),
    properties: () => map(sub), patternProperties: () => map(sub, patterns),
    additionalProperties: sub, propertyNames: sub, unevaluatedProperties: sub,
    dependentRequired: () => map(() => unique(some(2, () => pick(names)))),
    dependentSchemas: () => map(sub),
    allOf: list, anyOf: list, oneOf: list, not: sub, if: sub, then: sub, else: sub,
    $ref: () => pick(["#/$defs/one", "#/$defs/two"]),
  };
  for (const key of some(4, () => pick(Object.keys(keywords)))) {
    out[key] = keywords[key]();
  }
  return out;
}

const cases = [];
for (let i = 0; i < Number(countText); ++i) {
  const root = schema(3);
  const tree = typeof root === "boolean" ? { allOf: [root] } : root;
  // the definitions do not refer to each other: no cycles here
  const flat = () => JSON.parse(JSON.stringify(schema(1), (key, v) => (key === "$ref" ? undefined : v)));
  tree.$defs = { one: flat(), two: flat() };
  cases.push([tree, ...Array.from({ length: 12 }, () => value(2))]);
}
const run = spawnSync(program, { input: cases.map((c) => JSON.stringify(c) + "\n").join(""), maxBuffer: 1 << 28 });
const lines = run.stdout.toString().split("\n");
let compared = 0, skipped = 0, broken = 0, wrong = 0;
cases.forEach(([tree, ...values], i) => {
  let judge;
  try {
    judge = new Ajv({ strict: false, validateFormats: false, multipleOfPrecision: 9 }).compile(tree);
  } catch (error) {
    if (/^[01?]+$/.test(lines[i])) { ++skipped; }
    return;
  }
  let theirs;
  try {
    theirs = values.map((v) => (judge(v) ? "1" : "0")).join("");
  } catch (error) {  // the code that ajv makes for some unevaluatedProperties throws
    ++broken;
    return;
  }
  if (theirs === lines[i]) { compared += values.length; return; }
  if (++wrong > 5) return;
  const at = [...theirs].findIndex((c, k) => c !== lines[i][k]);
  console.log(`ajv ${theirs}\nweft ${lines[i]}\nschema ${JSON.stringify(tree)}\nvalue ${JSON.stringify(values[at])}\n`);
});
console.log(`${compared} verdicts agree, ${wrong} schemas differ, ${skipped} schemas only ours takes, ` +
  `${broken} break ajv`);
process.exit(wrong === 0 && compared > 0 && run.status === 0 ? 0 : 1);
