// SPDX-License-Identifier: Apache-2.0
// Prism (tools/openapi) as a proxy that holds requests and answers to the OpenAPI document of the
// server behind it. It reads lines "URL" of servers from stdin and answers each with a line
// {"url": of the proxy}; it ends with stdin. What does not fit stands in the answer's header
// sl-violations, and the caller judges: a server may be asked wrongly, it may not answer wrongly.
// usage: node validating_proxy.mjs TOOLS_DIRECTORY
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/package.json");
const { getHttpOperationsFromSpec } = require("@stoplight/prism-http");
const { createServer } = require("@stoplight/prism-http-server");
const { createLogger } = require("@stoplight/prism-core");

const logger = createLogger("proxy", { level: "silent" });
const known = new Map(); // document -> operations: servers of one test have the same

async function operationsOf(url) {
  const text = await (await fetch(url + "/openapi.json")).text();
  if (!known.has(text)) known.set(text, await getHttpOperationsFromSpec(JSON.parse(text)));
  return known.get(text);
}

for await (const url of createInterface({ input: process.stdin })) {
  const config = {
    isProxy: true, upstream: new URL(url), validateRequest: true, validateResponse: true,
    checkSecurity: false, // what a key may do is not in the document's power
    errors: false, mock: { dynamic: false }, upstreamProxy: undefined,
  };
  const proxy = createServer(await operationsOf(url), { cors: false, config, components: { logger } });
  console.log(JSON.stringify({ url: await proxy.listen(0, "127.0.0.1") }));
}
process.exit(0);
