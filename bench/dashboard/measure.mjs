// SPDX-License-Identifier: Apache-2.0
// What bench/dashboard/run says. Every figure is the median over rounds; a round that other work on
// the machine has slowed down counts as it is.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { addManyRuns, check, openBrowser, person, Server, until } from "../../tests/web/harness.mjs";

const [weft, root, given] = process.argv.slice(2);
const rounds = Number(given);
const before = loadavg();
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const rows = [];
function row(name, unit, values, goal, most = true) {
  const ours = median(values);
  rows.push({ name, unit, ours: Math.round(ours * 10) / 10, best: Math.round((most
    ? Math.min(...values) : Math.max(...values)) * 10) / 10, goal,
    met: goal === null ? null : most ? ours <= goal : ours >= goal });
}

const LAYERS = 50;
const WIDTH = 100;
const lines = ['weft: "1"', "id: big", "steps:"];
for (let i = 0; i < LAYERS; i++) {
  for (let j = 0; j < WIDTH; j++) {
    lines.push(`  - id: s${i}_${j}`, "    type: set", "    parameters: { value: 1 }");
    if (i > 0) lines.push(`    dependencies: [s${i - 1}_${j}, s${i - 1}_${(j * 7 + 3) % WIDTH}]`);
  }
}
const server = new Server(weft);
server.write("big.yaml", `${lines.join("\n")}\n`);
await server.start("--workflow", "big.yaml");
const browser = await openBrowser();

async function firstLoad() {
  const page = await person(browser, server);
  let bytes = 0;
  page.on("response", (response) => { bytes += Number(response.headers()["content-length"] ?? 0); });
  await page.goto(server.url);
  await page.locator(".tile").first().waitFor();
  await page.locator(".chart canvas, .chart .empty").first().waitFor();
  await page.context().close();
  return bytes / 1024;
}

/** Frames a second while somebody drags the graph about for two seconds. */
async function pan(page) {
  const box = await page.locator(".graph").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height - 14];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.evaluate(() => {
    window.frames_seen = [];
    const tick = (now) => {
      window.frames_seen.push(now);
      window.frame_wanted = requestAnimationFrame(tick);
    };
    window.frame_wanted = requestAnimationFrame(tick);
  });
  const end = Date.now() + 2000;
  for (let i = 0; Date.now() < end; i++) {
    await page.mouse.move(x + Math.sin(i / 9) * 300, y - Math.abs(Math.cos(i / 13)) * 240);
  }
  await page.mouse.up();
  return await page.evaluate(() => {
    cancelAnimationFrame(window.frame_wanted);
    const seen = window.frames_seen;
    return (seen.length - 1) / (seen.at(-1) - seen[0]) * 1000;
  });
}

async function graph(run) {
  const page = await person(browser, server);
  await page.goto(`${server.url}/ui/runs`);
  await page.locator("tbody tr").first().waitFor();
  await page.goto(`${server.url}/ui/runs/${run}`); // neither its code nor its data is known
  await page.locator(".node").first().waitFor();
  const painted = await page.evaluate(() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame((now) => done(now)))));
  await page.visit("/ui/runs"); // as people come who have the dashboard open
  const link = page.locator(`tbody a[href="/ui/runs/${run}"]`);
  await link.waitFor();
  await page.evaluate(() => document.addEventListener("click",
    () => { window.clicked = performance.now(); }, { capture: true, once: true }));
  await link.click();
  await page.locator(".node").first().waitFor();
  const opened = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() =>
    requestAnimationFrame((now) => done(now - window.clicked)))));
  const near = await pan(page);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.locator(".graph-far").waitFor();
  await until(async () => (await page.locator(".node").count()) === 0, "the view from afar");
  await page.waitForTimeout(500);
  const far = await pan(page);
  await page.context().close();
  return { painted, opened, near, far };
}

const QUERIES = ["limit=50", "limit=50&status=failed", "limit=50&workflow_id=payment",
  "limit=50&search=made00099", "limit=50&search=nothing-has-this",
  "limit=50&status=succeeded&workflow_id=count", "limit=50&cursor=run_made00090000"];
async function list(query) {
  const begin = performance.now();
  const { status } = await server.ask("GET", `/workflows?${query}`);
  check(status === 200, query);
  return performance.now() - begin;
}

const collected = { load: [], painted: [], opened: [], near: [], far: [], lists: QUERIES.map(() => []), page: [] };
const run = await server.run("big", {});
await server.until(run, "succeeded");
for (let i = 0; i < rounds; i++) {
  collected.load.push(await firstLoad());
  const { painted, opened, near, far } = await graph(run);
  collected.opened.push(opened);
  collected.painted.push(painted);
  collected.near.push(near);
  collected.far.push(far);
}
addManyRuns(server.store);
const page = await person(browser, server);
await page.goto(`${server.url}/ui/settings`);
for (let i = 0; i < rounds * 4; i++) {
  for (const [at, query] of QUERIES.entries()) collected.lists[at].push(await list(query));
}
for (let i = 0; i < rounds; i++) {
  await page.visit("/ui/settings");
  const begin = Date.now();
  await page.visit("/ui/runs");
  await page.locator("tbody tr").nth(49).waitFor();
  collected.page.push(Date.now() - begin);
}
row("first load, compressed", "KB", collected.load, 400);
row("5,000 steps: first paint, opened from the list", "ms", collected.opened, 2000);
row("5,000 steps: first paint, by address, nothing cached", "ms", collected.painted, 2000);
row("5,000 steps: pan, near", "frames/s", collected.near, 30, false);
row("5,000 steps: pan, from afar", "frames/s", collected.far, 30, false);
QUERIES.forEach((query, at) => row(`100,000 runs: ${query}`, "ms", collected.lists[at], 150));
row("100,000 runs: page opened and painted", "ms", collected.page, null);
await browser.close();
await server.stop();
server.remove();

const commit = execFileSync("git", ["-C", root, "rev-parse", "--short", "HEAD"]).toString().trim();
const result = { commit, date: new Date().toISOString().slice(0, 10), processors: cpus().length,
  rounds, note: process.env.WEFT_BENCH_NOTE ?? "", load_before: before, load_after: loadavg(), rows };
writeFileSync(`${root}/bench/results/dashboard.json`, `${JSON.stringify(result, null, 1)}\n`);
for (const each of rows) {
  console.log(`${each.name.padEnd(52)}${String(each.ours).padStart(9)} ${each.unit.padEnd(9)}` +
    ` best ${String(each.best).padStart(7)}  goal ${each.goal ?? "–"}${
      each.met === false ? "  MISSED" : ""}`);
}
