// SPDX-License-Identifier: Apache-2.0
// The clients people have, against a running server, unchanged: `openai`, the AI SDK over
// `@ai-sdk/openai-compatible`, LangChain, the OpenAI agents. usage: node clients.mjs URL
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const tools = createRequire(process.env.NODE_TOOLS ?? new URL("../../tools/node/", import.meta.url));
const load = (name) => import(pathToFileURL(tools.resolve(name)));
const url = process.argv[2];
const baseURL = `${url}/v1`;
const model = "default";

const { default: OpenAI } = await load("openai");
const { zodResponseFormat } = await load("openai/helpers/zod");
const { z } = await load("zod");
const { generateText, streamText, generateObject, tool, jsonSchema } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { ChatOpenAI } = await load("@langchain/openai");

const system =
  "You are a customer service workflow manager. Analyze the inquiry and determine:\n" +
  "1. Urgency level (1-5)  2. Category (technical, billing, general)\n" +
  "3. Required actions  4. Estimated resolution time\n";
const inquiry = "Customer inquiry: I was charged twice for my order!";
const messages = [{ role: "system", content: system }, { role: "user", content: inquiry }];
const Triage = z.object({
  category: z.enum(["technical", "billing", "general"]),
  urgency: z.number().int().min(1).max(5),
});
const endless = { model, temperature: 1.5, max_tokens: 1500, n: 4,
                  messages: [{ role: "user", content: "go on and on" }] };
const openai = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const ai = createOpenAICompatible({ name: "weft", baseURL, includeUsage: true,
                                    supportsStructuredOutputs: true });
const weather = {
  type: "function",
  function: { name: "create_support_ticket", description: "Opens a ticket", strict: true,
              parameters: { type: "object", additionalProperties: false, required: ["priority"],
                            properties: { priority: { enum: ["low", "high"] } } } },
};

async function running() {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^weft_answers_in_flight (\S+)$/m.exec(text)[1]);
}
async function until(condition) {
  for (let i = 0; i < 500; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("it did not come true");
}

const tests = {
  async "openai: chat and stream"() {
    const whole = await openai.chat.completions.create({ model, messages, reasoning_effort: "none" });
    assert.equal(whole.choices[0].finish_reason, "stop");
    assert.ok(whole.usage.total_tokens > 0 && whole.system_fingerprint);
    const stream = await openai.chat.completions.create({
      model, messages, reasoning_effort: "none", stream: true,
      stream_options: { include_usage: true } });
    let text = "", usage, pieces = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
      pieces += 1;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(usage, whole.usage);
    assert.ok(pieces > 5);
  },
  async "openai: structured output is parsed"() {
    const done = await openai.chat.completions.parse({
      model, messages, response_format: zodResponseFormat(Triage, "triage") });
    const { category, urgency } = done.choices[0].message.parsed;
    assert.equal(category, "billing");
    assert.ok(urgency >= 1 && urgency <= 5);
    const object = await openai.chat.completions.create({
      model, messages, reasoning_effort: "none", response_format: { type: "json_object" } });
    assert.equal(typeof JSON.parse(object.choices[0].message.content), "object");
  },
  async "openai: reasoning"() {
    const done = await openai.chat.completions.create({ model, messages, reasoning_effort: "high" });
    assert.ok(done.choices[0].message.reasoning_content.length > 0);
    assert.ok(done.usage.completion_tokens_details.reasoning_tokens > 0);
  },
  async "openai: tools, whole and streamed"() {
    const ask = { model, messages, tools: [weather], tool_choice: "required",
                  reasoning_effort: "none" };
    const whole = await openai.chat.completions.create(ask);
    assert.equal(whole.choices[0].finish_reason, "tool_calls");
    const call = whole.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, "create_support_ticket");
    assert.ok(["low", "high"].includes(JSON.parse(call.function.arguments).priority));
    const runner = openai.chat.completions.stream(ask);
    const last = await runner.finalChatCompletion();
    assert.deepEqual(last.choices[0].message.tool_calls.map((c) => c.function.arguments),
                     whole.choices[0].message.tool_calls.map((c) => c.function.arguments));
    // and the conversation goes on behind it
    const next = await openai.chat.completions.create({ model, tools: [weather], messages: [
      ...messages, whole.choices[0].message,
      { role: "tool", tool_call_id: call.id, content: "{\"ticket\": 7}" }] });
    assert.ok(next.choices[0].message);
  },
  async "openai: abort ends the generation"() {
    const controller = new AbortController();
    const stream = await openai.chat.completions.create({ ...endless, stream: true },
                                                        { signal: controller.signal });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) controller.abort();
    }
    await until(async () => (await running()) === 0);
    const whole = new AbortController();
    const waiting = openai.chat.completions.create(endless, { signal: whole.signal });
    await until(async () => (await running()) > 0);
    whole.abort();
    await assert.rejects(waiting, OpenAI.APIUserAbortError);
    await until(async () => (await running()) === 0);
  },
  async "openai: errors have their classes"() {
    await assert.rejects(openai.chat.completions.create({ model: "gpt-4", messages }),
                         (error) => error instanceof OpenAI.NotFoundError &&
                                    error.code === "model_not_found" && error.param === "model");
    await assert.rejects(openai.chat.completions.create({ model, messages, temperature: 9 }),
                         (error) => error instanceof OpenAI.BadRequestError &&
                                    error.param === "temperature");
  },
  async "openai: retries reach the server"() {
    let asked = 0;  // a proxy that fails twice as an overloaded server does
    const proxy = createServer(async (request, response) => {
      if (++asked < 3) {
        response.writeHead(503, { "retry-after-ms": "5" });
        return response.end();
      }
      const body = [];
      for await (const part of request) body.push(part);
      const answer = await fetch(url + request.url, { method: request.method,
        headers: { "content-type": "application/json" }, body: Buffer.concat(body) });
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(await answer.text());
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => proxy.once("listening", resolve));
    const through = new OpenAI({ baseURL: `http://127.0.0.1:${proxy.address().port}/v1`,
                                 apiKey: "none", maxRetries: 2 });
    const done = await through.chat.completions.create({ model, messages, max_tokens: 3 });
    assert.equal(asked, 3);
    assert.ok(done.id);
    proxy.close();
    proxy.closeAllConnections();
  },
  async "openai: models, completions"() {
    const names = [];
    for await (const entry of await openai.models.list()) names.push(entry.id);
    assert.ok(names.includes("weft-mini"));
    assert.equal((await openai.models.retrieve("weft-mini")).id, "weft-mini");
    const text = await openai.completions.create({ model, prompt: "I was", max_tokens: 4 });
    assert.equal(text.usage.completion_tokens, 4);
  },
  async "openai: embeddings"() {
    const inputs = ["I was charged twice", "My card was billed two times", "The printer is on fire"];
    const floats = await openai.embeddings.create({ model, input: inputs, encoding_format: "float" });
    const packed = await openai.embeddings.create({ model, input: inputs });  // base64 on the wire
    assert.ok(floats.usage.prompt_tokens > 5 && floats.data.length === 3);
    const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    for (const [i, entry] of floats.data.entries()) {
      assert.equal(entry.index, i);
      assert.ok(Math.abs(dot(entry.embedding, entry.embedding) - 1) < 1e-5);
      assert.ok(dot(entry.embedding, packed.data[i].embedding) > 0.99999);
    }
    const small = await openai.embeddings.create({ model, input: inputs[0], dimensions: 8 });
    assert.equal(small.data[0].embedding.length, 8);
  },
  async "ai sdk: text, reasoning, stream, abort"() {
    const done = await generateText({ model: ai(model), messages,
                                      providerOptions: { weft: { reasoningEffort: "high" } } });
    assert.equal(done.finishReason, "stop");
    assert.ok(done.reasoningText.length > 0 && done.text.length > 0);
    assert.ok(done.usage.inputTokens > 0 && done.usage.outputTokens > 0);
    const stream = streamText({ model: ai(model), messages, temperature: 0 });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, done.text);
    assert.equal(await stream.finishReason, "stop");
    const controller = new AbortController();
    const cut = streamText({ model: ai(model), prompt: "go on and on", maxOutputTokens: 1500,
                             temperature: 1.5, abortSignal: controller.signal, onError() {} });
    for await (const piece of cut.textStream) {
      if (piece) controller.abort();
    }
    await until(async () => (await running()) === 0);
  },
  async "ai sdk: objects and tools"() {
    const done = await generateObject({ model: ai(model), schema: Triage, messages });
    assert.equal(done.object.category, "billing");
    const called = await generateText({
      model: ai(model), messages, toolChoice: "required",
      tools: { create_support_ticket: tool({
        description: "Opens a ticket",
        inputSchema: jsonSchema(weather.function.parameters) }) } });
    assert.equal(called.toolCalls[0].toolName, "create_support_ticket");
    assert.ok(["low", "high"].includes(called.toolCalls[0].input.priority));
  },
  async "langchain: chat, stream, structured output, tools"() {
    const chat = new ChatOpenAI({ model, temperature: 0, apiKey: "none", configuration: { baseURL } });
    const history = messages.map((m) => [m.role === "user" ? "human" : "system", m.content]);
    const done = await chat.invoke(history);
    assert.ok(done.content.length > 0 && done.usage_metadata.total_tokens > 0);
    let text = "";
    for await (const chunk of await chat.stream(history)) text += chunk.content;
    assert.equal(text, done.content);
    const triage = await chat.withStructuredOutput(Triage, { name: "triage", method: "jsonSchema" })
                             .invoke(history);
    assert.equal(triage.category, "billing");
    const called = await chat.bindTools([weather], { tool_choice: "required" }).invoke(history);
    assert.equal(called.tool_calls[0].name, "create_support_ticket");
  },
};

const only = process.argv[3];
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  if (only && !name.includes(only)) continue;
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
