# SPDX-License-Identifier: Apache-2.0
"""Training samples with tools: one call, or a call, its response and a final answer.

An id in the message decides for a lookup, no id means a ticket. Ids come in many shapes, and
some samples have invented tool and parameter names, so that both are copied, not memorised.
"""

import json
import re
import string

from weft_mini import augment, frames, labels, wordings

TOOLS = {
    "lookup_order": ("order_id",),
    "get_customer_profile": ("customer_id",),
    "send_password_reset": ("email",),
    "create_support_ticket": ("priority", "category", "description"),
}
SLOT_OF = {"lookup_order": "order_id", "get_customer_profile": "customer_id",
           "send_password_reset": "email"}
_REASON = {
    "order_id": "The message gives an order number, so I call {tool}.",
    "customer_id": "The message gives a customer id, so I call {tool}.",
    "email": "The message gives an email for a password reset, so I call {tool}.",
}
_FALLBACK_INTENT = {"lookup_order": "track_order", "get_customer_profile": "contact_human_agent",
                    "send_password_reset": "recover_password"}
_INVENTED_VERBS = ("find", "get", "fetch", "query", "open", "search", "read", "load", "show", "pull")
_INVENTED_NOUNS = {
    "order_id": ("order", "shipment", "purchase", "parcel", "order_status", "delivery"),
    "customer_id": ("customer", "account", "client", "profile", "member", "user_record"),
    "email": ("reset_link", "password_mail", "login_reset", "credential_reset"),
}
_INVENTED_PARAMETERS = {
    "order_id": ("id", "order", "order_number", "orderId", "number", "reference", "order_no"),
    "customer_id": ("id", "customer", "client_id", "account_number", "customerId", "user"),
    "email": ("address", "to", "mail", "user_email", "recipient", "email_address"),
}
_FIRST = ("kim lee park choi jung minji jisoo maria jose ana luis carlos lucia pablo john emma "
          "sarah david alex nora tom yuna hana diego sofia raj wei omar lena ivan").split()
_HOSTS = ("gmail.com naver.com example.com daum.net outlook.com correo.es empresa.es mail.com "
          "yahoo.com kakao.com example.org acme.io").split()
_LANGUAGE_NAMES = {"en": ("en", "auto", "English"), "ko": ("ko", "auto", "한국어"),
                   "es": ("es", "auto", "español")}
PLACEHOLDER = re.compile(r"\{((?:other_|third_)?(order_id|customer_id|email))\}")
PLANS = ("basic", "premium", "family", "business", "student")
REASONING_SHARE = 0.3
TOOL_ROUND_SHARE = 0.12


def _digits(count, random):
    return "".join(random.choice(string.digits) for _ in range(count))


def _letters(count, random):
    return "".join(random.choice(string.ascii_uppercase) for _ in range(count))


def _order_or_customer_id(prefixes, random):
    shape = random.randrange(9)
    number = _digits(random.choice((3, 4, 5, 6)), random)
    if shape == 0:
        return _digits(random.choice((5, 6, 7, 8)), random)
    if shape == 1:
        return "#" + number
    if shape == 2:
        return _letters(random.choice((1, 2, 3)), random) + number
    if shape == 3:
        return f"{_letters(random.choice((1, 2, 3)), random)}-{number}"
    if shape == 4:
        return f"{random.choice(prefixes)}-2026-{number}"
    if shape == 5:
        return f"{random.choice(prefixes).lower()}_{number}"
    if shape == 6:
        return f"{number}-{_letters(2, random)}"
    return random.choice(prefixes) + random.choice(("-", "-", "")) + number


def _email(random):
    tail = random.choice((_digits(2, random), _digits(3, random), random.choice(_FIRST), "",
                          _digits(4, random)))
    return (random.choice(_FIRST) + random.choice(("", ".", "_", "-")) + tail + "@"
            + random.choice(_HOSTS))


def slot_value(slot, random):
    if slot == "email":
        return _email(random)
    prefixes = ("ORD", "PO", "O", "SO", "ORDER") if slot == "order_id" else (
        "C", "CUST", "USR", "CLI", "ACC")
    return _order_or_customer_id(prefixes, random)


def fill(text, random):
    """Fresh ids for every placeholder of a text: (text, {placeholder's name: id})."""
    values = {}
    for name, slot in PLACEHOLDER.findall(text):
        while name not in values or list(values.values()).count(values[name]) > 1:
            values[name] = slot_value(slot, random)
    return PLACEHOLDER.sub(lambda match: values[match[1]], text), values


def call_text(name, arguments):
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _offered(needed, few_share, random):
    """Signatures in random order: all tools, or some with the needed one among them."""
    names = list(TOOLS)
    if random.random() < few_share:
        names = [n for n in names if n == needed or random.random() < 0.3]
    random.shuffle(names)
    offered = {name: TOOLS[name] for name in names}
    if "get_customer_profile" in offered and random.random() < 0.4:
        offered["get_customer_profile"] = ("customer_id", "include_history")
    return offered


def _invent(offered, needed, random):
    """Other names for the needed tool and its parameter: (signatures, name, parameter)."""
    slot = SLOT_OF[needed]
    noun = random.choice(_INVENTED_NOUNS[slot])
    name = f"{random.choice(_INVENTED_VERBS)}_{noun}"
    parameter = random.choice((*_INVENTED_PARAMETERS[slot], slot))
    renamed = {name if old == needed else old: (parameter,) if old == needed else parameters
               for old, parameters in offered.items()}
    return renamed, name, parameter


def _system(offered, random):
    text = random.choice(wordings.TOOL_SYSTEMS) + "\n\n" if random.random() < 0.3 else ""
    return frames.system(text + frames.tool_list(offered))


class ToolRequest:
    """A message and the call it asks for: `tool`, `slot value` or a ticket's intent and signal."""

    def __init__(self, line, random):
        self.language = line["lang"]
        self.tool = line.get("tool", "create_support_ticket")
        self.intent = line.get("intent") or _FALLBACK_INTENT.get(self.tool, "contact_human_agent")
        self.signal = line.get("signal", "none")
        self.text, self.value = line["text"], None
        self.history = line.get("slots", {}).get("include_history", False)
        if self.tool in SLOT_OF:
            self.text, values = fill(self.text, random)
            self.value = values[SLOT_OF[self.tool]]
        else:
            self.text, self.signal = augment.with_cue(self.text, self.signal, self.language, random)
        self.text = augment.politeness(self.text, self.language, random)
        if self.value is None:
            self.text = augment.typing_noise(self.text, random)


def insert_id(line, random):
    """A tool line from a triage line by adding an id, or a ticket line when none fits."""
    intent, language = line["intent"], line["lang"]
    slot = None
    if intent in ("track_order", "cancel_order", "change_shipping_address", "delivery_period"):
        slot = "order_id"
    elif intent == "recover_password":
        slot = "email"
    elif random.random() < 0.4:
        slot = "customer_id"
    elif intent in ("get_refund", "track_refund", "get_invoice", "double_charge"):
        slot = "order_id"
    if slot is None:
        return dict(line, tool="create_support_ticket")
    phrase = random.choice(wordings.ID_PHRASES[slot][language])
    tool = next(name for name, of in SLOT_OF.items() if of == slot)
    text = line["text"].rstrip()
    return {"lang": language, "tool": tool, "text": text + phrase.replace("{id}", "{" + slot + "}")}


def tool_sample(line, stage, random):
    request = ToolRequest(line, random)
    offered = _offered(request.tool, stage.few_tools_share, random)
    name = request.tool
    if name in SLOT_OF:
        arguments = {SLOT_OF[name]: request.value}
        if request.history and "include_history" in offered[name]:
            arguments["include_history"] = True
        reasoning = _REASON[SLOT_OF[name]]
        if random.random() < 0.2:
            offered, name, parameter = _invent(offered, name, random)
            arguments = {parameter: request.value}
        elif random.random() < 0.08:  # the fitting tool is missing: fall back to a ticket
            offered.pop(name)
            offered["create_support_ticket"] = TOOLS["create_support_ticket"]
            name = "create_support_ticket"
            arguments = labels.ticket(request.intent, "none")
            reasoning = labels.ticket_reasoning(request.intent, "none")
        reasoning = reasoning.replace("{tool}", name)
    else:
        arguments = labels.ticket(request.intent, request.signal)
        reasoning = labels.ticket_reasoning(request.intent, request.signal)
    thinking = random.random() < REASONING_SHARE
    text = request.text
    goal = random.random() < 0.15
    if goal:
        text = random.choice(wordings.GOALS).format(
            text=text, language=random.choice(_LANGUAGE_NAMES[request.language]),
            category=labels.INTENTS[request.intent].category)
    pieces = [_system(offered, random), *frames.user(text, random.random() < 0.2)]
    call = call_text(name, arguments)
    if random.random() < TOOL_ROUND_SHARE:
        kept = reasoning if thinking and random.random() < 0.5 else None
        return [*pieces, frames.past_assistant(call, kept),
                *_round(request, name, thinking, random)]
    copied = request.value if name != "create_support_ticket" else None
    return [*pieces, *frames.assistant(call, reasoning if thinking else None, copied)]


_TICKET_DONE = {
    "en": "I opened ticket {ticket}; a colleague will contact you.",
    "ko": "티켓 {ticket}을 접수했습니다. 담당자가 연락드리겠습니다.",
    "es": "He abierto el ticket {ticket}; un compañero se pondrá en contacto.",
}
_ORDER_DONE = {
    "en": "Order {order} is {status}, expected on {date}.",
    "ko": "주문 {order}의 상태는 {status}이며 예정일은 {date}입니다.",
    "es": "El pedido {order} está {status}, previsto para el {date}.",
}
_RESET_DONE = {
    "en": "I sent a password reset to {email}.",
    "ko": "{email} 주소로 비밀번호 재설정 메일을 보냈습니다.",
    "es": "He enviado el restablecimiento de contraseña a {email}.",
}
_PROFILE_DONE = {
    "en": "Customer {customer} has the {plan} plan.",
    "ko": "고객 {customer}의 요금제는 {plan}입니다.",
    "es": "El cliente {customer} tiene el plan {plan}.",
}


def _round(request, name, thinking, random):
    """The tool's response and the final answer, plain or as {"summary", "ticket_id"}."""
    language, ticket = request.language, None
    if request.tool == "create_support_ticket" or name == "create_support_ticket":
        ticket = random.choice(("T-", "TCK-", "SUP-", "")) + _digits(random.choice((4, 5)), random)
        response = {"ticket_id": ticket, "status": "open"}
        summary = _TICKET_DONE[language].format(ticket=ticket)
    elif request.tool == "lookup_order":
        date = f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
        status = random.choice(("shipped", "processing", "delivered", "delayed", "packed"))
        response = {"order_id": request.value, "status": status, "expected": date}
        summary = _ORDER_DONE[language].format(order=request.value, status=status, date=date)
    elif request.tool == "send_password_reset":
        response = {"sent": True, "email": request.value}
        summary = _RESET_DONE[language].format(email=request.value)
    else:
        plan = random.choice(PLANS)
        response = {"customer_id": request.value, "plan": plan}
        summary = _PROFILE_DONE[language].format(customer=request.value, plan=plan)
    final = summary
    if random.random() < 0.5:
        final = {"summary": summary, **({"ticket_id": ticket} if ticket else {})}
        final = json.dumps(final, ensure_ascii=False)
    reasoning = "The tool has answered, so I report the result." if thinking else None
    return [*frames.tool_response(json.dumps(response, ensure_ascii=False)),
            *frames.assistant(final, reasoning)]
