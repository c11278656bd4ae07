// SPDX-License-Identifier: Apache-2.0
// The official client of the Model Context Protocol against weft: `node mcp_client.mjs URL`, or
// `node mcp_client.mjs stdio COMMAND WORDS…`. One line a check; exit code 1 if one fails.
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

const require = createRequire(new URL('../../tools/mcp/package.json', import.meta.url));
const from = (path) => import(require.resolve('@modelcontextprotocol/sdk/' + path));
const { Client } = await from('client/index.js');
const { StreamableHTTPClientTransport } = await from('client/streamableHttp.js');
const { StdioClientTransport } = await from('client/stdio.js');
const types = await from('types.js');

const [first, ...rest] = process.argv.slice(2);
const transport = () => first === 'stdio'
  ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env })
  : new StreamableHTTPClientTransport(new URL(first));
const client = new Client({ name: 'weft-test', version: '1' }, { capabilities: { elicitation: {} } });
const logs = [];
client.setNotificationHandler(types.LoggingMessageNotificationSchema, (n) => { logs.push(n.params); });
let decision = 'approved';
client.setRequestHandler(types.ElicitRequestSchema, async (request) => {
  assert.equal(request.params.message, 'Refund A-9?');
  return { action: 'accept', content: { decision, comment: 'by the client' } };
});

const checks = {
  async 'tools are listed'() {
    const { tools } = await client.listTools();
    assert.ok(tools.find((t) => t.name === 'hello').inputSchema.required.includes('name'));
  },
  async 'a tool is called'() {
    const said = await client.callTool({ name: 'hello', arguments: { name: 'Dee' } });
    assert.deepEqual(said.structuredContent, { text: 'Hello Dee' });
  },
  async 'wrong arguments are an error the model can read'() {
    const said = await client.callTool({ name: 'hello', arguments: {} });
    assert.equal(said.isError, true);
    assert.match(said.content[0].text, /name/);
  },
  async 'an unknown tool is refused'() {
    await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /no tool/);
  },
  async 'an approval is asked of the person'() {
    const said = await client.callTool({ name: 'refund', arguments: { order: 'A-9' } });
    assert.equal(said.structuredContent.decision, 'approved');
    decision = 'rejected';
    const no = await client.callTool({ name: 'refund', arguments: { order: 'A-9' } });
    assert.equal(no.structuredContent.decision, 'rejected');
  },
  async 'progress and logs come on the way'() {
    await client.setLoggingLevel('debug');
    const progress = [];
    await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, undefined,
      { onprogress: (p) => progress.push(p.progress) });
    // The client stops listening with the answer, which may overtake what came just before it.
    assert.deepEqual(progress.slice(0, 3), [0, 1, 2]);
    assert.ok(logs.length >= 3);
  },
  async 'many calls at once'() {
    const all = await Promise.all([...Array(20).keys()].map((i) =>
      client.callTool({ name: 'hello', arguments: { name: String(i) } })));
    all.forEach((said, i) => assert.equal(said.structuredContent.text, 'Hello ' + i));
  },
  async 'a call is cancelled'() {
    const abort = new AbortController();
    const call = client.callTool({ name: 'slow', arguments: {} }, undefined, { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    await assert.rejects(call);
    await client.ping();
  },
  async 'resources are read'() {
    const { resources } = await client.listResources();
    assert.ok(resources.find((r) => r.uri === 'weft://workflows/hello'));
    const { contents } = await client.readResource({ uri: 'test://template/42/data' });
    assert.equal(JSON.parse(contents[0].text).id, '42');
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.ok(resourceTemplates.find((t) => t.uriTemplate === 'weft://runs/{run}'));
    await assert.rejects(client.readResource({ uri: 'test://template/a/b/data' }));
  },
  async 'prompts are made'() {
    const said = await client.getPrompt({
      name: 'test_prompt_with_arguments', arguments: { arg1: '{{ args.arg2 }}', arg2: 'two' } });
    assert.equal(said.messages[0].content.text,
      "Prompt with arguments: arg1='{{ args.arg2 }}', arg2='two'");
    await assert.rejects(client.getPrompt({ name: 'test_prompt_with_arguments', arguments: {} }));
  },
};

await client.connect(transport());
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log('ok', name);
  } catch (error) {
    failed += 1;
    console.log('FAILED', name, error.stack);
  }
}
await client.close();
process.exit(failed ? 1 : 0);
