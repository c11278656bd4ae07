# SPDX-License-Identifier: Apache-2.0
"""Agent steps: a goal, up to four calls with their results, and a final answer.

The rule behind them: every id of the message is looked up in its order; a ticket is opened when a
result says that something is wrong or when nothing could be looked up; then the result is
reported in the customer's language, plain or as {"summary", "ticket_id"}.
"""

import json

from weft_mini import augment, frames, ids, labels, tool_samples, wordings

_TROUBLE = ("delayed", "lost", "failed", "returned", "damaged")
_FINE = ("shipped", "processing", "delivered", "packed", "in transit", "ready")
_REPORTS = {
    "ticket": {
        "en": "I opened ticket {ticket}; a colleague will contact you.",
        "ko": "티켓 {ticket}을 접수했습니다. 담당자가 연락드리겠습니다.",
        "es": "He abierto el ticket {ticket}; un compañero se pondrá en contacto.",
    },
    "order": {
        "en": "Order {order} is {status}, expected on {date}.",
        "ko": "주문 {order}의 상태는 {status}이며 예정일은 {date}입니다.",
        "es": "El pedido {order} está {status}, previsto para el {date}.",
    },
    "reset": {
        "en": "I sent a password reset to {email}.",
        "ko": "{email} 주소로 비밀번호 재설정 메일을 보냈습니다.",
        "es": "He enviado el restablecimiento de contraseña a {email}.",
    },
    "standing": {
        "en": "For customer {customer} I found: {status}, expected on {date}.",
        "ko": "고객 {customer}의 조회 결과는 {status}이며 예정일은 {date}입니다.",
        "es": "Del cliente {customer} consta: {status}, previsto para el {date}.",
    },
    "profile": {
        "en": "Customer {customer} has the {plan} plan.",
        "ko": "고객 {customer}의 요금제는 {plan}입니다.",
        "es": "El cliente {customer} tiene el plan {plan}.",
    },
}
_DONE = "The tool has answered, so I report the result."
_TROUBLE_FOUND = "The result shows a problem, so I open a ticket."


class Turn:
    """One call: `name`, `arguments`, `reasoning`, the copied value, `response` and `report`."""

    def __init__(self, name, arguments, reasoning, value, response, report):
        self.name, self.arguments, self.reasoning = name, arguments, reasoning
        self.value, self.response, self.report = value, response, report


def _order_turn(value, language, trouble, random):
    date = f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    status = random.choice(_TROUBLE if trouble else _FINE)
    response = {"order_id": value, "status": status, "expected": date}
    if random.random() < 0.3:
        response["carrier"] = ids.word(random).capitalize()
    report = _REPORTS["order"][language].format(order=value, status=status, date=date)
    reasoning = "The message gives an order number, so I call lookup_order."
    return Turn("lookup_order", {"order_id": value}, reasoning, value, response, report)


def _profile_turn(value, language, random):
    plan = random.choice(tool_samples.PLANS)
    response = {"customer_id": value, "plan": plan}
    if random.random() < 0.4:
        response["name"] = ids.word(random).capitalize()
    report = _REPORTS["profile"][language].format(customer=value, plan=plan)
    reasoning = "The message gives a customer id, so I call get_customer_profile."
    return Turn("get_customer_profile", {"customer_id": value}, reasoning, value, response, report)


def _standing_turn(value, language, trouble, random):
    """A profile that says how the customer's last order stands, in itself or one level deeper."""
    date = f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    status = random.choice(_TROUBLE if trouble else _FINE)
    standing = {"status": status, "expected": date}
    response = {"customer_id": value}
    if random.random() < 0.3:
        response["name"] = ids.word(random).capitalize()
    if random.random() < 0.3:
        response["plan"] = random.choice(tool_samples.PLANS)
    if random.random() < 0.35:
        response["last_order"] = {"order_id": ids.slot_value("order_id", random), **standing}
    else:
        response.update(standing)
    report = _REPORTS["standing"][language].format(customer=value, status=status, date=date)
    reasoning = "The message gives a customer id, so I call get_customer_profile."
    return Turn("get_customer_profile", {"customer_id": value}, reasoning, value, response, report)


def _reset_turn(value, language):
    reasoning = "The message gives an email for a password reset, so I call send_password_reset."
    return Turn("send_password_reset", {"email": value}, reasoning, value,
                {"sent": True, "email": value}, _REPORTS["reset"][language].format(email=value))


def _ticket_turn(request, language, reasoning, random):
    ticket = random.choice(("T-", "TCK-", "SUP-", "", "#", "CASE-", "TK")) + ids.digits(
        random.choice((3, 4, 5, 6)), random)
    turn = Turn(tool_samples.TICKET, labels.ticket(request.intent, request.signal), reasoning, None,
                {"ticket_id": ticket, "status": "open"},
                _REPORTS["ticket"][language].format(ticket=ticket))
    turn.ticket = ticket
    return turn


def _turns(line, random, standing_share):
    """(text, turns); `standing_share`: of the profiles, that tell of an order."""
    language = line["lang"]
    kinds = random.choice((("order",), ("order",), ("customer",), ("order", "customer"),
                           ("customer", "order"), ("order", "order"), (),
                           ("customer", "order", "order")))
    if line["intent"] == "recover_password" and random.random() < 0.8:
        kinds = ("email",)
    text, turns, trouble = line["text"].rstrip(), [], False
    text, signal = augment.with_cue(text, line["signal"], language, random)
    for kind in kinds:
        slot = {"order": "order_id", "customer": "customer_id", "email": "email"}[kind]
        value = ids.slot_value(slot, random)
        text += random.choice(wordings.ID_PHRASES[slot][language]).replace("{id}", value)
        if kind == "order":
            bad = random.random() < 0.35
            trouble |= bad
            turns.append(_order_turn(value, language, bad, random))
        elif kind == "customer" and standing_share and random.random() < standing_share:
            bad = random.random() < 0.6
            trouble |= bad
            turns.append(_standing_turn(value, language, bad, random))
        elif kind == "customer":
            turns.append(_profile_turn(value, language, random))
        else:
            turns.append(_reset_turn(value, language))
    if trouble or not turns:
        request = tool_samples.ToolRequest({**line, "text": "", "tool": tool_samples.TICKET,
                                            "signal": "none"}, random)
        request.signal = signal
        reasoning = _TROUBLE_FOUND if turns else labels.ticket_reasoning(line["intent"], signal)
        turns.append(_ticket_turn(request, language, reasoning, random))
    return text, turns


def agent(line, random, standing_share=0.0):
    """One sample. All calls and the answer are scored, or only the last one.

    The engine writes past turns back without an empty reasoning block; where only the last turn is
    scored the sample does so too, and otherwise the blocks stay: cheaper, and nearly the same.
    """
    text, turns = _turns(line, random, standing_share)
    offered = {name: tool_samples.TOOLS[name] for name in tool_samples.TOOLS
               if name in {turn.name for turn in turns} or random.random() < 0.6}
    offered = dict(random.sample(list(offered.items()), len(offered)))
    thinking = random.random() < 0.35
    system = random.choice(wordings.TOOL_SYSTEMS) + "\n\n" if random.random() < 0.4 else ""
    goal = text
    if random.random() < 0.6:
        goal = random.choice(wordings.GOALS).format(
            text=text, language=random.choice((line["lang"], line["lang"], "auto")),
            category=labels.INTENTS[line["intent"]].category)
    pieces = [frames.system(system + frames.tool_list(offered)), *frames.user(goal)]
    exact = random.random() < 0.5
    shown = random.randrange(len(turns) + 1) if exact else len(turns)
    for number, turn in enumerate(turns[:shown + 1]):
        call = tool_samples.call_text(turn.name, turn.arguments)
        reasoning = turn.reasoning if thinking else None
        if number == shown:
            return [*pieces, *frames.assistant(call, reasoning, turn.value)]
        if exact:
            pieces.append(frames.past_assistant(call, reasoning))
        else:
            pieces += frames.assistant(call, reasoning, turn.value)
        pieces += frames.tool_response(json.dumps(turn.response, ensure_ascii=False))
    final = " ".join(turn.report for turn in turns)
    if random.random() < 0.5:
        ticket = getattr(turns[-1], "ticket", None)
        final = json.dumps({"summary": final, **({"ticket_id": ticket} if ticket else {})},
                           ensure_ascii=False)
    return [*pieces, *frames.assistant(final, _DONE if thinking else None)]
