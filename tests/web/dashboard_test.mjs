// SPDX-License-Identifier: Apache-2.0
// The dashboard as people use it: every page and act, two languages, two people at once, a server
// that restarts, a hundred thousand runs, five thousand steps.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { addManyRuns, check, main, openBrowser, person, Server, shoot, SOURCE, until, violations }
  from "./harness.mjs";

const [weft, ...wanted] = process.argv.slice(2);
const server = new Server(weft);
const example = (name) => `${SOURCE}/examples/${name}.yaml`;

const PAYMENT = `weft: "1"
id: payment
title: Payment
input: { type: object, properties: { amount: { type: number, default: 1200 } } }
steps:
  - id: review
    type: approval
    parameters:
      role: finance
      title: "Pay {{ input.amount }} EUR to Paper Ltd?"
      show: { amount: "{{ input.amount }}", vendor: Paper Ltd }
  - id: pay
    type: set
    dependencies: [review]
    parameters: { paid: "{{ input.amount }}" }
output: "{{ steps.pay }}"
`;
const DELIVERY = `weft: "1"
id: delivery
input: { type: object }
steps:
  - id: arrived
    type: signal
    parameters:
      name: truck
      schema: { type: object, required: [dock], properties: { dock: { type: integer } } }
output: "{{ steps.arrived.dock }}"
`;
const COUNT = `weft: "1"
id: count
input: { type: object, required: [amount], properties: { amount: { type: number } } }
steps:
  - id: first
    type: set
    parameters: { value: "{{ input.amount }}" }
  - id: check
    type: validate
    dependencies: [first]
    parameters: { value: "{{ steps.first }}", schema: { type: number, exclusiveMinimum: 0 } }
output: "{{ steps.check }}"
`;

const THINKING = `weft: "1"
id: thinking
input: { type: object }
steps:
  - id: judge
    type: llm
    for_each: "{{ [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] }}"
    concurrency: 1
    parameters:
      mode: reasoning
      thinking: { budget_tokens: 96 }
      max_tokens: 300
      prompt: "Customer inquiry: my order number {{ item }} was charged twice!"
output: "{{ steps.judge[0] }}"
`;

function bigWorkflow(layers, width) {
  const lines = ['weft: "1"', "id: big", "steps:"];
  for (let i = 0; i < layers; i++) {
    for (let j = 0; j < width; j++) {
      lines.push(`  - id: s${i}_${j}`, "    type: set", "    parameters: { value: 1 }");
      if (i > 0) lines.push(`    dependencies: [s${i - 1}_${j}, s${i - 1}_${(j * 7 + 3) % width}]`);
    }
  }
  return `${lines.join("\n")}\n`;
}

server.write("payment.yaml", PAYMENT);
server.write("delivery.yaml", DELIVERY);
server.write("count.yaml", COUNT);
server.write("thinking.yaml", THINKING);
server.write("big.yaml", bigWorkflow(50, 100));
await server.start(...["payment", "delivery", "count", "thinking", "big"]
  .flatMap((name) => ["--workflow", `${name}.yaml`]),
  "--workflow", example("customer-service"), "--workflow", example("support-agent"));
const front = await server.ask("GET", "/");
if (front.text.includes("not part of this build")) {
  console.log("SKIPPED: the dashboard is not part of this build (no npm or network when it was built)");
  await server.stop();
  server.remove();
  process.exit(77);
}
const browser = await openBrowser();
const pages = [];
async function visitor(options) {
  const page = await person(browser, server, options);
  pages.push(page);
  return page;
}
/** Nothing foreign was asked for, nothing was said against the policy, and axe finds nothing. */
async function clean(page, name) {
  const wrong = [...page.faults, ...(await violations(page))];
  page.faults.length = 0;
  check(wrong.length === 0, `${name}:`, wrong.join("\n        "));
  await shoot(page, name);
}
/** The same without axe, where a page of its kind has been looked at. */
async function look(page, name) {
  check(page.faults.length === 0, `${name}:`, page.faults.splice(0).join("\n        "));
  await shoot(page, name);
}
const en = await visitor();
const ko = await visitor({ language: "ko", theme: "dark" });
const dialog = (page) => page.getByRole("dialog");

const tests = {
  async security_headers_and_caching() {
    const policy = front.headers.get("content-security-policy");
    check(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
    check(front.headers.get("x-content-type-options") === "nosniff");
    const again = await server.ask("GET", "/", undefined,
      { "If-None-Match": front.headers.get("etag") });
    check(again.status === 304 && again.text === "", again.status);
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(front.text)[1];
    const asset = await server.ask("GET", script);
    check(asset.headers.get("cache-control").includes("immutable"));
    check(asset.headers.get("content-encoding") === "gzip");
    check((await server.ask("GET", "/ui/runs/some-run")).text === front.text, "pages have addresses");
    check((await server.ask("GET", "/assets/none.js")).status === 404);
  },

  async overview_in_two_languages() {
    await server.until(await server.run("count", { amount: 1 }), "succeeded");
    await server.until(await server.run("count", { amount: 0 }), "failed");
    await ko.visit("/");
    await ko.locator("[data-tile=processed]").waitFor();
    const tiles = await ko.locator(".tile").evaluateAll((list) => list.map((tile) =>
      [tile.querySelector(".label").textContent, tile.querySelector(".value").textContent]));
    check(tiles.map(([label]) => label).join() ===
      "총 처리된 워크플로우,평균 처리 시간,성공률,CPU 사용률", tiles);
    check(Number(tiles[0][1].replaceAll(",", "")) >= 2, tiles);
    check(/^\d+\.\d\d초$/.test(tiles[1][1]), tiles);
    check(/^\d+\.\d%$/.test(tiles[2][1]) && /^\d+\.\d%$/.test(tiles[3][1]), tiles);
    check((await ko.locator("h1").textContent()) === "weft-mini 워크플로우 모니터링");
    await ko.getByText("실시간 모니터링 대시보드").waitFor();
    await ko.getByRole("heading", { name: "워크플로우 처리 시간 추이" }).waitFor();
    await ko.locator(".chart canvas").waitFor();
    await ko.getByRole("heading", { name: "워크플로우 상태" }).waitFor();
    await ko.locator(".live-live").waitFor();
    await clean(ko, "overview-ko-dark");
    await en.visit("/");
    await en.getByRole("heading", { name: "Workflows processed" }).waitFor();
    await en.locator(".live-live").waitFor();
    const count = async () =>
      Number(await en.locator("[data-tile=processed] .value").textContent());
    const before = await count();
    await server.until(await server.run("count", { amount: 2 }), "succeeded");
    await until(async () => (await count()) > before, "the overview to follow");
    await en.locator(".chart canvas").waitFor();
    const plot = await en.locator(".chart .u-over").boundingBox();
    await until(async () => { // one hover for all lines
      await en.mouse.move(plot.x + plot.width - 6 - Math.random() * 4, plot.y + 40);
      return (await en.locator(".chart-tip:visible").count()) === 1;
    }, "the hover of the chart");
    check((await en.locator(".chart-tip").innerText()).includes("95th percentile"));
    await clean(en, "overview-en-light");
  },

  async a_workflow_is_run_by_a_form_and_its_decision_explained() {
    await en.visit("/ui/workflows");
    await en.getByRole("button", { name: "Run customer-service" }).click();
    await dialog(en).getByLabel("inquiry").fill("I was charged twice for my order!");
    await clean(en, "run-dialog-en-light");
    await dialog(en).getByRole("button", { name: "Start" }).click();
    await en.waitForURL(/\/ui\/runs\/run_/);
    await en.locator(".facts .status", { hasText: "Succeeded" }).waitFor();
    await en.locator(".node", { hasText: "classify" }).click();
    await en.locator("[data-step=classify] .chosen-list").waitFor();
    await clean(en, "run-en-light");
    await en.getByRole("tab", { name: /AI decisions/ }).click();
    const sure = await en.locator(".chosen-list .num").first().textContent();
    check(/^\d+\.\d\d%$/.test(sure), sure);
    await en.getByText("Show the prompt").click();
    await en.getByText("Customer inquiry: I was charged twice").waitFor();
    await en.getByRole("button", { name: "Verify" }).click();
    await en.getByText("made again, the same to the token").waitFor();
    await clean(en, "decisions-en-light");
    const address = new URL(en.url()).pathname;
    await ko.visit(`${address}?tab=decisions`);
    await ko.getByText("얼마나 확신했는가").waitFor();
    await clean(ko, "decisions-ko-dark");
    await en.getByRole("tab", { name: "Journal" }).click();
    await until(async () => (await en.locator(".events details").count()) >= 4, "events");
    await en.locator(".events summary").first().click();
    await en.locator(".events .json").first().waitFor();
    await clean(en, "journal-en-light");
    await en.getByRole("tab", { name: "Input and output" }).click();
    await en.getByText("double_charge").first().waitFor();
    await look(en, "data-en-light");
  },

  async thinking_is_shown_while_it_happens_and_afterwards() {
    const run = await server.run("thinking", {});
    await en.visit(`/ui/runs/${run}?tab=decisions`);
    const live = en.locator("[data-live]");
    const seen = until(async () => (await live.count()) > 0 &&
      (await live.first().innerText({ timeout: 500 }).catch(() => "")).length > 8, "text as it is written");
    await Promise.race([seen, server.until(run, "succeeded").then(() => seen)]);
    await server.until(run, "succeeded");
    await en.locator(".facts .status", { hasText: "Succeeded" }).waitFor();
    await until(async () => (await en.locator(".thought").count()) >= 20, "every thought");
    await en.getByText("of 96 tokens").first().waitFor();
    await clean(en, "thinking-en-light");
  },

  async a_failure_is_explained_and_forked_with_another_input() {
    const run = await server.run("count", { amount: -5 });
    await server.until(run, "failed");
    await en.visit(`/ui/runs/${run}`);
    await en.locator("[data-error]").waitFor();
    await en.locator(".node", { hasText: "check" }).click();
    await en.locator("[data-step=check] .notice.bad .hint").waitFor();
    await clean(en, "failed-en-light");
    await en.getByRole("button", { name: "Retry from here" }).click();
    await dialog(en).getByRole("button", { name: "Retry from here" }).click();
    await until(() => en.url().includes("/ui/runs/") && !en.url().includes(run), "another run");
    await en.locator(".facts .status", { hasText: "Failed" }).waitFor();
    await en.locator(".page-head").getByRole("button", { name: "Fork" }).click();
    await dialog(en).getByLabel("Input (JSON object)").fill("{ not json");
    await dialog(en).getByRole("button", { name: "Fork" }).click();
    await dialog(en).getByText("not valid JSON").waitFor();
    await dialog(en).getByLabel("Input (JSON object)").fill('{"amount": 7}');
    await dialog(en).getByRole("button", { name: "Fork" }).click();
    await en.locator(".facts .status", { hasText: "Succeeded" }).waitFor();
    await en.getByRole("tab", { name: "Timeline" }).click();
    await en.locator(".gantt-row", { hasText: "check" }).click();
    await en.locator("[data-step=check]").waitFor();
    await clean(en, "timeline-en-light");
    await ko.visit(`/ui/runs/${run}?tab=timeline&step=check`);
    await ko.locator("[data-step=check] .notice.bad").waitFor();
    await look(ko, "failed-ko-dark");
  },

  async two_people_approve_at_once_and_one_is_told() {
    const run = await server.run("payment", {});
    await server.until(run, "waiting");
    const card = `[data-action="${run}/review"]`;
    for (const page of [en, ko]) {
      await page.visit("/ui/actions");
      await page.locator(card).waitFor();
    }
    await clean(en, "actions-en-light");
    await clean(ko, "actions-ko-dark");
    await ko.locator(card).getByLabel("이름 (기록용)").fill("지민");
    // the answers are held back, so that neither page hears of the other before it asks
    await Promise.all([
      en.locator(card).getByRole("button", { name: "Approve" }).click(),
      ko.locator(card).getByRole("button", { name: "승인" }).click(),
    ]);
    await server.until(run, "succeeded");
    const told = async (page, text) => (await page.getByText(text).count()) > 0;
    await until(async () => (await told(en, "Your decision is on record")) ||
      (await told(en, "Somebody else has decided")) || (await told(en, "Nothing waits")), "an answer");
    for (const page of [en, ko]) {
      await until(async () => (await page.locator(card).count()) === 0, "the card to go");
    }
    const events = (await server.ask("GET", `/workflows/${run}/events`)).text;
    check(events.split('"decision"').length <= 2 || events.match(/approv/gi), "one decision");
  },

  async a_signal_is_sent_and_a_run_cancelled() {
    const run = await server.run("delivery", {});
    await server.until(run, "waiting");
    await en.visit("/ui/actions");
    const card = en.locator(`[data-action="${run}/arrived"]`);
    await card.getByLabel("dock").fill("4");
    await card.getByRole("button", { name: "Send" }).click();
    check((await server.until(run, "succeeded")).output === 4);
    const other = await server.run("delivery", {});
    await server.until(other, "waiting");
    await en.visit(`/ui/runs/${other}`);
    await en.locator(".facts .status", { hasText: "Waiting" }).waitFor();
    await en.getByRole("button", { name: "Cancel" }).click();
    await dialog(en).getByRole("button", { name: "Cancel" }).click();
    await en.locator(".facts .status", { hasText: "Cancelled" }).waitFor();
    const third = await server.run("delivery", {});
    await en.visit(`/ui/runs/${third}`);
    await en.getByRole("button", { name: "Send a signal" }).click();
    await until(async () => (await dialog(en).getByLabel("Name").inputValue()) !== "" ||
      (await dialog(en).getByLabel("Name").fill("truck")) === undefined, "the signal's name");
    await dialog(en).getByLabel("Name").fill("truck");
    await dialog(en).getByLabel("Payload (JSON object)").fill('{"dock": 9}');
    await dialog(en).getByRole("button", { name: "Send" }).click();
    await en.locator(".facts .status", { hasText: "Succeeded" }).waitFor(); // live, without a reload
    check(en.faults.length === 0, en.faults);
  },

  async a_document_is_written_checked_saved_run_and_deleted() {
    await en.visit("/ui/workflows/new");
    const editor = en.locator("[data-editor] .cm-content");
    await editor.waitFor();
    await en.getByText("Valid: 1 step").waitFor();
    check((await en.locator(".node").count()) === 1, "the graph beside it");
    await editor.click();
    await en.keyboard.press("Control+End");
    await en.keyboard.insertText("nonsense: 1\n");
    await en.locator(".problem.error").waitFor();
    await clean(en, "editor-en-light");
    await en.keyboard.press("Control+a");
    await en.keyboard.insertText(COUNT.replace("id: count", "id: written"));
    await en.getByText("Valid: 2 steps").waitFor();
    await en.getByRole("button", { name: "Save" }).click();
    await en.waitForURL(/\/ui\/workflows\/written/);
    await en.locator("[data-editor] .cm-content").waitFor();
    await en.getByRole("button", { name: "Run", exact: true }).click();
    await dialog(en).getByLabel("amount").fill("3");
    await dialog(en).getByRole("button", { name: "Start" }).click();
    await en.locator(".facts .status", { hasText: "Succeeded" }).waitFor();
    await ko.visit("/ui/workflows/written");
    await ko.locator("[data-editor] .cm-content").waitFor();
    await ko.getByRole("status").filter({ hasText: "유효함: 2개 단계" }).waitFor();
    await clean(ko, "editor-ko-dark");
    await en.visit("/ui/workflows/written");
    await en.locator("[data-editor] .cm-content").waitFor();
    await en.getByRole("button", { name: "Delete" }).click();
    await dialog(en).getByRole("button", { name: "Delete" }).click();
    await en.waitForURL(/\/ui\/workflows$/);
    await en.getByRole("button", { name: "Run customer-service" }).waitFor();
    check((await en.getByRole("button", { name: "Run written" }).count()) === 0, "it is gone");
  },

  async models_answer_and_leave_and_come_back() {
    await en.visit("/ui/models");
    await en.getByLabel("Message").fill("I was charged twice for my order!");
    await en.getByRole("button", { name: "Send" }).click();
    await en.getByText(/answer tokens in/).waitFor();
    check((await en.locator(".chat .answer").innerText()).length > 3, "an answer");
    await clean(en, "models-en-light");
    await until(async () => { // its answer may not have left the engine yet
      if ((await en.getByText("Not loaded").count()) > 0) return true;
      const unload = en.getByRole("button", { name: "Unload" });
      // it may be gone by then: neither waits for it to come back
      if (await unload.isEnabled({ timeout: 500 }).catch(() => false)) {
        await unload.click({ timeout: 500 }).catch(() => {});
      }
      return false;
    }, "the model to leave");
    await en.getByRole("button", { name: "Load", exact: true }).click();
    await en.getByText("Loaded", { exact: true }).waitFor();
    await ko.visit("/ui/models");
    await ko.getByText("로드됨", { exact: true }).waitFor();
    await look(ko, "models-ko-dark");
  },

  async lists_of_tools_keys_and_records_and_settings() {
    for (const [path, ready] of [["tools", "api_client"], ["workflows", "customer-service"],
      ["audit?limit=15", "h1"], ["keys", "h1"], ["settings", "한국어"], ["nothing", "question"]]) {
      for (const [page, name] of [[en, "en-light"], [ko, "ko-dark"]]) {
        await page.visit(`/ui/${path}`);
        await until(async () => path === "nothing" || (await page.evaluate(() =>
          document.querySelector('nav a[aria-current="page"]')?.getAttribute("href") ?? ""))
          === `/ui/${path.split("?")[0]}`, "the page to be opened");
        if (ready !== "h1" && ready !== "question") await page.getByText(ready).first().waitFor();
        await page.locator(".main .card, .main .notice").first().waitFor();
        await until(async () => (await page.locator(".skeleton").count()) === 0, "the page");
        if (page === en) await clean(page, `${path.split("?")[0]}-${name}`);
        else await look(page, `${path.split("?")[0]}-${name}`);
      }
    }
    await en.visit("/ui/audit");
    await en.getByText("Intact", { exact: true }).waitFor(); // looked at when the page is opened
    await en.getByRole("button", { name: "Verify again" }).click();
    await en.getByText("Intact", { exact: true }).waitFor();
    await en.getByLabel("Action").fill("data_processing");
    await en.getByRole("button", { name: "Filter" }).click();
    await en.waitForURL(/action=data_processing/);
    await until(async () => (await en.locator("tbody tr").count()) > 0 &&
      (await en.locator("tbody code").allTextContents()).every((each) => each === "data_processing"),
    "records of that action");
    await look(en, "audit-verified-en-light");
    await en.visit("/ui/settings");
    await en.getByRole("button", { name: "한국어" }).click();
    await en.getByRole("heading", { name: "설정" }).waitFor();
    await en.getByRole("button", { name: "어둡게" }).click();
    check((await en.evaluate(() => document.documentElement.dataset.theme)) === "dark");
    await en.reload();
    await en.getByRole("heading", { name: "설정" }).waitFor();
    await en.getByRole("button", { name: "English" }).click();
    await en.getByRole("button", { name: "light", exact: true }).click();
    await en.getByRole("heading", { name: "Settings" }).waitFor();
  },

  async a_keyboard_is_enough() {
    await en.visit("/");
    await en.keyboard.press("Tab");
    check((await en.evaluate(() => document.activeElement.className)).includes("skip") ||
      (await en.evaluate(() => document.activeElement.tagName)) !== "BODY", "focus moves");
    await en.getByRole("link", { name: "Runs", exact: true }).focus();
    await en.keyboard.press("Enter");
    await en.waitForURL(/\/ui\/runs/);
    await en.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
    await until(async () => (await en.evaluate(() => document.activeElement.tagName)) === "H1",
      "the heading to be told");
    await en.locator("tbody a").first().focus();
    await en.keyboard.press("Enter");
    await en.getByRole("tab", { name: "Graph" }).focus();
    await en.keyboard.press("ArrowRight");
    await en.locator(".gantt").waitFor();
  },

  async a_restarted_server_is_found_again() {
    await en.visit("/");
    await en.locator(".live-live").waitFor();
    const run = await server.run("delivery", {});
    await server.until(run, "waiting");
    await ko.visit(`/ui/runs/${run}`);
    await ko.locator(".live-live").waitFor();
    await server.stop();
    await en.locator(".live-lost").waitFor();
    await server.start();
    await en.locator(".live-live").waitFor();
    const newest = await server.run("count", { amount: 5 });
    await en.locator(`a[href="/ui/runs/${newest}"]`).waitFor();
    await ko.locator(".live-live").waitFor();
    await server.ask("POST", `/workflows/${run}/signals/truck`, { dock: 1 });
    await ko.locator(".facts .status", { hasText: "성공" }).waitFor();
  },

  async five_thousand_steps_are_drawn() {
    const run = await server.run("big", {});
    await server.until(run, "succeeded");
    await en.visit("/ui/runs"); // the code of pages is there already
    const begin = Date.now();
    await en.goto(`${server.url}/ui/runs/${run}`);
    await en.locator(".node").first().waitFor();
    const painted = Date.now() - begin;
    const box = await en.locator(".graph").boundingBox();
    const frames = async () => {
      await en.mouse.move(box.x + box.width / 2, box.y + box.height - 12);
      await en.mouse.down();
      const counted = en.evaluate(() => new Promise((done) => {
        let count = 0;
        const begin = performance.now();
        const tick = (now) => now - begin > 1000 ? done(count)
          : (count += 1, requestAnimationFrame(tick));
        requestAnimationFrame(tick);
      }));
      for (let i = 0; i < 30; i++) {
        await en.mouse.move(box.x + box.width / 2 - i * 12, box.y + box.height - 12 - i * 6);
      }
      await en.mouse.up();
      return await counted;
    };
    const near = await frames();
    await look(en, "big-near-en-light");
    await en.getByRole("button", { name: "Show all" }).click();
    await en.locator(".graph-far").waitFor();
    await until(async () => (await en.locator(".node").count()) === 0, "the far view");
    const far = await frames();
    await look(en, "big-far-en-light");
    await en.getByRole("tab", { name: "Timeline" }).click();
    await en.locator(".gantt-row").first().waitFor();
    check((await en.locator(".gantt-row").count()) < 100, "only rows in sight");
    check(painted < 20_000 && near > 0 && far > 0, { painted, near, far }); // hangs, not slowness
    return `first paint ${painted} ms, pan ${near.toFixed(0)} and ${far.toFixed(0)} frames/s`;
  },

  async a_small_screen_has_everything() {
    await server.until(await server.run("count", { amount: 1 }), "succeeded");
    const page = await visitor({ language: "ko" });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.visit("/");
    await page.locator(".tile").first().waitFor();
    check((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "no side scroll");
    await look(page, "overview-small-ko");
    await page.getByRole("button", { name: "메뉴" }).click();
    await look(page, "menu-small-ko");
    await page.getByRole("link", { name: "실행", exact: true }).click();
    await page.locator("tbody tr").first().waitFor();
    check((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "no side scroll");
    await look(page, "runs-small-ko");
    await page.locator("tbody a").first().click();
    await page.locator(".node").first().waitFor();
    await look(page, "run-small-ko");
    await page.close();
  },

  async the_first_load_is_small() {
    const page = await visitor();
    let sum = 0;
    page.on("response", async (response) => {
      if (/\/(assets|favicon)|\/$/.test(new URL(response.url()).pathname)) {
        sum += Number(response.headers()["content-length"] ?? 0);
      }
    });
    await page.visit("/");
    await page.locator(".tile").first().waitFor();
    await page.locator(".chart canvas, .chart .empty").first().waitFor();
    check(sum > 20_000 && sum <= 400 * 1024, sum);
    return `${(sum / 1024).toFixed(0)} KB compressed`;
  },

  async a_hundred_thousand_runs_are_listed_at_once() {
    addManyRuns(server.store);
    const times = {};
    for (const query of ["limit=50", "limit=50&status=failed", "limit=50&workflow_id=payment",
      "limit=50&search=made00099", "limit=50&status=succeeded&workflow_id=count",
      "limit=50&cursor=run_made00090000"]) {
      let best = Infinity;
      for (let i = 0; i < 5; i++) {
        const begin = performance.now();
        const { json } = await server.ask("GET", `/workflows?${query}`);
        best = Math.min(best, performance.now() - begin);
        check(json.items.length > 0, query, json);
      }
      times[query] = Math.round(best);
      check(best <= 10_000, query, best); // hangs, not slowness: the goal is for a calm machine
    }
    const begin = performance.now();
    await server.ask("GET", "/overview?window=86400");
    times.overview = Math.round(performance.now() - begin);
    await en.visit("/ui/runs");
    await en.locator("tbody tr").nth(49).waitFor();
    await clean(en, "runs-en-light");
    await en.getByRole("link", { name: "Older" }).click();
    await en.getByRole("link", { name: "Newest" }).waitFor();
    await en.getByLabel("Search by run or workflow").fill("made00012345");
    await until(async () => (await en.locator("tbody tr").count()) === 1, "one run");
    await en.getByRole("button", { name: "Clear the filter" }).click();
    await en.getByLabel("Status").selectOption("failed");
    await until(async () => (await en.locator("tbody .status.good").count()) === 0 &&
      (await en.locator("tbody .status.bad").count()) > 10, "failed runs");
    await ko.visit("/ui/runs?status=failed");
    await ko.locator("tbody tr").first().waitFor();
    await look(ko, "runs-ko-dark");
    await ko.visit("/");
    await ko.getByRole("button", { name: "24시간" }).click();
    await until(async () => (await ko.locator("[data-tile=processed] .value").textContent())
      .startsWith("100,0"), "a large number");
    await ko.locator(".chart canvas").waitFor();
    await look(ko, "overview-huge-ko-dark");
    return JSON.stringify(times);
  },

  async with_keys_a_page_asks_for_one() {
    await server.stop();
    server.write("keys.txt", "a-key-of-the-test\n");
    await server.start(...server.words, "--api-key-file", "keys.txt");
    const page = await visitor({ language: "ko" });
    await page.goto(server.url);
    await page.getByRole("heading", { name: "로그인" }).waitFor();
    await clean(page, "login-ko-light");
    await page.getByLabel("API 키").fill("a wrong one");
    await page.getByRole("button", { name: "로그인" }).click();
    await page.getByText("서버가 이 키를 알지 못합니다.").waitFor();
    await page.getByLabel("API 키").fill("a-key-of-the-test");
    await page.getByRole("button", { name: "로그인" }).click();
    await page.locator("[data-tile=processed]").waitFor();
    const menu = async () => await page.locator("nav a").allTextContents();
    check((await menu()).includes("키와 역할"), await menu());
    await page.visit("/ui/keys");
    await page.getByRole("button", { name: "새 키" }).click();
    await dialog(page).getByLabel("이름").fill("operator of the test");
    await dialog(page).getByLabel("조회자").uncheck();
    await dialog(page).getByLabel("운영자").check();
    await clean(page, "key-dialog-ko-light");
    await dialog(page).getByRole("button", { name: "새 키" }).click();
    const key = await page.locator(".notice code").textContent();
    await page.getByRole("button", { name: "폐기 operator of the test" }).waitFor();
    await clean(page, "keys-ko-light");
    check((await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie])))
      .includes("weft_") === false, "no script sees a key");
    await page.getByRole("button", { name: "로그아웃" }).click();
    await page.getByLabel("API 키").fill(key);
    await page.getByRole("button", { name: "로그인" }).click();
    await page.locator("nav a", { hasText: "워크플로우" }).waitFor();
    const allowed = await menu(); // an operator sees no keys and no audit; the server refuses too
    check(!allowed.includes("키와 역할") && !allowed.includes("감사"), allowed);
    await page.visit("/ui/keys");
    await page.getByText("이 키로는 할 수 없는 일입니다.").waitFor();
    await page.visit("/ui/workflows");
    await page.getByRole("button", { name: "실행 count" }).waitFor();
    check((await page.getByRole("link", { name: "새 워크플로우" }).count()) === 0, "an operator");
    await page.getByRole("button", { name: "실행 count" }).click();
    await dialog(page).getByLabel("amount").fill("3");
    await dialog(page).getByRole("button", { name: "시작" }).click(); // with the session's secret
    await page.locator(".facts .status", { hasText: "성공" }).waitFor();
    check(page.faults.length === 0, page.faults);
  },

  async people_sign_in_by_a_password() {
    await server.stop();
    const users = (...words) => spawnSync(server.weft, ["users", ...words, "--store", server.store], {
      env: { ...process.env, WEFT_HOME: `${server.directory}/home` }, input: "correct horse battery\n" });
    const made = users("add", "김 에이다", "--role", "admin");
    check(made.status === 0, String(made.stderr));
    await server.start(...server.words);
    for (const [language, name, password, enter, wrong] of [
      ["ko", "이름", "비밀번호", "로그인", "이름이나 비밀번호가 올바르지 않습니다."],
      ["en", "Name", "Password", "Sign in", "The name or the password is wrong."]]) {
      const page = await visitor({ language });
      await page.goto(server.url);
      await page.getByLabel(name, { exact: true }).fill("김 에이다");
      await page.getByLabel(password, { exact: true }).fill("a wrong password");
      await clean(page, `login-password-${language}-light`);
      await page.getByRole("button", { name: enter, exact: true }).click();
      await page.getByText(wrong).waitFor();
      await page.getByLabel(password, { exact: true }).fill("correct horse battery");
      await page.getByRole("button", { name: enter, exact: true }).click();
      await page.locator("[data-tile=processed]").waitFor();
    }
    check(users("remove", "김 에이다").status === 0, "gone");
  },

  async people_are_offered_their_account() {
    await server.stop();
    server.write("weft.yaml", 'oidc: { issuer: "http://127.0.0.1:9", client_id: weft, ' +
      'redirect_url: "http://localhost:9/session/oidc/callback", everybody: [viewer], ' +
      "label: Example House }\n");
    await server.start(...server.words, "--config", "weft.yaml");
    for (const [language, link, told] of [
      ["ko", "Example House 계정으로 로그인", "로그인하지 못했습니다"],
      ["en", "Sign in with Example House", "You are not signed in"]]) {
      const page = await visitor({ language });
      await page.goto(server.url);
      await page.getByRole("link", { name: link }).waitFor();
      await clean(page, `login-people-${language}-light`);
      await page.getByRole("link", { name: link }).click(); // nobody answers at that port
      await page.getByRole("heading", { name: told }).waitFor();
    }
  },
};

const failed = await main(tests, wanted);
for (const page of pages) {
  if (failed === 0) check(page.faults.length === 0, page.faults);
}
await browser.close();
const code = await server.stop();
server.remove();
if (code !== 0) console.log(`FAILED  weft serve ended with ${code}: ${server.log}`);
process.exit(failed || code ? 1 : 0);
