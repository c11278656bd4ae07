// SPDX-License-Identifier: Apache-2.0
// Every screen as it is when there is nothing, when the server is slow, when it fails, when there
// is very much; every role; every dialog; a workflow drafted from a description; why a model was
// chosen; errors in the language of the page. Answers that a calm server does not give (slow,
// broken, huge) are made on the way to the page; everything else is the server's.
import { readFileSync } from "node:fs";
import { check, main, openBrowser, person, Server, shoot, SOURCE, until, violations }
  from "./harness.mjs";

const [weft, ...wanted] = process.argv.slice(2);
const CONFIG = `models:
  quick: { source: embedded, price: { prompt: 1, answer: 2 } }
  careful: { source: embedded, price: { prompt: 100, answer: 200 } }
routing:
  complexity: { threshold: 0.5, general: quick, deep: careful }
  classes: { simple_tasks: { mode: non_reasoning, model: quick } }
`;
const DRAFT_MS = 240_000; // a thousand tokens, on a machine that does other things
const llm = (id, more) => `  - id: ${id}
    type: llm
    parameters:
      prompt: "Customer inquiry: I was charged twice for my order!"
      output: { type: object, additionalProperties: false, required: [category],
                properties: { category: { enum: [technical, billing, general] } } }
${more.map((line) => `      ${line}\n`).join("")}`;
const CHOOSING = `weft: "1"
id: choosing
steps:
${llm("hard", ["model: auto", "complexity: 0.9", "mode: non_reasoning"])}${
  llm("plain", ["mode: non_reasoning"])}${
  llm("classed", ["class: simple_tasks"])}output: "{{ steps.plain }}"
`;
const PAYMENT = `weft: "1"
id: payment
steps:
  - id: review
    type: approval
    parameters: { role: finance, title: "Pay the invoice?" }
  - id: pay
    type: set
    dependencies: [review]
    parameters: { value: paid }
  - id: tell
    type: set
    dependencies: [review]
    parameters: { value: told }
`;
const WAITING = `weft: "1"
id: waiting
steps:
  - id: go
    type: signal
    parameters: { name: go }
`;
const WRONG = `weft: "1"
id: wrong
steps:
  - id: check
    type: validate
    parameters: { value: 1, schema: { type: string } }
`;

const empty = await new Server(weft).start("--host", "127.0.0.1");
if ((await empty.ask("GET", "/")).text.includes("not part of this build")) {
  console.log("SKIPPED: the dashboard is not part of this build (no npm or network when it was built)");
  await empty.stop();
  empty.remove();
  process.exit(77);
}
const server = new Server(weft);
server.write("weft.yaml", CONFIG);
for (const [name, text] of Object.entries({ choosing: CHOOSING, payment: PAYMENT,
  waiting: WAITING, wrong: WRONG })) server.write(`${name}.yaml`, text);
await server.start("--config", "weft.yaml", ...["choosing", "payment", "waiting", "wrong"]
  .flatMap((name) => ["--workflow", `${name}.yaml`]));
const browser = await openBrowser();
const pages = [];
async function visitor(where, options) {
  const page = await person(browser, where, options);
  pages.push(page);
  return page;
}
async function clean(page, name) {
  const wrong = [...page.faults.splice(0), ...(await violations(page))];
  check(wrong.length === 0, `${name}:`, wrong.join("\n        "));
  await look(page, name);
}
async function look(page, name) {
  check(page.faults.length === 0, `${name}:`, page.faults.splice(0).join("\n        "));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(wide <= 0, `${name}: ${wide} pixels wider than the window`, await page.evaluate(() =>
    [...document.querySelectorAll(".main *")].filter((each) =>
      each.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map((each) =>
      `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`)));
  await shoot(page, name);
}
const en = await visitor(server, { theme: "dark" });
const ko = await visitor(server, { language: "ko" });
const both = [[en, "en-dark"], [ko, "ko-light"]];
const dialog = (page) => page.getByRole("dialog");
const json = (route, body, status = 200) => route.fulfill({ status, body: JSON.stringify(body),
  contentType: status < 400 ? "application/json" : "application/problem+json" });
const stream = (route, event, data) => route.fulfill({ status: 200,
  contentType: "text/event-stream", body: `event: ${event}\ndata: ${JSON.stringify(data)}\n\n` });
const BROKEN = { type: "about:blank", title: "Service Unavailable", status: 503,
  detail: "database is locked", code: "E0504", hint: "try again" };
/** Requests of pages for data, not for the pages themselves. */
const asking = (path) => (url) => url.pathname === path;

// Screens, what they ask for, and what is there when nothing is.
const SCREENS = [
  ["overview", "/", "/overview", "Nothing has run yet.", "아직 실행된 것이 없습니다."],
  ["runs", "/ui/runs", "/workflows", "Nothing has run yet.", "아직 실행된 것이 없습니다."],
  ["actions", "/ui/actions", "/approvals", "Nothing waits for anybody.", "기다리는 일이 없습니다."],
  ["workflows", "/ui/workflows", "/definitions", "No workflow is on offer here.",
    "제공되는 워크플로우가 없습니다."],
  ["models", "/ui/models", "/models", null, null],
  ["tools", "/ui/tools", "/tools", null, null],
  ["audit", "/ui/audit", "/audit", "No record fits.", "조건에 맞는 기록이 없습니다."],
  ["keys", "/ui/keys", "/keys", "No keys: only this machine may ask.",
    "키가 없습니다. 이 컴퓨터에서만 요청할 수 있습니다."],
];

/** What the server says, many times over. */
function multiplied(body, count, change) {
  return { ...body, next_cursor: null, items: Array.from({ length: count }, (_, index) =>
    change(structuredClone(body.items[index % body.items.length]), index)) };
}
const LONG = "a-very-long-name-that-nobody-would-choose-but-somebody-will-".repeat(3);
const HUGE = {
  actions: [200, (each, n) => ({ ...each, step: `review-${n}`, title: `${n} ${LONG} ${LONG}` })],
  workflows: [300, (each, n) => ({ ...each, id: `${LONG}${n}`, title: `${LONG} ${n}` })],
  models: [40, (each, n) => ({ ...each, name: `${LONG}${n}`, source: `/models/${LONG}${n}` })],
  tools: [300, (each, n) => ({ ...each, function: { ...each.function, name: `${LONG}${n}` } })],
  audit: [1000, (each, n) => ({ ...each, n, user: LONG, resource: `/${LONG}/${n}` })],
  keys: [500, (each, n) => ({ ...each, id: `k${n}`, name: `${LONG}${n}`,
    scopes: [`runs:execute:${LONG}`, "runs:read"] })],
};
const KEY = { items: [{ id: "k", name: "k", roles: ["viewer", "operator", "author", "approver"],
  created_at: "2026-11-22T09:00:00Z", created_by: "root", scopes: [], tenant: "" }] };

const tests = {
  async every_screen_with_nothing_on_it() {
    for (const [language, theme] of [["en", "light"], ["ko", "dark"]]) {
      const page = await visitor(empty, { language, theme });
      for (const [name, path, , english, korean] of SCREENS) {
        const text = language === "ko" ? korean : english;
        await page.visit(path);
        if (text && name !== "audit") await page.getByText(text).first().waitFor();
        if (name === "audit") { // a page that was opened left no record
          await page.getByLabel(language === "ko" ? "사용자" : "User").fill("nobody");
          await page.getByRole("button", { exact: true,
            name: language === "ko" ? "조회" : "Filter" }).click();
          await page.getByText(text).waitFor();
        }
        await until(async () => (await page.locator(".skeleton").count()) === 0, "no skeleton");
        await clean(page, `empty-${name}-${language}-${theme}`);
      }
    }
  },

  async every_screen_while_the_server_takes_its_time() {
    for (const [name, path, asked] of SCREENS) {
      for (const [page, suffix] of both) {
        const held = [];
        await page.visit("/ui/settings");
        await page.route(asking(asked), (route) => held.push(route));
        await page.visit(path);
        await page.locator(".skeleton").first().waitFor();
        const said = await page.locator(".main [role=status] .sr").first().textContent();
        check(said === (page === ko ? "불러오는 중…" : "Loading…"), name, said);
        await (page === en ? clean : look)(page, `loading-${name}-${suffix}`);
        await page.unroute(asking(asked));
        await page.unrouteAll({ behavior: "ignoreErrors" });
        await Promise.all(held.map((route) => route.continue().catch(() => {})));
        await until(async () => (await page.locator(".skeleton").count()) === 0, `${name} to come`);
      }
    }
  },

  async every_screen_when_the_server_fails_and_when_it_is_well_again() {
    for (const [name, path, asked] of SCREENS) {
      for (const [page, suffix] of both) {
        await page.visit("/ui/settings");
        await page.route(asking(asked), (route) => json(route, BROKEN, 503));
        await page.visit(path);
        const notice = page.locator(".main .notice.bad").first();
        await notice.waitFor();
        const said = await notice.innerText();
        check(said.includes("E0504") && said.includes("database is locked"), name, said);
        check(page !== ko || said.includes("저장소가 계속 잠겨 있습니다"), name, said);
        await (page === ko ? clean : look)(page, `error-${name}-${suffix}`);
        await page.unrouteAll({ behavior: "ignoreErrors" });
        const again = page.locator(".main .notice.bad button");
        if (await again.count()) await again.first().click({ timeout: 500 }).catch(() => {}); // it may be gone
        await until(async () => (await page.locator(".main .notice.bad").count()) === 0,
          `${name} to be well again`);
      }
    }
  },

  async every_screen_with_very_much_on_it() {
    await server.until(await server.run("payment", {}), "waiting");
    for (const [name, path, asked] of SCREENS) {
      if (!HUGE[name]) continue; // runs and the overview: 100,000 real ones in dashboard_test
      const [count, change] = HUGE[name];
      const { json: body } = await server.ask("GET", asked);
      const much = multiplied(body.items.length ? body : KEY, count, change);
      for (const [page, suffix] of both) {
        await page.visit("/ui/settings");
        await page.route(asking(asked), (route) => json(route, much));
        await page.visit(path);
        const rows = page.locator(".main tbody tr, .main .cards > *");
        await until(async () => (await rows.count()) >= Math.min(count, 40), `${name}, all of it`);
        await look(page, `huge-${name}-${suffix}`);
        await page.unrouteAll({ behavior: "ignoreErrors" });
      }
    }
    await en.visit("/ui/settings");
    const run = await server.run("choosing", {});
    await server.until(run, "succeeded");
    await en.route(asking(`/workflows/${run}/view`), async (route) => {
      const view = await (await route.fetch()).json();
      await json(route, { ...view, title: LONG, input: { text: "long ".repeat(40_000) },
        output: Array.from({ length: 3000 }, (_, n) => ({ n, text: LONG })) });
    });
    await en.visit(`/ui/runs/${run}?tab=data`);
    await en.locator(".json").nth(1).waitFor();
    await look(en, "huge-data-en-dark");
    await en.unrouteAll({ behavior: "ignoreErrors" });
  },

  async a_workflow_is_drafted_from_a_description() {
    const before = (await server.ask("GET", "/definitions")).json.items.length;
    await en.visit("/ui/workflows");
    await en.getByRole("button", { name: "New from a description" }).click();
    check(await dialog(en).getByRole("button", { name: "Draft" }).isDisabled(), "nothing to draft");
    await clean(en, "draft-dialog-en-dark");
    await dialog(en).getByLabel("What the workflow should do")
      .fill("sort customer inquiries and let a person approve refunds");
    await dialog(en).getByRole("button", { name: "Draft" }).click();
    await en.locator("[data-draft]").waitFor({ timeout: DRAFT_MS });
    await en.getByText(/^Valid: \d+ step/).waitFor();
    await until(async () => (await en.locator(".node").count()) > 0, "its graph");
    check((await en.locator("[data-editor] .cm-content").innerText()).includes("Drafted from"));
    check((await server.ask("GET", "/definitions")).json.items.length === before, "not stored yet");
    await clean(en, "draft-editor-en-dark");
    await en.reload(); // it is still there
    await en.locator("[data-draft]").waitFor({ timeout: DRAFT_MS });
    await en.getByText(/^Valid: \d+ step/).waitFor();
    await en.getByRole("button", { name: "Save" }).click();
    await en.waitForURL(/\/ui\/workflows\/draft$/);
    check((await server.ask("GET", "/definitions/draft")).json.origin === "stored", "now it is");
    // the same id again, by somebody else: nothing is written over
    await ko.visit("/ui/workflows/new");
    await ko.getByRole("button", { name: "설명으로 만들기" }).click();
    await dialog(ko).getByLabel("워크플로우가 할 일").fill("문의를 분류하고 담당자에게 알립니다");
    await dialog(ko).getByRole("button", { name: "초안 만들기" }).click();
    await ko.locator("[data-draft]").waitFor({ timeout: DRAFT_MS });
    await ko.getByText(/^유효함: /).waitFor();
    await look(ko, "draft-editor-ko-light");
    await ko.getByRole("button", { name: "저장" }).click();
    await ko.getByText("draft은(는) 이미 있습니다. 문서의 id를 바꾸세요.").waitFor();
    await server.ask("DELETE", "/definitions/draft");
  },

  async a_draft_can_be_waited_for_given_up_and_may_fail() {
    await ko.visit("/ui/workflows");
    await ko.getByRole("button", { name: "설명으로 만들기" }).click();
    await dialog(ko).getByLabel("워크플로우가 할 일").fill("환불을 승인합니다");
    const form = '{"title": "환불 승인", "inputs": ["inquiry"], "steps": [{"does": "choose", ' +
      '"text": "문의의 종류를 고릅니다", "choices": [], "waits": false}, {"does": "approve", "text": "환불을';
    await ko.route(asking("/definitions/draft"), (route) =>
      stream(route, "progress", { text: form, tokens: 57 }));
    await dialog(ko).getByRole("button", { name: "초안 만들기" }).click();
    await dialog(ko).getByText("서버에 연결할 수 없습니다").waitFor(); // it broke off without an end
    await ko.unrouteAll({ behavior: "ignoreErrors" });
    await ko.route(asking("/definitions/draft"), (route) => json(route, { status: 502,
      detail: "the model's answer is no JSON", code: "E0907", hint: "" }, 502));
    await dialog(ko).getByRole("button", { name: "초안 만들기" }).click();
    await dialog(ko).getByText("모델의 초안을 쓸 수 없습니다").waitFor();
    await dialog(ko).getByText("the model's answer is no JSON").waitFor();
    await clean(ko, "draft-error-ko-light");
    await ko.unrouteAll({ behavior: "ignoreErrors" });
    let given_up = false;
    ko.on("requestfailed", (request) => { given_up ||= request.url().endsWith("/draft"); });
    await ko.route(asking("/definitions/draft"), () => {}); // a model that takes its time
    await dialog(ko).getByRole("button", { name: "초안 만들기" }).click();
    await dialog(ko).getByText("모델이 초안을 쓰고 있습니다…").waitFor();
    await clean(ko, "draft-waiting-ko-light");
    await dialog(ko).getByRole("button", { name: "닫기" }).click();
    await until(() => given_up, "the request to be given up");
    await until(async () => (await dialog(ko).count()) === 0, "the dialog to close");
    await ko.unrouteAll({ behavior: "ignoreErrors" });
  },

  async it_is_told_why_a_model_and_mode_were_chosen() {
    const run = await server.run("choosing", {});
    await server.until(run, "succeeded");
    await en.visit(`/ui/runs/${run}?tab=decisions`);
    const why = (page, step) => page.locator(`section[aria-label=${step}] .why`).first();
    const facts = async (page, step) => {
      await why(page, step).waitFor();
      return (await why(page, step).innerText()).replaceAll("\n", " ");
    };
    const hard = await facts(en, "hard");
    for (const word of ["Asked for auto", "careful: complexity 0.90 is at least 0.50",
      "without thinking", "Price 0.0"]) check(hard.includes(word), word, hard);
    const plain = await facts(en, "plain");
    check(plain.includes("names no model") && plain.includes("says the mode: without thinking"), plain);
    const classed = await facts(en, "classed");
    check(classed.includes("mode non_reasoning of class simple_tasks"), classed);
    await clean(en, "why-en-dark");
    await ko.visit(`/ui/runs/${run}?tab=decisions`);
    check((await facts(ko, "hard")).includes("careful: 복잡도 0.90, 기준 0.50 이상"),
      await facts(ko, "hard"));
    check((await facts(ko, "plain")).includes("default 모델이 답했습니다"), await facts(ko, "plain"));
    check(/'hard': 성공 \(시작 후 .+\)\./.test(
      await ko.locator("section[aria-label=hard]").innerText()), "explained in Korean");
    check((await facts(ko, "classed")).includes("등급 simple_tasks의 방식 추론 없음"),
      await facts(ko, "classed"));
    await clean(ko, "why-ko-light");
  },

  async errors_and_explanations_are_in_the_language_of_the_page() {
    const run = await server.run("wrong", {});
    await server.until(run, "failed");
    await ko.visit(`/ui/runs/${run}?step=check`);
    await ko.locator("[data-step=check] .notice.bad").waitFor();
    const told = await ko.locator("[data-error]").innerText();
    check(told.includes("값이 스키마에 맞지 않습니다") && told.includes("expected"), told);
    await ko.getByText("선행 단계가 없어 바로 준비되었습니다.").waitFor();
    await look(ko, "explained-ko-light");
    await ko.visit("/ui/runs?status=failed");
    await ko.locator(".error-cell", { hasText: "값이 스키마에 맞지 않습니다" }).first().waitFor();
    await ko.visit("/ui/workflows/nobody");
    await ko.getByText("그런 워크플로우가 없습니다").waitFor();
    await look(ko, "no-workflow-ko-light");
    await en.visit("/ui/workflows/nobody");
    await en.getByText("E0753").waitFor();
    check((await en.locator("[lang=en].said").count()) === 0, "said once in English");
    await ko.visit("/ui/workflows/new");
    await ko.locator("[data-editor] .cm-content").click();
    await ko.keyboard.press("Control+End");
    await ko.keyboard.insertText("nonsense: 1\n");
    await ko.getByText("알 수 없는 키나 매개변수입니다").waitFor();
    await clean(ko, "problems-ko-light");
  },

  async the_tile_says_which_processor_it_is_about() {
    const { json: overview } = await server.ask("GET", "/overview?window=3600");
    check(overview.tiles.utilization_percent.device === "cpu", "no graphics processor serves");
    for (const [device, korean, english] of [["gpu", "GPU 사용률", "GPU utilization"],
      ["cpu", "CPU 사용률", "CPU utilization"]]) {
      overview.tiles.utilization_percent = { value: 41.26, device, cores: 2 };
      for (const [page, label] of [[ko, korean], [en, english]]) {
        await page.visit("/ui/settings");
        await page.route(asking("/overview"), (route) => stream(route, "overview", overview));
        await page.visit("/");
        const tile = page.locator("[data-tile=utilization]");
        await tile.waitFor();
        check((await tile.locator(".label").textContent()) === label, label);
        check((await tile.locator(".value").textContent()) === "41.3%", label);
        check(!/[+−±]/.test(await tile.locator(".delta").textContent()), "it has no delta");
        await page.unrouteAll({ behavior: "ignoreErrors" });
      }
    }
  },

  async two_authors_do_not_write_over_each_other() {
    const text = (title) => `weft: "1"\nid: shared\ntitle: ${title}\nsteps:\n` +
      "  - id: a\n    type: set\n    parameters: { value: 1 }\n";
    check((await server.ask("PUT", "/definitions/shared", { weft: "1", id: "shared", title: "First",
      steps: [{ id: "a", type: "set", parameters: { value: 1 } }] })).status === 201);
    for (const page of [en, ko]) {
      await page.visit("/ui/workflows/shared");
      await page.locator("[data-editor] .cm-content").waitFor();
    }
    const write = async (page, save) => {
      await page.locator("[data-editor] .cm-content").click();
      await page.keyboard.press("Control+a");
      await page.keyboard.insertText(text(`by ${save}`));
      await page.locator(".status.good").first().waitFor();
      const button = page.getByRole("button", { name: save, exact: true });
      await until(() => button.isEnabled(), "the verdict");
      await button.click();
    };
    await write(en, "Save");
    await en.getByText("Saved.").waitFor();
    await write(ko, "저장");
    await ko.getByText("그사이에 다른 사람이 shared을(를) 바꾸었습니다").waitFor();
    const { json: kept } = await server.ask("GET", "/definitions/shared");
    check(kept.source.includes("by Save") && !kept.source.includes("by 저장"), kept.source);
    await server.ask("DELETE", "/definitions/shared");
  },

  async words_are_completed_and_versions_compared() {
    const text = (title) => `weft: "1"\nid: versions\ntitle: ${title}\nsteps:\n` +
      "  - id: a\n    type: set\n    parameters: { value: 1 }\n";
    for (const title of ["First", "Second"]) {
      const put = await fetch(`${server.url}/definitions/versions`, { method: "PUT", body: text(title) });
      check(put.ok, title, put.status);
    }
    await en.visit("/ui/workflows/versions");
    await en.getByRole("button", { name: /^1/ }).click();
    await en.locator(".diff .cut", { hasText: "title: First" }).waitFor();
    await en.locator(".diff .add", { hasText: "title: Second" }).waitFor();
    await clean(en, "versions-en-dark");
    const editor = en.locator("[data-editor] .cm-content");
    await editor.click();
    await en.keyboard.press("Control+End");
    const fast = "# " + "typed faster than the page hears of it; ".repeat(5);
    await en.keyboard.type(`${fast}\n`);
    check((await editor.innerText()).includes(fast.trim()), await editor.innerText());
    await en.keyboard.type("  - id: b\ntype: wa"); // the editor indents by itself
    const offered = en.locator(".cm-tooltip-autocomplete li");
    const word = offered.filter({ hasText: /^wait$/ }); // of the published schema
    await until(async () => { // a list that did not come, or has gone, is asked for
      if (await word.count() === 0) await en.keyboard.press("Control+Space");
      return await word.waitFor({ timeout: 2000 }).then(() => true, () => false);
    }, "the list of words");
    await look(en, "completion-en-dark");
    await until(async () => { // by the mouse: Enter within 75 ms of its coming is a new line
      if (await word.count() === 0) await en.keyboard.press("Control+Space");
      await word.click({ timeout: 2000 }).catch(() => {});
      return (await editor.innerText()).includes("type: wait");
    }, "the word");
    await ko.visit("/ui/workflows/versions");
    await ko.getByRole("button", { name: /^1/ }).click();
    await ko.locator(".diff .cut").first().waitFor();
    await look(ko, "versions-ko-light");
    await server.ask("DELETE", "/definitions/versions");
  },

  async the_playground_shows_thinking_apart() {
    for (const [page, suffix] of both) {
      const words = page === ko ? ["켬", "메시지", "보내기"] : ["on", "Message", "Send"];
      await page.visit("/ui/models");
      await page.getByRole("button", { name: words[0], exact: true }).click();
      await page.getByLabel(words[1]).fill("I was charged twice for my order!");
      await page.getByRole("button", { name: words[2], exact: true }).click();
      await page.locator(".chat .thought").waitFor();
      await until(async () => (await page.locator(".chat .answer").innerText()).length > 3, "an answer");
      await page.locator(".chat .turn .muted").waitFor(); // what it has cost
      await look(page, `playground-${suffix}`);
    }
  },

  async approvals_say_what_follows_and_go_by_role() {
    const runs = [await server.run("payment", {}), await server.run("payment", {})];
    for (const run of runs) await server.until(run, "waiting");
    const card = (page, run) => page.locator(`[data-action="${run}/review"]`);
    for (const [page, suffix] of both) {
      await page.visit("/ui/actions");
      await until(async () => (await card(page, runs[0]).locator(".next code").allTextContents())
        .join() === "pay,tell", "the steps that would begin");
      await clean(page, `approvals-${suffix}`);
    }
    await en.visit("/ui/settings");
    await en.route(asking("/approvals"), async (route) => { // as if another role were asked, too
      const body = await (await route.fetch()).json();
      body.items.filter((each) => each.task_id === runs[1]).forEach((each) => { each.role = "legal"; });
      await json(route, body);
    });
    await en.visit("/ui/actions");
    await card(en, runs[1]).waitFor();
    await en.getByLabel("Role").selectOption("finance");
    await until(async () => (await card(en, runs[1]).count()) === 0, "the other role to go");
    check((await card(en, runs[0]).count()) === 1, "the chosen role stays");
    await en.unrouteAll({ behavior: "ignoreErrors" });
  },

  async the_audit_is_searched_and_taken_away_by_time() {
    await server.ask("PUT", "/definitions/x", "nothing");
    for (const [page, suffix] of both) {
      const ask = page === ko ? "조회" : "Filter";
      await page.visit("/ui/audit");
      await page.getByText(page === ko ? "온전함" : "Intact", { exact: true }).waitFor();
      await page.getByLabel(page === ko ? "시작" : "From").fill("2099-01-01T00:00");
      await page.getByRole("button", { name: ask, exact: true }).click();
      await page.getByText(page === ko ? "조건에 맞는 기록이 없습니다." : "No record fits.").waitFor();
      await page.getByLabel(page === ko ? "시작" : "From").fill("2001-01-01T00:00");
      await page.getByRole("button", { name: ask, exact: true }).click();
      await page.locator("tbody tr").first().waitFor();
      check(new URL(page.url()).searchParams.get("from").startsWith("200"), page.url());
      for (const format of ["JSON", "CSV"]) {
        const [download] = await Promise.all([page.waitForEvent("download"),
          page.getByRole("link", { name: format }).click()]);
        const text = readFileSync(await download.path(), "utf8");
        check(download.suggestedFilename() === `audit.${format === "CSV" ? "csv" : "jsonl"}`);
        const lines = text.trim().split("\n");
        check(format === "CSV" ? lines[0].startsWith("timestamp,tenant,user") && lines.length > 1
          : JSON.parse(lines[0]).action.length > 0, lines[0]);
      }
      await clean(page, `audit-by-time-${suffix}`);
    }
  },

  async every_dialog_can_be_used_by_everybody() {
    const run = await server.run("waiting", {});
    await server.until(run, "waiting");
    const open = async (page, name, shot) => {
      await page.getByRole("button", { name, exact: true }).first().click();
      await dialog(page).waitFor();
      check(await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)),
        "the focus is in the dialog");
      await clean(page, shot);
      await page.keyboard.press("Escape");
      await until(async () => (await dialog(page).count()) === 0, "Escape closes it");
    };
    await en.visit(`/ui/runs/${run}`);
    await ko.visit(`/ui/runs/${run}`);
    for (const [english, korean, name] of [["Send a signal", "신호 보내기", "signal"],
      ["Cancel", "취소", "cancel"], ["Fork", "분기", "fork"]]) {
      await open(en, english, `dialog-${name}-en-dark`);
      await open(ko, korean, `dialog-${name}-ko-light`);
    }
    const failed = await server.run("wrong", {});
    await server.until(failed, "failed");
    await en.visit(`/ui/runs/${failed}`);
    await open(en, "Retry", "dialog-retry-en-dark");
    await server.ask("PUT", "/definitions/gone",
      { weft: "1", id: "gone", steps: [{ id: "a", type: "set", parameters: { value: 1 } }] });
    await ko.visit("/ui/workflows/gone");
    await open(ko, "삭제", "dialog-delete-ko-light");
    await server.ask("DELETE", "/definitions/gone");
  },

  // The last one: it restarts the server with keys.
  async every_role_sees_what_it_may_do() {
    const waiting = await server.run("payment", {});
    await server.until(waiting, "waiting");
    await server.stop();
    server.write("keys.txt", "the-key-of-the-house\n");
    await server.start(...server.words, "--api-key-file", "keys.txt");
    const house = { Authorization: "Bearer the-key-of-the-house" };
    const SEEN = { // pages beyond what everybody sees; acts: run, write, draft, decide, unload
      viewer: [[], []], operator: [[], ["run", "unload-not"]],
      author: [[], ["run", "write", "draft"]], approver: [[], ["decide"]],
      admin: [["감사", "키와 역할"], ["run", "write", "draft", "decide", "manage"]],
    };
    for (const [role, [more, acts]] of Object.entries(SEEN)) {
      const { json: key } = await server.ask("POST", "/keys",
        { name: role, roles: role === "approver" ? ["approver", "finance"] : [role] }, house);
      check(key?.key, role, key);
      const page = await visitor(server, { language: "ko" });
      await page.goto(server.url);
      await page.getByLabel("API 키").fill(key.key);
      await page.getByRole("button", { name: "로그인" }).click();
      await page.locator("[data-tile=processed]").waitFor();
      const menu = await page.locator("nav a").evaluateAll((list) =>
        list.map((each) => each.childNodes[1].textContent));
      const wantedMenu = ["개요", "실행", "필요한 조치", "워크플로우", "모델", "도구", ...more, "설정"];
      check(menu.join() === wantedMenu.join(), role, menu);
      const has = async (path, ready, name) => {
        await page.visit(path);
        await page.locator(ready).first().waitFor();
        return (await page.getByRole("button", { name, exact: true }).count()) > 0;
      };
      const may = (act) => acts.includes(act);
      check((await has("/ui/workflows", ".cards h2", "실행 payment")) === may("run"), role, "run");
      check((await has("/ui/workflows", ".cards h2", "설명으로 만들기")) === may("draft"), role, "draft");
      check((await page.getByRole("link", { name: "새 워크플로우" }).count() > 0) === may("write"), role);
      await look(page, `role-${role}-workflows-ko-light`);
      await page.visit("/ui/actions");
      const card = page.locator(`[data-action="${waiting}/review"]`);
      await card.waitFor();
      check((await card.getByRole("button", { name: "승인" }).count() > 0) === may("decide"), role);
      check((await card.getByText("이 키로는 결정할 수 없습니다.").count() > 0) !== may("decide"), role);
      check((await has("/ui/models", ".cards h2", "내리기")) === may("manage"), role, "models");
      // and the server, whatever the page shows
      const bearer = { Authorization: `Bearer ${key.key}` };
      const status = async (...words) => (await server.ask(...words, bearer)).status;
      check((await status("GET", "/keys", undefined) === 200) === may("manage"), role, "keys");
      // without a description: who may not ask is told that first
      check((await status("POST", "/definitions/draft", {}) === 400) === may("draft"), role,
        "the server's draft");
      check((await status("POST", "/workflows/execute", { workflow_id: "wrong" }) === 202) ===
        may("run"), role, "the server's run");
      await page.context().close();
      pages.splice(pages.indexOf(page), 1);
    }
  },
};

const failed = await main(tests, wanted);
for (const page of pages) {
  if (failed === 0) check(page.faults.length === 0, page.faults);
}
await browser.close();
let code = 0;
for (const each of [server, empty]) {
  const ended = await each.stop();
  if (ended !== 0) console.log(`FAILED  weft serve ended with ${ended}: ${each.log}`);
  code ||= ended;
  each.remove();
}
process.exit(failed || code ? 1 : 0);
