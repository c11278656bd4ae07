// SPDX-License-Identifier: Apache-2.0
// Packs a directory into one file for the program: src/server/static_files.h says in which form.
// usage: node pack.mjs DIRECTORY PACK
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { constants, gzipSync } from "node:zlib";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};
const SMALL = 2048; // bytes; such files stay as they are, readable by any client

const [directory, target] = process.argv.slice(2);
const files = [];
const bodies = [];
let offset = 0;
for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const full = join(entry.parentPath, entry.name);
  const path = full.slice(directory.length + 1);
  const type = TYPES[extname(path)];
  if (!type) throw new Error(`no type for ${path}`);
  const plain = readFileSync(full);
  const gzip = plain.length > SMALL;
  const body = gzip ? gzipSync(plain, { level: constants.Z_BEST_COMPRESSION }) : plain;
  const etag = `"${createHash("sha256").update(plain).digest("hex").slice(0, 32)}"`;
  files.push({
    path, type, etag, offset, size: body.length, gzip, immutable: path.startsWith("assets/"),
  });
  bodies.push(body);
  offset += body.length;
}
const index = Buffer.from(JSON.stringify({ files }));
const length = String(index.length).padStart(8, "0");
writeFileSync(`${target}.new`, Buffer.concat([Buffer.from(length), index, ...bodies]));
renameSync(`${target}.new`, target);
