// SPDX-License-Identifier: Apache-2.0
// A real `weft serve` with a store of its own, and a browser that looks at it. Whatever a page asks
// for must come from that server, and nothing may be said against the content security policy.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { chromium } from "playwright-core";

export const SOURCE = new URL("../..", import.meta.url).pathname;
export const WAIT_MS = 60_000; // generous: the machine may be busy

export class Server {
  constructor(weft) {
    this.weft = weft;
    this.directory = mkdtempSync(join(tmpdir(), "weft-web-"));
    this.store = join(this.directory, "store.db");
    this.port = 0;
  }

  write(name, text) {
    writeFileSync(join(this.directory, name), text);
    return join(this.directory, name);
  }

  async start(...words) {
    this.words = words.length ? words : this.words;
    this.process = spawn(this.weft, ["serve", "--port", String(this.port), "--json", "--store",
      this.store, ...this.words], {
      cwd: this.directory, stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WEFT_HOME: join(this.directory, "home") },
    });
    this.log = "";
    this.process.stderr.on("data", (data) => { this.log += data; });
    this.ended = new Promise((done) => this.process.on("exit", (code, signal) => {
      if (code !== 0) console.log(`weft serve ended: ${code ?? signal}\n${this.log.slice(-4000)}`);
      done(code);
    }));
    const lines = createInterface({ input: this.process.stdout });
    const line = await Promise.race([new Promise((done) => lines.once("line", done)),
      this.ended.then(() => { throw new Error(`weft serve ended: ${this.log}`); })]);
    this.url = JSON.parse(line).url;
    this.port = Number(new URL(this.url).port);
    return this;
  }

  async stop() {
    if (this.process.exitCode === null) this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 45_000);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  remove() {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async ask(method, path, body, headers = {}) {
    const response = await fetch(this.url + path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers,
      json: text.startsWith("{") ? JSON.parse(text) : null, text };
  }

  async run(workflow_id, input_data) {
    const { json } = await this.ask("POST", "/workflows/execute", { workflow_id, input_data });
    return json.task_id;
  }

  async until(run, ...statuses) {
    return await until(async () => {
      const { json } = await this.ask("GET", `/workflows/${run}`);
      return statuses.includes(json?.status) ? json : null;
    }, `run ${run} to be ${statuses}`);
  }
}

export async function until(condition, what, ms = WAIT_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 30));
  }
}

export function check(condition, ...said) {
  if (!condition) throw new Error(said.map((each) =>
    typeof each === "string" ? each : JSON.stringify(each)).join(" "));
}

/** 100,000 runs that ended, straight into a server's store that has a definition. */
export function addManyRuns(store) {
  const db = new DatabaseSync(store);
  db.exec("PRAGMA busy_timeout = 20000; BEGIN");
  const now = Date.now() * 1000;
  db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO run (id, def_hash, workflow, input, context, status, priority, version,
      created_us, started_us, finished_us)
    SELECT printf('run_made%08d', i), (SELECT hash FROM definition LIMIT 1),
      CASE i % 3 WHEN 0 THEN 'count' WHEN 1 THEN 'payment' ELSE 'delivery' END, '{}', '{}',
      CASE WHEN i % 5000 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 1,
      ${now} - i * 800000 - 4000000, ${now} - i * 800000 - 4000000,
      ${now} - i * 800000 - 4000000 + (i % 900 + 1) * 1000 FROM n`);
  db.exec("COMMIT");
  db.close();
}

export async function openBrowser() {
  return await chromium.launch({ executablePath: process.env.WEFT_CHROMIUM ?? "/usr/bin/chromium",
    timeout: 180_000,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

/** A person at a browser of their own; `faults` gathers what must not happen. */
export async function person(browser, server, { language = "en", theme = "light" } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 }, locale: language === "ko" ? "ko-KR" : "en-US",
    reducedMotion: "reduce",
  });
  await context.addInitScript(([language, theme]) => {
    window.addEventListener("securitypolicyviolation", (event) => window.violated(
      `${event.violatedDirective} ${event.sourceFile}:${event.lineNumber}:${event.columnNumber} ${
        event.sample} ${event.target?.outerHTML?.slice(0, 200)}`));
    if (!localStorage.getItem("weft.language")) localStorage.setItem("weft.language", language);
    if (!localStorage.getItem("weft.theme")) localStorage.setItem("weft.theme", theme);
  }, [language, theme]);
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.faults = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith("data:") && !url.startsWith("blob:")) {
      page.faults.push(`a request to ${url}`);
    }
  });
  page.on("pageerror", (error) => page.faults.push(`page error: ${error.message}`));
  await page.exposeFunction("violated", (text) => {
    // the browser's own editing styles what it moves, without a script behind it
    if (!/^style-src-attr :0:0 +<div data-editor/.test(text)) page.faults.push(`policy: ${text}`);
  });
  page.on("console", (message) => {
    const text = message.text();
    const expected = /Content Security Policy|Failed to load resource|net::ERR/.test(text); // what tests provoke
    if (message.type() === "error" && !expected) page.faults.push(`console: ${text}`);
  });
  // As a link within the dashboard does: the program is not loaded anew.
  page.visit = async (path) => {
    if (page.url().startsWith(server.url) && (await page.locator(".shell").count()) > 0) {
      await page.evaluate((to) => {
        history.pushState(null, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
      }, path);
    } else {
      await page.goto(server.url + path);
    }
    await page.locator("h1").first().waitFor();
  };
  return page;
}

const shots = process.env.WEFT_SHOTS;
export async function shoot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
/** What axe-core finds wrong with the page as it stands. */
export async function violations(page) {
  if (!(await page.evaluate("typeof axe !== 'undefined'"))) await page.evaluate(AXE);
  return await page.evaluate(async () => {
    // eslint-disable-next-line no-undef
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map((each) => `${each.id}: ${each.nodes.slice(0, 3).map((node) =>
      `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`);
  });
}

/**
 * Runs every test that a name was given for, or all; one line each; the number of those that failed.
 * What fails is tried once more, and both are told: a browser on a busy machine may lose a key.
 */
export async function main(tests, wanted) {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    if (wanted.length && !wanted.some((each) => name.includes(each))) continue;
    for (const word of ["again", "FAILED"]) {
      const begin = Date.now();
      try {
        const said = await test();
        console.log(`ok      ${name} (${Date.now() - begin} ms)${said ? `: ${said}` : ""}`);
        break;
      } catch (error) {
        failed += word === "FAILED" ? 1 : 0;
        const where = error.stack?.split("\n").slice(0, 6).join("\n        ");
        console.log(`${word.padEnd(7)} ${name}: ${where}`);
      }
    }
  }
  return failed;
}
