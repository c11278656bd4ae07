// SPDX-License-Identifier: Apache-2.0
// The schemas of a real OpenAPI document (the payment service Rebilly's, which @redocly/openapi-core
// carries): each becomes a grammar, whose random answers our validator and ajv judge, or is refused
// with the place of what cannot be held. Counted by reason.
// usage: node tests/diff/openapi.mjs PROGRAM [SEED [ANSWERS]]
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
const tools = (name) => createRequire(new URL(`../../tools/${name}/`, import.meta.url));
const [program, seed = "1", answers = "6"] = process.argv.slice(2);
const root = new URL("../../", import.meta.url).pathname;
const packages = `${root}tools/openapi/node_modules`;
const path = `${packages}/@redocly/openapi-core/src/benchmark/benches/rebilly.yaml`;
if (!existsSync(`${packages}/yaml`)) {
  console.log("SKIPPED: no OpenAPI document; run tools/openapi/setup first");
  process.exit(0);
}
const Ajv = tools("node")("ajv/dist/2020");
const yaml = tools("openapi")("yaml");
const document = yaml.parse(readFileSync(path, "utf8"));
const components = document.components.schemas;
const place = "#/components/schemas/";

// What OpenAPI 3.0 says in words of its own, in those of JSON Schema. `used`: names referred to.
function plain(value, used) {
  if (Array.isArray(value)) return value.map((item) => plain(item, used));
  if (value === null || typeof value !== "object") return value;
  const out = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === "example" || key === "examples" || key === "discriminator" || key === "xml") continue;
    if (key === "properties") {  // names, not keywords
      out.properties = Object.fromEntries(
        Object.entries(member).map(([name, one]) => [name, plain(one, used)]));
    } else if (key === "$ref" && typeof member === "string" && member.startsWith(place)) {
      used.add(member.slice(place.length).split("/")[0]);
      out.$ref = "#/$defs/" + member.slice(place.length);
    } else if ((key === "enum" || key === "default" || key === "const")) {
      out[key] = member;
    } else {
      out[key] = plain(member, used);
    }
  }
  for (const [flag, bound] of [["exclusiveMinimum", "minimum"], ["exclusiveMaximum", "maximum"]]) {
    if (typeof out[flag] !== "boolean") continue;
    if (out[flag]) { out[flag] = out[bound]; delete out[bound]; } else delete out[flag];
  }
  if (out.nullable === true && typeof out.type === "string") {
    out.type = [out.type, "null"];
    if (out.enum && !out.enum.includes(null)) out.enum = [...out.enum, null];
  }
  delete out.nullable;
  return out;
}
function alone(name) {
  const used = new Set([name]);
  const $defs = {};
  for (const one of used) {  // grows while it is walked
    if (!(one in components)) throw new Error(`${name} refers to ${one}, which is not there`);
    $defs[one] = plain(components[one], used);
  }
  return { $ref: `#/$defs/${name}`, $defs };
}

// The document asks for names of servers that its own list of names does not have: nothing fits.
function contradicts(name) {
  const known = components.ThreeDSecureServerName.enum;
  const servers = components[name].allOf?.[0].$ref?.slice(place.length) ?? name;
  return components[servers].properties.name.enum.every((one) => !known.includes(one));
}

const names = Object.keys(components);
const schemas = names.map(alone);
const run = spawnSync(program, [`${root}tests/golden/tokenizers/mini/qwen3`, seed, answers],
  { input: schemas.map((s) => JSON.stringify(s) + "\n").join(""), maxBuffer: 1 << 30 });
const lines = run.stdout.toString().split("\n").filter((line) => line);
const refused = new Map();
let held = 0, judged = 0, wrong = 0;
const complain = (text) => { if (++wrong <= 5) console.log(text); };
lines.forEach((line, i) => {
  let parsed;
  try { parsed = JSON.parse(line); } catch (error) { return complain(`no JSON: ${line.slice(0, 300)}`); }
  if (parsed.refused) {
    const code = parsed.refused.slice(0, 5);
    const at = /#\/[^ :]*/.exec(parsed.refused);
    const reason = code + (at ? ` ${at[0].split("/").pop()}` : "");
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
    // Of a schema that nothing fits, or that is too large, no keyword alone is the reason.
    const whole = code === "E0323" || code === "E0324";
    if (!at && !whole) complain(`${names[i]} is refused without a place: ${parsed.refused}`);
    if (code === "E0324" && !contradicts(names[i])) complain(`${names[i]}: ${parsed.refused}`);
    return;
  }
  ++held;
  const [tree, ...values] = parsed;
  const judge = new Ajv({ strict: false, validateFormats: false, multipleOfPrecision: 9 }).compile(tree);
  for (const value of values) {
    ++judged;
    if (!judge(value)) complain(`${names[i]}: ${JSON.stringify(value)}\n${JSON.stringify(judge.errors)}`);
  }
});
process.stderr.write(run.stderr);
for (const [reason, count] of [...refused].sort((a, b) => b[1] - a[1])) console.log(`${count} refused: ${reason}`);
console.log(`${names.length} schemas: ${held} held, ${judged} answers judged, ${wrong} wrong`);
const enough = names.length > 300 && held > 0.8 * names.length && judged === held * Number(answers);
process.exit(wrong === 0 && enough && lines.length === names.length && run.status === 0 ? 0 : 1);
