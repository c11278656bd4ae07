# SPDX-License-Identifier: Apache-2.0
"""Agent steps: a goal, up to four calls with their results, and a final answer.

The rule behind them: every id of the message is looked up in its order; a ticket is opened when a
result says that something is wrong or when nothing could be looked up; then the result is
reported in the customer's language, plain or as {"summary", "ticket_id"}. A call that a person has
not approved is not tried again.
"""

import json

from weft_mini import augment, frames, ids, labels, ticket_shapes, tool_samples, wordings

_OTHER_TROUBLE = ("stuck in customs", "missing", "on hold", "refused", "cancelled", "lost in transit",
                  "damaged in transit", "not found", "overdue", "returned to sender", "blocked",
                  "retrasado", "perdido", "dañado", "devuelto", "지연", "분실", "파손", "반송")
_OTHER_FINE = ("on its way", "out for delivery", "dispatched", "confirmed", "paid", "being prepared",
               "ready for pickup", "in production", "packing", "handed over", "completed", "open",
               "en camino", "entregado", "enviado", "preparando", "배송 중", "배송 완료", "준비 중")
_ERRORS = ("not found", "no such {what}", "unknown {what}", "404", "{what} not found", "no record")
_FACTS = {
    "tier": ("gold", "silver", "bronze", "platinum", "standard", "vip"),
    "level": ("1", "2", "3", "basic", "plus", "pro"), "segment": ("retail", "business", "public"),
    "status": ("active", "inactive", "new", "verified"), "since": ("2014", "2019", "2021", "2024"),
    "city": ("Leeds", "Daegu", "Sevilla", "Lima", "Busan", "Cork", "Austin"),
    "language": ("en", "ko", "es"), "points": ("120", "4050", "87", "990"),
    "plan": ("starter", "team", "unlimited", "prepaid", "student"), "country": ("KR", "ES", "MX", "IE"),
}
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
_OTHER_REPORTS = {
    "order": {"en": "Order {order} is {status}.", "ko": "주문 {order}의 상태는 {status}입니다.",
              "es": "El pedido {order} está {status}."},
    "facts": {"en": "For customer {customer} I found: {facts}.",
              "ko": "고객 {customer}의 조회 결과는 {facts}입니다.",
              "es": "Del cliente {customer} consta: {facts}."},
    "missing": {"en": "I could not find {value}.", "ko": "{value}을(를) 찾지 못했습니다.",
                "es": "No he encontrado {value}."},
}
_REJECTED = {"en": "It was not approved, so I have not done it.",
             "ko": "승인되지 않아 진행하지 않았습니다.",
             "es": "No se ha aprobado, así que no lo he hecho."}
_WHY = ("no", "not now", "not needed", "I will call them myself", "already done", "wrong customer",
        "nobody decided in time", "아니요", "필요 없습니다", "제가 직접 처리합니다", "no hace falta",
        "ya está hecho", "me encargo yo")
_DONE = "The tool has answered, so I report the result."
_TROUBLE_FOUND = "The result shows a problem, so I open a ticket."
_ASKED = "The customer asks for a ticket, so I open one."


class Turn:
    """One call: `name`, `arguments`, `reasoning`, the copied value, `response` and `report`."""

    def __init__(self, name, arguments, reasoning, value, response, report):
        self.name, self.arguments, self.reasoning = name, arguments, reasoning
        self.value, self.response, self.report = value, response, report
        self.parameters = tool_samples.TOOLS.get(name)


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


def _other_order_turn(value, language, trouble, random):
    """An order's state without a date, in other words and under other keys."""
    status = random.choice(_OTHER_TROUBLE if trouble else _OTHER_FINE)
    response = {random.choice(("order_id", "id", "order", "number")): value,
                random.choice(("status", "state")): status}
    if random.random() < 0.4:
        response[random.choice(("items", "total", "carrier", "store"))] = ids.word(random)
    response = dict(random.sample(list(response.items()), len(response)))
    report = _OTHER_REPORTS["order"][language].format(order=value, status=status)
    reasoning = "The message gives an order number, so I call lookup_order."
    return Turn("lookup_order", {"order_id": value}, reasoning, value, response, report)


def _facts_turn(value, language, random):
    """A profile of any keys: what stands in it is reported, key and value, two at most."""
    keys = random.sample(list(_FACTS), random.choice((1, 1, 2, 3)))
    facts = {key: random.choice(_FACTS[key]) for key in keys}
    told = ", ".join(f"{key} {facts[key]}" for key in keys[:2])
    response = {random.choice(("customer_id", "id", "customer")): value, **facts}
    report = _OTHER_REPORTS["facts"][language].format(customer=value, facts=told)
    reasoning = "The message gives a customer id, so I call get_customer_profile."
    return Turn("get_customer_profile", {"customer_id": value}, reasoning, value, response, report)


def _missing_turn(value, kind, language, random):
    """The tool knows no such thing: said so, and a ticket follows."""
    tool = {"order": "lookup_order", "customer": "get_customer_profile"}[kind]
    error = random.choice(_ERRORS).replace("{what}", kind)
    response = {random.choice(("error", "error", "message")): error}
    named = {"order": "an order number", "customer": "a customer id"}[kind]
    report = _OTHER_REPORTS["missing"][language].format(value=value)
    return Turn(tool, {f"{kind}_id": value}, f"The message gives {named}, so I call {tool}.", value,
                response, report)


def _other_turn(kind, value, language, random):
    """(turn, whether something is wrong) with a result of another shape."""
    if random.random() < 0.2:
        return _missing_turn(value, kind, language, random), True
    bad = kind == "order" and random.random() < 0.35
    if kind == "order":
        return _other_order_turn(value, language, bad, random), bad
    return _facts_turn(value, language, random), bad


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


def _reshape(turn, found, language, random):
    """The ticket in another system: its tool has another form and another answer, or fails."""
    shape = ticket_shapes.Shape(found, random)
    turn.name, turn.parameters = shape.name, shape.parameters
    turn.arguments = shape.arguments(turn.arguments)
    turn.response = ticket_shapes.response(turn.ticket, random)
    if random.random() < 0.08:
        turn.response, why = ticket_shapes.failure(random)
        turn.report, turn.ticket = ticket_shapes.failed(why, language), None


def _reject(turn, language, random):
    """A person has not approved the call: weft tells the model in these words."""
    name = random.choice(("user:", "", "")) + ids.word(random)
    why = f": {random.choice(_WHY)}" if random.random() < 0.6 else ""
    turn.response, turn.report = f"not approved by {name}{why}", _REJECTED[language]
    turn.ticket = None


def _turns(line, random, stage):
    """(text, turns)"""
    standing_share = stage.standing_share
    language = line["lang"]
    kinds = random.choice((("order",), ("order",), ("customer",), ("order", "customer"),
                           ("customer", "order"), ("order", "order"), (),
                           ("customer", "order", "order")))
    if line["intent"] == "recover_password" and random.random() < 0.8:
        kinds = ("email",)
    text, turns, trouble, found = line["text"].rstrip(), [], False, {}
    text, signal = augment.with_cue(text, line["signal"], language, random)
    asked = stage.asked_share and random.random() < stage.asked_share
    for kind in kinds:
        slot = {"order": "order_id", "customer": "customer_id", "email": "email"}[kind]
        value = ids.slot_value(slot, random)
        found.setdefault(slot, value)
        text += random.choice(wordings.ID_PHRASES[slot][language]).replace("{id}", value)
        if kind != "email" and stage.other_results and random.random() < stage.other_results:
            turn, bad = _other_turn(kind, value, language, random)
            trouble |= bad
            turns.append(turn)
        elif kind == "order":
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
    if asked:
        text += " " + random.choice(ticket_shapes.ASKED[language])
    if trouble or asked or not turns:
        request = tool_samples.ToolRequest({**line, "text": "", "tool": tool_samples.TICKET,
                                            "signal": "none"}, random)
        request.signal = signal
        reasoning = _TROUBLE_FOUND if trouble else _ASKED
        if not turns:
            reasoning = labels.ticket_reasoning(line["intent"], signal)
        turns.append(_ticket_turn(request, language, reasoning, random))
        if stage.other_tickets and random.random() < stage.other_tickets:
            _reshape(turns[-1], found, language, random)
    if stage.rejected_share and random.random() < stage.rejected_share:
        _reject(turns[-1], language, random)
    return text, turns


def _result_text(response, stage, random):
    if isinstance(response, str):
        return response
    return ticket_shapes.text_of(response, stage.other_results and random.random() < 0.3)


def agent(line, random, stage):
    """One sample. All calls and the answer are scored, or only the last one.

    The engine writes past turns back without an empty reasoning block; where only the last turn is
    scored the sample does so too, and otherwise the blocks stay: cheaper, and nearly the same.
    """
    text, turns = _turns(line, random, stage)
    used = {turn.name: turn.parameters for turn in turns}
    offered = {name: tool_samples.TOOLS[name] for name in tool_samples.TOOLS
               if name in used or random.random() < 0.6}
    if turns[-1].parameters not in offered.values():
        offered.pop(tool_samples.TICKET, None)  # another system's stands in its place
    offered |= used
    offered = dict(random.sample(list(offered.items()), len(offered)))
    thinking = random.random() < 0.35
    system = random.choice(wordings.TOOL_SYSTEMS) + "\n\n" if random.random() < 0.4 else ""
    goal = text
    if stage.other_systems and random.random() < stage.other_systems:
        system = random.choice((wordings.EXAMPLE_SYSTEM, *wordings.TRIAGE_SYSTEMS))
        system += random.choice(("\n\n", "\n\n", "\n\n\n"))
        goal = random.choice(wordings.PREFIXES[line["lang"]]) + text
    elif random.random() < 0.6:
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
        pieces += frames.tool_response(_result_text(turn.response, stage, random))
    final = " ".join(turn.report for turn in turns)
    if random.random() < 0.5:
        ticket = getattr(turns[-1], "ticket", None)
        final = json.dumps({"summary": final, **({"ticket_id": ticket} if ticket else {})},
                           ensure_ascii=False)
    return [*pieces, *frames.assistant(final, _DONE if thinking else None)]
