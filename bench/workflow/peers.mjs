// SPDX-License-Identifier: Apache-2.0
//
// The peers of bench/workflow/run, driven as their own documentation does: Restate (its server, a
// service of its SDK, clients over HTTP) and DBOS (its SDK as a library, on PostgreSQL). One peer a
// process: reads "steps IN_FLIGHT RUNS", "single RUNS", "fan WIDTH RUNS" or "memory" from stdin,
// answers with one JSON line each.
//
//   peers.mjs restate DIRECTORY | peers.mjs dbos POSTGRES_URL
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';

// The packages are those that tools/node pins.
const tools = path.resolve(import.meta.dirname, '../../tools/node');
const required = createRequire(path.join(tools, 'package.json'));
const load = (name) => import(pathToFileURL(required.resolve(name)));

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const share = (values, at) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))];
};

// `start(n)` starts run n and resolves at its end.
async function steps(start, inFlight, runs) {
  let next = 0;
  const begin = performance.now();
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (next < runs) await start(next++);
  }));
  return { steps_per_second: runs * 10 / ((performance.now() - begin) / 1000) };
}

async function oneByOne(start, runs) {
  const ms = [];
  for (let n = 0; n < runs + 10; ++n) {
    const begin = performance.now();
    await start(n);
    if (n >= 10) ms.push(performance.now() - begin);
  }
  return { p50_ms: share(ms, 0.5), p99_ms: share(ms, 0.99) };
}

const residentMb = (pid) =>
  +(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

// ---- Restate -----------------------------------------------------------------------------------

const kIngress = 58080, kAdmin = 59070, kService = 59080;

async function restateService() {
  const restate = await load('@restatedev/restate-sdk');
  const service = restate.service({ name: 'bench', handlers: {
    wf: async (ctx, n) => {
      let value = 0;
      for (let s = 0; s < 10; ++s) value = await ctx.run('echo', () => value + 1);
      return value + n;
    },
    fan: async (ctx, width) => {
      const all = Array.from({ length: width }, (_, i) => ctx.run('echo', () => i));
      return (await restate.RestatePromise.all(all)).length;
    },
  } });
  const http2 = await import('node:http2');
  http2.createServer(restate.createEndpointHandler({ services: [service] }))
    .listen(kService, '127.0.0.1');
}

async function restate(directory) {
  const binary = required.resolve('@restatedev/restate-server-linux-x64/bin/restate-server');
  const log = fs.openSync(path.join(directory, 'log'), 'a');
  const service = spawn(process.execPath, [process.argv[1], 'restate-service'],
    { stdio: ['ignore', log, log], env: { ...process.env, NODE_ENV: 'production',
      RESTATE_LOGGING: 'WARN' } });
  const server = spawn(binary, ['--no-logo', '--base-dir', path.join(directory, 'data')],
    { stdio: ['ignore', log, log], env: { ...process.env,
      RESTATE_DISABLE_TELEMETRY: 'true', RESTATE_BIND_IP: '127.0.0.1',
      RESTATE_LISTEN_MODE: 'tcp', RESTATE_LOG_FILTER: 'warn', RESTATE_NODE_NAME: 'n1',
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${kAdmin}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${kIngress}`,
      RESTATE_BIND_ADDRESS: '127.0.0.1:55122', RESTATE_ADVERTISED_HOST: '127.0.0.1' } });
  process.on('exit', () => { service.kill('SIGKILL'); server.kill('SIGKILL'); });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
  const post = (port, url, value) => new Promise((done, fail) => {
    const body = JSON.stringify(value);
    const request = http.request({ host: '127.0.0.1', port, path: url, method: 'POST', agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
    (answer) => {
      let text = '';
      answer.on('data', (piece) => { text += piece; });
      answer.on('end', () => answer.statusCode < 300 ? done(text)
        : fail(new Error(`${answer.statusCode} ${text}`)));
    });
    request.on('error', fail);
    request.end(body);
  });
  const soon = async (attempt) => {
    for (let tries = 0; ; ++tries) {
      try { return await attempt(); } catch (error) { if (tries > 600) throw error; }
      await sleep(100);
    }
  };
  await soon(() => post(kAdmin, '/deployments',
    { uri: `http://127.0.0.1:${kService}`, use_http_11: false }));
  await soon(() => post(kIngress, '/bench/wf', 0));
  return {
    run: (n) => post(kIngress, '/bench/wf', n),
    fan: (width) => post(kIngress, '/bench/fan', width),
    memory: () => residentMb(server.pid),
  };
}

// ---- DBOS --------------------------------------------------------------------------------------

async function dbos(url) {
  const { DBOS } = await load('@dbos-inc/dbos-sdk');
  const wf = DBOS.registerWorkflow(async (n) => {
    let value = 0;
    for (let s = 0; s < 10; ++s) {
      value = await DBOS.runStep(async () => value + 1, { name: 'echo' });
    }
    return value + n;
  }, { name: 'wf' });
  const fan = DBOS.registerWorkflow(async (width) => {
    const all = Array.from({ length: width },
      (_, i) => DBOS.runStep(async () => i, { name: 'echo' }));
    return (await Promise.all(all)).length;
  }, { name: 'fan' });
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error',
    systemDatabasePoolSize: 20, executorID: 'local', applicationVersion: 'v1' });
  await DBOS.launch();
  const finished = async (handle) => (await handle).getResult();
  return {
    run: (n) => finished(DBOS.startWorkflow(wf)(n)),
    fan: (width) => finished(DBOS.startWorkflow(fan)(width)),
    memory: () => residentMb(process.pid),
  };
}

// ---- commands ----------------------------------------------------------------------------------

const [, , which, where] = process.argv;
if (which === 'restate-service') {
  await restateService();
} else {
  const peer = which === 'restate' ? await restate(where) : await dbos(where);
  console.log(JSON.stringify({ ready: which }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [what, first, second] = line.trim().split(' ').map((word, i) => i === 0 ? word : +word);
    let answer = {};
    if (what === 'steps') answer = await steps(peer.run, first, second);
    if (what === 'single') answer = await oneByOne(peer.run, first);
    if (what === 'fan') answer = await oneByOne(() => peer.fan(first), second);
    if (what === 'memory') answer = { memory_mb: peer.memory() };
    if (what === 'end') break;
    console.log(JSON.stringify(answer));
  }
  process.exit(0);
}
