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
const { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run: runAgent, setTracingDisabled,
        tool: agentTool } = await load("@openai/agents");
const { zodResponseFormat, zodTextFormat } = await load("openai/helpers/zod");
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
// A second's work that no sampled end can cut short: lists with so many items at least.
const lists = { name: "long", schema: { type: "array", items: { type: "integer" }, minItems: 400 } };
const endless = { model, temperature: 1.5, max_tokens: 1500, n: 8,
                  messages: [{ role: "user", content: "go on and on" }],
                  response_format: { type: "json_schema", json_schema: lists } };
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
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
    assert.equal(usage.prompt_tokens, whole.usage.prompt_tokens);
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
    const pieces = [];
    runner.on("tool_calls.function.arguments.delta", (piece) => pieces.push(piece.arguments_delta));
    const last = await runner.finalChatCompletion();
    assert.deepEqual(last.choices[0].message.tool_calls.map((c) => c.function.arguments),
                     whole.choices[0].message.tool_calls.map((c) => c.function.arguments));
    assert.equal(pieces[0], "", "who is called comes first");
    assert.equal(pieces.join(""), call.function.arguments, "byte for byte");
    assert.ok(pieces.filter((piece) => piece).length > 2, "while they are written");
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
  async "openai: responses, whole and streamed, go on from each other"() {
    const ask = { model, instructions: system, input: inquiry, reasoning: { effort: "none" } };
    const whole = await openai.responses.create(ask);
    assert.equal(whole.status, "completed");
    assert.ok(whole.output_text.length > 0 && whole.usage.output_tokens > 0);
    const chat = await openai.chat.completions.create({ model, messages, reasoning_effort: "none" });
    assert.equal(whole.output_text, chat.choices[0].message.content);
    const stream = await openai.responses.create({ ...ask, stream: true });
    let text = "", last, sequence = 0;
    for await (const event of stream) {
      assert.equal(event.sequence_number, sequence++);
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event;
    }
    assert.equal(last.type, "response.completed");
    assert.equal(text, whole.output_text);
    const runner = openai.responses.stream({ ...ask, reasoning: { effort: "high" } });
    const final = await runner.finalResponse();
    assert.deepEqual(final.output.map((item) => item.type), ["reasoning", "message"]);
    assert.ok(final.usage.output_tokens_details.reasoning_tokens > 0);
    // The conversation is remembered: what it costs to read says so.
    const next = await openai.responses.create({ model, input: "And my refund?",
                                                 previous_response_id: whole.id, max_output_tokens: 8 });
    const alone = await openai.responses.create({ model, input: "And my refund?", max_output_tokens: 8 });
    assert.ok(next.usage.input_tokens > alone.usage.input_tokens + whole.usage.output_tokens - 5);
    assert.equal(next.previous_response_id, whole.id);
    const spelled = await openai.responses.create({ model, max_output_tokens: 8, input: [
      { role: "user", content: inquiry }, ...whole.output,
      { role: "user", content: [{ type: "input_text", text: "And my refund?" }] }] });
    assert.equal(next.output_text, spelled.output_text);
    assert.equal((await openai.responses.retrieve(whole.id)).output_text ?? whole.output_text,
                 whole.output_text);
    const items = await openai.responses.inputItems.list(whole.id);
    assert.equal(items.data[0].role, "user");
    await openai.responses.delete(whole.id);
    await assert.rejects(openai.responses.create({ model, input: "x", previous_response_id: whole.id }),
                         (error) => error instanceof OpenAI.NotFoundError &&
                                    error.code === "previous_response_not_found");
  },
  async "openai: responses with tools and structured output"() {
    const parsed = await openai.responses.parse({ model, instructions: system, input: inquiry,
                                                  text: { format: zodTextFormat(Triage, "triage") } });
    assert.equal(parsed.output_parsed.category, "billing");
    const tools = [{ type: "function", ...weather.function }];
    const ask = { model, instructions: system, input: inquiry, tools, tool_choice: "required",
                  reasoning: { effort: "none" } };
    const called = await openai.responses.create(ask);
    const call = called.output.find((item) => item.type === "function_call");
    assert.equal(call.name, "create_support_ticket");
    assert.ok(["low", "high"].includes(JSON.parse(call.arguments).priority));
    const runner = openai.responses.stream(ask);
    const pieces = [];
    runner.on("response.function_call_arguments.delta", (piece) => pieces.push(piece.delta));
    const streamed = await runner.finalResponse();
    assert.equal(streamed.output.find((item) => item.type === "function_call").arguments, call.arguments);
    assert.ok(pieces.length > 2 && pieces.join("") === call.arguments, "in pieces, while they are written");
    const after = await openai.responses.create({ model, tools, instructions: system, previous_response_id: called.id,
      max_output_tokens: 16, input: [{ type: "function_call_output", call_id: call.call_id, output: "{\"ticket\": 7}" }] });
    assert.ok(after.usage.input_tokens > called.usage.input_tokens);
    await assert.rejects(openai.responses.create({ ...ask, tools: [{ type: "web_search" }] }),
                         (error) => error instanceof OpenAI.BadRequestError &&
                                    error.param === "tools[0].type");
  },
  async "openai: logprobs, seeds, n, stop"() {
    const ask = { ...endless, n: 1, max_tokens: 24, reasoning_effort: "none",
                  response_format: { type: "text" } };
    const texts = (done) => done.choices.map((choice) => choice.message.content);
    const first = await openai.chat.completions.create({ ...ask, seed: 5, n: 3 });
    const again = await openai.chat.completions.create({ ...ask, seed: 5, n: 3 });
    const other = await openai.chat.completions.create({ ...ask, seed: 6, n: 3 });
    assert.deepEqual(texts(first), texts(again));
    assert.notDeepEqual(texts(first), texts(other));
    assert.equal(new Set(texts(first)).size > 1, true);
    const told = await openai.chat.completions.create({ ...ask, seed: 5, logprobs: true, top_logprobs: 2 });
    assert.equal(told.choices[0].message.content, texts(first)[0]);
    const tokens = told.choices[0].logprobs.content;
    assert.equal(tokens.map((token) => token.token).join(""), texts(first)[0]);
    assert.ok(tokens.every((token) => token.logprob <= 0 && token.top_logprobs.length === 2));
    const stop = texts(first)[0].slice(4, 8);
    const cut = await openai.chat.completions.create({ ...ask, seed: 5, stop: [stop] });
    assert.equal(cut.choices[0].message.content,
                 texts(first)[0].slice(0, texts(first)[0].indexOf(stop)));
    assert.equal(cut.choices[0].finish_reason, "stop");
  },
  async "agents: a tool is called and answered, over both APIs"() {
    setTracingDisabled(true);
    for (const api of ["responses", "chat_completions"]) {
      const tickets = [];
      const open = agentTool({
        name: "create_support_ticket", description: "Opens a ticket",
        parameters: z.object({ priority: z.enum(["low", "high"]) }),
        execute: async ({ priority }) => { tickets.push(priority); return `{"ticket_id": "TCK-1007", "status": "open"}`; } });
      const modelOf = api === "responses" ? new OpenAIResponsesModel(openai, model)
                                          : new OpenAIChatCompletionsModel(openai, model);
      const agent = new Agent({ name: "Support", instructions: system, model: modelOf, tools: [open],
                                modelSettings: { toolChoice: "required", temperature: 0 } });
      const done = await runAgent(agent, inquiry, { maxTurns: 3 });
      assert.ok(tickets.length >= 1, api);  // whether it opens a second one is the model's affair
      assert.ok(["low", "high"].includes(tickets[0]));
      assert.equal(typeof done.finalOutput, "string");
      const typed = new Agent({ name: "Triage", instructions: system, model: modelOf,
                                outputType: Triage });
      assert.equal((await runAgent(typed, inquiry)).finalOutput.category, "billing");
      const streamed = await runAgent(new Agent({ name: "Talk", model: modelOf }), inquiry,
                                      { stream: true });
      let text = "";
      for await (const piece of streamed.toTextStream()) text += piece;
      await streamed.completed;
      assert.equal(text, streamed.finalOutput);
      const before = tickets.length;
      const calling = await runAgent(agent, inquiry, { maxTurns: 3, stream: true });
      const pieces = [];
      for await (const event of calling) {
        const raw = event.type === "raw_model_stream_event" && event.data.type === "model" ? event.data.event : {};
        if (raw.type === "response.function_call_arguments.delta") pieces.push(raw.delta);
        for (const call of raw.choices?.[0]?.delta?.tool_calls ?? []) pieces.push(call.function.arguments);
      }
      await calling.completed;
      assert.ok(tickets.length > before, api);
      const told = [...pieces.join("").matchAll(/\{"priority": ?"(low|high)"\}/g)];
      assert.deepEqual(told.map((call) => call[1]), tickets.slice(before), api);
      assert.ok(pieces.filter((piece) => piece).length > 2, `${api}: ${pieces}`);
    }
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
    const ask = { model: ai(model), messages, toolChoice: "required", temperature: 0,
      tools: { create_support_ticket: tool({
        description: "Opens a ticket",
        inputSchema: jsonSchema(weather.function.parameters) }) } };
    const called = await generateText(ask);
    assert.equal(called.toolCalls[0].toolName, "create_support_ticket");
    assert.ok(["low", "high"].includes(called.toolCalls[0].input.priority));
    const parts = [];
    for await (const part of streamText(ask).fullStream) parts.push(part);
    const pieces = parts.filter((part) => part.type === "tool-input-delta").map((part) => part.delta);
    assert.ok(pieces.length > 2, "the input comes while it is written");
    assert.deepEqual(JSON.parse(pieces.join("")), called.toolCalls[0].input);
    assert.deepEqual(parts.find((part) => part.type === "tool-call").input, called.toolCalls[0].input);
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
    let all, pieces = 0;
    for await (const chunk of await chat.bindTools([weather], { tool_choice: "required" }).stream(history)) {
      pieces += (chunk.tool_call_chunks ?? []).filter((piece) => piece.args).length;
      all = all ? all.concat(chunk) : chunk;
    }
    assert.ok(pieces > 2, "the arguments come while they are written");
    assert.deepEqual(all.tool_calls.map((call) => [call.name, call.args]),
                     called.tool_calls.map((call) => [call.name, call.args]));
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
