// SPDX-License-Identifier: Apache-2.0
// Random answers of grammars, judged by ajv: every one must be valid JSON that fits its schema.
// usage: node tests/diff/grammar.mjs PROGRAM [SEED [SCHEMAS [ANSWERS]]]
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_TOOLS ?? new URL("../../tools/node/", import.meta.url));
const Ajv = require("ajv/dist/2020");

const [program, seedText = "1", countText = "400", answers = "20"] = process.argv.slice(2);
const root = new URL("../../", import.meta.url).pathname;
let state = BigInt(seedText) * 0x9e3779b97f4a7c15n + 1n;
function random(n) {  // 0 … n-1, by xorshift64*
  state ^= (state >> 12n) & 0xffffffffffffffffn;
  state = (state ^ (state << 25n)) & 0xffffffffffffffffn;
  state ^= state >> 27n;
  return Number((((state * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn) >> 32n) % BigInt(n));
}
const pick = (list) => list[random(list.length)];
const some = (max, make) => Array.from({ length: random(max + 1) }, make);
const chance = (n) => random(n) === 0;

// What people write: mostly objects with named members; now and then a rare keyword.
const names = ["name", "id", "x y", "ünï", "q\"", "a/b"];
function text() {
  const out = { type: "string" };
  if (chance(3)) out.pattern = pick(["^[a-z]{1,9}$", "^[A-Z]{2}-\\d+$", "^a|b$", "^[^\\n]{2,30}$", "\\d", "^(ab)*$"]);
  if (chance(4)) out.minLength = random(4);
  if (chance(3)) out.maxLength = 4 + random(20);
  return out;
}
function number() {
  const out = { type: pick(["integer", "number"]) };
  if (chance(2)) out.minimum = random(40) - 20;
  if (chance(2)) out.maximum = 21 + random(1000);
  if (chance(6)) out.multipleOf = pick([1, 2, 3, 5, 0.5]);
  return out;
}
function object(depth) {
  const properties = {};
  for (const name of some(4, () => pick(names))) properties[name] = schema(depth - 1);
  const out = { type: "object", properties };
  out.required = Object.keys(properties).filter(() => chance(2));
  if (chance(3)) out.additionalProperties = pick([false, true, { type: "integer" }]);
  if (chance(8)) out.patternProperties = { "^s_": schema(0) };
  if (chance(6)) out.minProperties = Math.min(out.required.length + random(2), Object.keys(properties).length);
  return out;
}
function array(depth) {
  const out = { type: "array", items: schema(depth - 1) };
  if (chance(4)) out.prefixItems = [schema(0), ...some(2, () => schema(0))];
  if (chance(2)) out.maxItems = 3 + random(4);
  if (chance(3)) out.minItems = random(4);
  return out;
}
function schema(depth) {
  const kind = random(depth > 0 ? 11 : 6);
  if (kind < 2) return text();
  if (kind < 3) return number();
  if (kind < 4) return { enum: some(3, () => pick(["a", "é\n", 5, -1.5, null, true])).concat("z").filter((v, i, l) => l.indexOf(v) === i) };
  if (kind < 5) return pick([{ type: "boolean" }, { const: { k: [1, "v"] } }, { type: ["string", "null"] }]);
  if (kind < 6) return chance(8) ? true : { $ref: "#/$defs/one" };
  if (kind < 8) return object(depth);
  if (kind < 9) return array(depth);
  if (kind < 10) return { anyOf: [schema(depth - 1), schema(depth - 1)] };
  return { allOf: [object(depth - 1), { required: [] }] };
}

const files = readFileSync(`${root}tests/grammar/schemas.jsonl`, "utf8").split("\n").filter((line) => line.trim());
const schemas = files.map((line) => JSON.parse(line));
for (let i = 0; i < Number(countText); ++i) {
  const tree = schema(3);
  const whole = typeof tree === "boolean" ? { allOf: [tree] } : tree;
  whole.$defs = { one: chance(2) ? text() : { type: "object", properties: { next: { $ref: "#/$defs/one" } } } };
  schemas.push(whole);
}
const run = spawnSync(program, [`${root}tests/golden/tokenizers/mini/qwen3`, seedText, answers],
  { input: schemas.map((s) => JSON.stringify(s) + "\n").join(""), maxBuffer: 1 << 28 });
const lines = run.stdout.toString().split("\n").filter((line) => line);
let judged = 0, refused = 0, wrong = 0;
lines.forEach((line, i) => {
  let parsed;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    if (++wrong <= 5) console.log(`no JSON: ${line}\n`);
    return;
  }
  if (parsed.refused) { ++refused; return; }
  const [tree, ...values] = parsed;
  const judge = new Ajv({ strict: false, validateFormats: false, multipleOfPrecision: 9 }).compile(tree);
  for (const value of values) {
    ++judged;
    if (judge(value) || ++wrong > 5) continue;
    console.log(`schema ${JSON.stringify(tree)}\nanswer ${JSON.stringify(value)}\n${JSON.stringify(judge.errors)}\n`);
  }
});
console.log(`${judged} answers of ${lines.length - refused} schemas judged, ${wrong} wrong, ${refused} schemas refused`);
process.exit(wrong === 0 && judged > 0 && lines.length === schemas.length && run.status === 0 ? 0 : 1);
