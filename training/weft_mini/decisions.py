# SPDX-License-Identifier: Apache-2.0
"""The steps of examples/*.yaml that ask the model, framed exactly as those files frame them.

Step `classify` (customer-service, customer-resolution) gets an inquiry and answers with the five
fields; step `plan` (customer-resolution) gets a goal, two tools and up to one answer of a tool,
and ends with {"summary", "ticket_id"}.
"""

import json

from weft_mini import frames, labels, tool_samples, wordings

_STEPS = {("customer-service", "classify"), ("customer-resolution", "classify"),
          ("customer-resolution", "plan")}
_PLAN_TOOLS = ("get_customer_profile", "create_support_ticket")
_LANGUAGES = ("auto", "ko", "en", "es")
REASONING_SHARE = 0.3


def text_of(line):
    """The customer's words of a line of any task."""
    return line["input"]["inquiry"] if line["task"] == "decision" else line["text"]


def signal_of(output):
    """The signal with which the tables give this answer; None where none does."""
    for signal in ("none", "urgent", "calm"):
        if labels.triage(output["intent"], signal) == output:
            return signal
    return None


def faults(line):
    """What is wrong with a decision line."""
    if (line.get("example"), line.get("step")) not in _STEPS:
        yield f"no step {line.get('step')!r} in example {line.get('example')!r}"
        return
    inquiry, output = line["input"]["inquiry"], line["output"]
    if inquiry != inquiry.strip() or not 0 < len(inquiry) <= 1000:
        yield "the inquiry is empty, too long or has blanks around it"
    if line["step"] == "classify":
        if list(output) != list(labels.FIELDS) or output["intent"] not in labels.INTENTS:
            yield f"output {output}"
        elif signal_of(output) is None:
            yield f"no signal gives this output of {output['intent']!r}"
        return
    call = line["call"]
    if line["input"]["language"] not in _LANGUAGES:
        yield f"language {line['input']['language']!r}"
    if line["category"] not in ("technical", "billing", "general"):
        yield f"category {line['category']!r}"
    if call["name"] == "get_customer_profile":
        if "{customer_id}" not in inquiry or "ticket_id" in output:
            yield "a profile needs {customer_id} in the inquiry, and opens no ticket"
    elif call["name"] == "create_support_ticket":
        wanted = labels.ticket(line["intent"], line["signal"])
        if call["arguments"] != wanted or "ticket_id" not in output:
            yield f"arguments {call['arguments']}, expected {wanted} and a ticket in the output"
    else:
        yield f"the step offers no tool {call['name']!r}"


def _classify(line, random):
    output = line["output"]
    reasoning = None
    if random.random() < REASONING_SHARE:
        reasoning = labels.triage_reasoning(output["intent"], signal_of(output))
    return [frames.system(wordings.EXAMPLE_SYSTEM + random.choice(("", "\n"))),
            *frames.user(wordings.EXAMPLE_PREFIX + text_of(line)),
            *frames.assistant(json.dumps(output), reasoning)]


def _plan(line, random):
    inquiry, ids = tool_samples.fill(text_of(line), random)
    name, arguments = line["call"]["name"], dict(line["call"]["arguments"])
    history = arguments.pop("include_history", None)
    if "customer_id" in arguments:
        arguments["customer_id"] = ids["customer_id"]
    profile = ["customer_id"]
    if history or random.random() < 0.3:
        profile.append("include_history")
    if history:
        arguments["include_history"] = True
    tools = {"get_customer_profile": profile,
             "create_support_ticket": tool_samples.TOOLS["create_support_ticket"]}
    order = list(_PLAN_TOOLS)
    random.shuffle(order)
    goal = wordings.GOALS[0].format(text=inquiry, language=line["input"]["language"],
                                    category=line["category"])
    pieces = [frames.system(frames.tool_list({tool: tools[tool] for tool in order})),
              *frames.user(goal)]
    call = tool_samples.call_text(name, arguments)
    if random.random() < 0.5:
        return [*pieces, *frames.assistant(call, None, arguments.get("customer_id"))]
    plan = random.choice(tool_samples.PLANS)
    ticket = random.choice(("T-", "TCK-", "SUP-", "")) + str(random.randrange(1000, 99999))
    response = {"customer_id": arguments.get("customer_id"), "plan": plan}
    if name == "create_support_ticket":
        response = {"ticket_id": ticket, "status": "open"}
    output = {key: value.replace("{ticket_id}", ticket).replace("{plan}", plan)
              .replace("{customer_id}", arguments.get("customer_id", ""))
              for key, value in line["output"].items()}
    return [*pieces, frames.past_assistant(call),
            *frames.tool_response(json.dumps(response, ensure_ascii=False)),
            *frames.assistant(json.dumps(output, ensure_ascii=False))]


def sample(line, random):
    return (_classify if line["step"] == "classify" else _plan)(line, random)
