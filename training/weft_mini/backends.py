# SPDX-License-Identifier: Apache-2.0
"""Who answers the evaluation cases: the trainer's own greedy decoder, or a chat server."""

import concurrent.futures
import json
import subprocess
import urllib.request

from weft_mini import bpe, check_template


class TrainerBackend:
    """Renders the chat template here and lets `weft-train generate` continue it."""

    def __init__(self, binary, weights, tokenizer, threads):
        self.command = [binary, "generate", "--checkpoint", weights, "--threads", str(threads)]
        self.tokenizer = bpe.Tokenizer.load(tokenizer)

    def answers(self, cases):
        prompts = []
        for case in cases:
            extra = {} if case["thinking"] else {"enable_thinking": False}
            if case.get("tools"):
                extra["tools"] = case["tools"]
            text = check_template.render(case["messages"], add_generation_prompt=True, **extra)
            prompts.append(" ".join(map(str, self.tokenizer.encode(text))))
        stop = f"{self.tokenizer.special['<|im_end|>']},{self.tokenizer.special['<|endoftext|>']}"
        result = subprocess.run([*self.command, "--stop-ids", stop], text=True, check=True,
                                input="\n".join(prompts) + "\n", stdout=subprocess.PIPE)
        lines = result.stdout.split("\n")[:len(cases)]
        return [self.tokenizer.decode(map(int, line.split())) for line in lines]


class HttpBackend:
    """An OpenAI-compatible server, such as the engine's own."""

    def __init__(self, url, model, key, parallel):
        self.url, self.model, self.key, self.parallel = url.rstrip("/"), model, key, parallel

    def _answer(self, case):
        body = {"model": self.model, "messages": case["messages"], "temperature": 0,
                "max_tokens": 256, "chat_template_kwargs": {"enable_thinking": case["thinking"]}}
        if case.get("tools"):
            body["tools"] = case["tools"]
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(f"{self.url}/v1/chat/completions",
                                         json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            message = json.load(response)["choices"][0]["message"]
        text = message.get("content") or ""
        for call in message.get("tool_calls") or []:
            arguments = json.loads(call["function"]["arguments"])
            body = json.dumps({"name": call["function"]["name"], "arguments": arguments},
                              ensure_ascii=False)
            text += f"<tool_call>\n{body}\n</tool_call>"
        return text

    def answers(self, cases):
        with concurrent.futures.ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(self._answer, cases))
