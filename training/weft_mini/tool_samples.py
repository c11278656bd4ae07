# SPDX-License-Identifier: Apache-2.0
"""Training samples with tools: calls, their responses, and the final answer.

Ids in the message decide: an id that an offered tool takes is looked up, in the order of the
message; no id means a ticket. Some samples have invented tools and parameters, so that names are
copied from the prompt and not memorised.
"""

import json
import re

from weft_mini import augment, frames, ids, labels, wordings

TOOLS = {
    "lookup_order": ("order_id",),
    "get_customer_profile": ("customer_id",),
    "send_password_reset": ("email",),
    "create_support_ticket": ("priority", "category", "description"),
}
SLOT_OF = {"lookup_order": "order_id", "get_customer_profile": "customer_id",
           "send_password_reset": "email"}
TICKET = "create_support_ticket"
_REASON = {
    "order_id": "The message gives an order number, so I call {tool}.",
    "customer_id": "The message gives a customer id, so I call {tool}.",
    "email": "The message gives an email for a password reset, so I call {tool}.",
    "other": "The message gives the {parameter}, so I call {tool}.",
}
_FALLBACK_INTENT = {"lookup_order": "track_order", "get_customer_profile": "contact_human_agent",
                    "send_password_reset": "recover_password"}
INVENTED_VERBS = ("find get fetch query open search read load show pull check track view retrieve lookup "
          "list request trace inspect send").split()
INVENTED_NOUNS = {
    "order_id": ("order", "shipment", "purchase", "parcel", "order_status", "delivery", "package",
                 "order_details", "tracking"),
    "customer_id": ("customer", "account", "client", "profile", "member", "user_record",
                    "account_details", "subscriber", "customer_data"),
    "email": ("reset_link", "password_mail", "login_reset", "credential_reset", "password_link",
              "recovery_email"),
}
INVENTED_PARAMETERS = {
    "order_id": ("id", "order", "order_number", "orderId", "number", "reference", "order_no",
                 "order_ref", "tracking_id", "code", "purchase_id"),
    "customer_id": ("id", "customer", "client_id", "account_number", "customerId", "user",
                    "member_id", "user_id", "account", "client_no", "account_id"),
    "email": ("address", "to", "mail", "user_email", "recipient", "email_address", "login",
              "emailAddress"),
}
# Things that the four tools know nothing about: the noun of the message is that of the tool.
_OTHER_NOUNS = ("invoice warranty booking flight ticket device contract coupon subscription payment "
                "refund meter policy claim vehicle room appointment serial voucher receipt repair "
                "quote license domain server").split()
_OTHER_REQUESTS = {
    "en": ("What about {noun} {value}?", "Please check {noun} {value}.", "{noun} {value}, status?",
           "I need the details of my {noun}, number {value}.", "Can you look at {noun} {value}?",
           "My {noun} is {value}, is everything fine with it?"),
    "ko": ("{noun} {value} 확인해 주세요.", "{value} {noun} 상태가 궁금합니다.",
           "제 {noun} 번호는 {value}입니다. 조회 부탁드려요.", "{noun} {value} 어떻게 됐나요?"),
    "es": ("¿Qué pasa con {noun} {value}?", "Revisen {noun} {value}, por favor.",
           "Necesito los datos de {noun} {value}.", "{noun} {value}, ¿en qué estado está?"),
}
_EXTRA_CALLS = {"cancel_order": ("order_id",), "refund_order": ("order_id", "reason"),
                "search_articles": ("query",), "update_address": ("customer_id", "address"),
                "send_invoice": ("invoice_id",), "transfer_call": ("department",)}
_LANGUAGE_NAMES = {"en": ("en", "auto", "English"), "ko": ("ko", "auto", "한국어"),
                   "es": ("es", "auto", "español")}
PLACEHOLDER = re.compile(r"\{((?:other_|third_)?(order_id|customer_id|email))\}")
PLANS = ("basic", "premium", "family", "business", "student", "free")
_BESIDE_SHARE = 0.18  # of messages: another number or address that no call wants
REASONING_SHARE = 0.3


slot_value = ids.slot_value


def fill(text, random):
    """Fresh ids for every placeholder of a text: (text, {placeholder's name: id})."""
    values = {}
    for name, slot in PLACEHOLDER.findall(text):
        while name not in values or list(values.values()).count(values[name]) > 1:
            values[name] = ids.slot_value(slot, random)
    return PLACEHOLDER.sub(lambda match: values[match[1]], text), values


def call_text(name, arguments):
    body = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _offered(needed, few_share, random):
    """Signatures in random order: all tools, or some with the needed ones among them."""
    names = list(TOOLS)
    if random.random() < few_share:
        names = [n for n in names if n in needed or random.random() < 0.3]
    offered = {name: TOOLS[name] for name in names}
    if random.random() < 0.12:
        for name in random.sample(list(_EXTRA_CALLS), random.choice((1, 2))):
            offered[name] = _EXTRA_CALLS[name]
    if "get_customer_profile" in offered and random.random() < 0.4:
        offered["get_customer_profile"] = ("customer_id", "include_history")
    return _shuffled(offered, random)


def _shuffled(offered, random):
    return dict(random.sample(list(offered.items()), len(offered)))


def _invent(offered, needed, random):
    """Other names for the needed tool and its parameter: (signatures, name, parameter)."""
    slot = SLOT_OF[needed]
    name = f"{random.choice(INVENTED_VERBS)}_{random.choice(INVENTED_NOUNS[slot])}"
    if random.random() < 0.2:
        head, *rest = name.split("_")
        name = head + "".join(part.capitalize() for part in rest)
    parameter = random.choice((*INVENTED_PARAMETERS[slot], slot))
    renamed = {name if old == needed else old: (parameter,) if old == needed else parameters
               for old, parameters in offered.items()}
    return renamed, name, parameter


def _system(offered, random):
    text = random.choice(wordings.TOOL_SYSTEMS) + "\n\n" if random.random() < 0.3 else ""
    return frames.system(text + frames.tool_list(offered))


def _beside(text, tool, language, random):
    """The message with a number or an address in it that is not the one to look up."""
    if random.random() > _BESIDE_SHARE:
        return text
    kind = "contact" if tool != "send_password_reset" and random.random() < 0.4 else "phone"
    value = ids.email(random) if kind == "contact" else random.choice((
        f"010-{ids.digits(4, random)}-{ids.digits(4, random)}", ids.digits(9, random),
        f"+{ids.digits(2, random)} {ids.digits(3, random)} {ids.digits(6, random)}"))
    phrase = random.choice(wordings.BESIDE_PHRASES[kind][language]).replace("{id}", value)
    return f"{text.rstrip()} {phrase}" if random.random() < 0.7 else f"{phrase} {text}"


class ToolRequest:
    """A message and the call it asks for: `tool`, `slot value` or a ticket's intent and signal."""

    def __init__(self, line, random):
        self.language = line["lang"]
        self.tool = line.get("tool", TICKET)
        self.intent = line.get("intent") or _FALLBACK_INTENT.get(self.tool, "contact_human_agent")
        self.signal = line.get("signal", "none")
        self.text, self.value = line["text"], None
        self.history = line.get("slots", {}).get("include_history", False)
        if self.tool in SLOT_OF:
            if len(PLACEHOLDER.findall(self.text)) == 1:
                mark = "{" + SLOT_OF[self.tool] + "}"
                self.text = augment.noise_around(self.text, mark, random)
            self.text, values = fill(self.text, random)
            self.value = values[SLOT_OF[self.tool]]
        else:
            self.text, self.signal = augment.with_cue(self.text, self.signal, self.language, random)
            self.text = augment.typing_noise(self.text, random)
        self.text = augment.politeness(self.text, self.language, random)
        self.text = _beside(self.text, self.tool, self.language, random)

    def call(self, offered):
        """(arguments, reasoning) of the call that settles it, with the tools offered."""
        if self.tool == TICKET:
            return self.ticket()
        slot = SLOT_OF[self.tool]
        arguments = {slot: self.value}
        if self.history and "include_history" in offered[self.tool]:
            arguments["include_history"] = True
        return arguments, _REASON[slot]

    def ticket(self):
        return (labels.ticket(self.intent, self.signal),
                labels.ticket_reasoning(self.intent, self.signal))


def insert_id(line, random):
    """A tool line from a triage line by adding an id, or a ticket line when none fits."""
    intent, language = line["intent"], line["lang"]
    slot = None
    if random.random() < 0.25:
        pass
    elif intent in ("track_order", "cancel_order", "change_shipping_address", "delivery_period"):
        slot = "order_id"
    elif intent == "recover_password":
        slot = "email"
    elif random.random() < 0.4:
        slot = "customer_id"
    elif intent in ("get_refund", "track_refund", "get_invoice", "double_charge", "device_fault"):
        slot = "order_id"
    if slot is None:
        return dict(line, tool=TICKET)
    phrase = random.choice(wordings.ID_PHRASES[slot][language])
    tool = next(name for name, of in SLOT_OF.items() if of == slot)
    text, phrase = line["text"].rstrip(), phrase.replace("{id}", "{" + slot + "}")
    text = text + phrase if random.random() < 0.75 else f"{phrase.strip()} {text}"
    return {"lang": language, "tool": tool, "text": text, "intent": intent,
            "signal": line["signal"]}


def _choice(request, few_share, random):
    """(offered, name, arguments, reasoning, copied value) of the first call."""
    offered = _offered({request.tool}, few_share, random)
    name, (arguments, reasoning) = request.tool, request.call(offered)
    if name in SLOT_OF and random.random() < 0.22:
        offered, name, parameter = _invent(offered, name, random)
        arguments = {parameter: request.value}
    elif name in SLOT_OF and random.random() < 0.08:  # the fitting tool is missing
        offered.pop(name)
        offered = _shuffled({**offered, TICKET: TOOLS[TICKET]}, random)
        name, (arguments, reasoning) = TICKET, request.ticket()
    copied = request.value if name != TICKET else None
    return offered, name, arguments, reasoning.replace("{tool}", name), copied


def _goal(request, random):
    if random.random() > 0.15:
        return request.text
    return random.choice(wordings.GOALS).format(
        text=request.text, language=random.choice(_LANGUAGE_NAMES[request.language]),
        category=labels.INTENTS[request.intent].category)


def one_call(line, stage, random):
    request = ToolRequest(line, random)
    offered, name, arguments, reasoning, copied = _choice(request, stage.few_tools_share, random)
    thinking = reasoning if random.random() < REASONING_SHARE else None
    return [_system(offered, random), *frames.user(_goal(request, random)),
            *frames.assistant(call_text(name, arguments), thinking, copied)]


def several_requests(lines, random):
    """Requests one after another under one list of tools: the list is read once for all."""
    requests = [ToolRequest(line, random) for line in lines]
    offered = _offered({request.tool for request in requests}, 0.3, random)
    pieces = [_system(offered, random)]
    for request in requests:
        arguments, reasoning = request.call(offered)
        thinking = reasoning.replace("{tool}", request.tool)
        pieces += [*frames.user(request.text), *frames.assistant(
            call_text(request.tool, arguments), thinking if random.random() < 0.2 else None,
            request.value)]
    return pieces


def other_tool(language, random):
    """A tool for something else, alone or among others, named in the message."""
    nouns = random.sample(_OTHER_NOUNS, random.choice((1, 2, 3)))
    offered, parameters = {}, {}
    for noun in nouns:
        tail = random.choice(("", "_status", "_details", "_info"))
        parameters[noun] = random.choice((f"{noun}_id", "id", "number", f"{noun}_number", "code"))
        offered[f"{random.choice(INVENTED_VERBS)}_{noun}{tail}"] = (parameters[noun],)
    tools = dict(zip(nouns, offered))
    if random.random() < 0.5:
        offered.update({name: TOOLS[name] for name in random.sample(list(TOOLS), 2)})
    noun, value = nouns[0], ids.slot_value("order_id", random)
    text = random.choice(_OTHER_REQUESTS[language]).format(noun=noun, value=value)
    thinking = _REASON["other"].format(parameter=parameters[noun], tool=tools[noun])
    return [_system(_shuffled(offered, random), random),
            *frames.user(augment.politeness(text, language, random)),
            *frames.assistant(call_text(tools[noun], {parameters[noun]: value}),
                              thinking if random.random() < REASONING_SHARE else None, value)]
