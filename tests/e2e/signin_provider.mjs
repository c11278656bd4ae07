// SPDX-License-Identifier: Apache-2.0
// An identity provider for signin_test.py: npm's oidc-provider, real in everything that a client
// sees, with two buttons less: whoever is named in login_hint is signed in and consents. Prints its
// port; commands on stdin change it while it runs.
//   node signin_provider.mjs REDIRECT_URL
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../tools/node/package.json", import.meta.url));
const { Provider } = await import(require.resolve("oidc-provider"));

const PEOPLE = {
  ada: { email: "ada@example.com", email_verified: true, groups: ["weft-admins"], org: "acme" },
  bob: { email: "bob@example.com", email_verified: true, groups: ["finance"], org: "other" },
  eve: { email: "eve@example.com", email_verified: true, groups: ["strangers"], org: "acme" },
};

console.info = console.warn = () => {};

let generation = 0;
function key(type) {
  const pair = type === "RS256" ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...pair.privateKey.export({ format: "jwk" }), kid: `${type}-${++generation}`, use: "sig",
    alg: type };
}

let person = "ada";
let delay_ms = 0;
let down = false;
let algorithm = "RS256";
let tamper = "";  // how the next ID token is changed, or with "me-…" what userinfo says
let small = false;  // ID tokens say nothing but sub, userinfo the rest
let asked = 0;  // how often userinfo was

const server = createServer((request, response) => {
  if (down) return void request.socket.destroy();
  setTimeout(() => current(request, response), delay_ms);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
let current;

function start() {
  const provider = new Provider(issuer, {
    clients: [{ client_id: "weft", client_secret: "s e+c:r%t", redirect_uris: [process.argv[2]],
      id_token_signed_response_alg: algorithm,
      post_logout_redirect_uris: [process.argv[2].replace(/session.*/, "")] }],
    jwks: { keys: [key("RS256"), key("ES256")] },
    cookies: { keys: ["test"] },
    conformIdTokenClaims: small,
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups", "org"] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  });
  const inner = provider.callback();
  return async (request, response) => {
    if (request.url.startsWith("/interaction/")) return void await consent(provider, request, response);
    if (request.url === "/me") ++asked;
    if (request.url === "/me" && tamper === "me-fails") return void response.writeHead(500).end();
    const place = tamper.startsWith("me-") ? "/me" : "/token";
    if (request.url === place && tamper) return void spoiled(inner, request, response);
    inner(request, response);
  };
}

async function consent(provider, request, response) {
  const { prompt, params } = await provider.interactionDetails(request, response);
  if (person === "nobody") {
    return provider.interactionFinished(request, response,
      { error: "access_denied", error_description: "no" });
  }
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: person } });
  }
  const grant = new provider.Grant({ accountId: person, clientId: params.client_id });
  grant.addOIDCScope("openid email groups");
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } },
    { mergeWithLastSubmission: true });
}

const coded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

// The provider's own answer, with its token changed on the way.
function spoiled(inner, request, response) {
  const how = tamper;
  const end = response.end.bind(response);
  response.end = (text) => {
    const body = JSON.parse(text.toString());
    const [head, claims, signature] = (body.id_token ?? "..").split(".");
    const said = JSON.parse(Buffer.from(claims, "base64url").toString() || "{}");
    if (how === "me-another") body.sub = "bob";
    if (how === "none") body.id_token = `${coded({ alg: "none" })}.${claims}.`;
    if (how === "forged") {
      body.id_token = `${head}.${coded({ ...said, groups: ["weft-admins"] })}.${signature}`;
    }
    if (how === "missing") delete body.id_token;
    const out = how.endsWith("garbage") ? "<html>" : JSON.stringify(body);
    response.setHeader("content-length", Buffer.byteLength(out));
    end(out);
  };
  inner(request, response);
}

current = start();
console.log(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  const [what, value] = line.split(" ");
  if (what === "person") person = value;
  if (what === "delay") delay_ms = Number(value);
  if (what === "down") down = value === "yes";
  if (what === "tamper") tamper = value ?? "";
  if (what === "small") { small = value === "yes"; current = start(); }
  if (what === "asked") { console.log(asked); asked = 0; }
  if (what === "keys") { algorithm = value; current = start(); }
  console.log("ok");
}
process.exit(0);
