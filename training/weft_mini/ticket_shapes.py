# SPDX-License-Identifier: Apache-2.0
"""Tools that open tickets as other systems have them: names, parameters and results of any shape."""

import json

from weft_mini import ids

_NAMES = ("create_support_ticket", "create_support_ticket", "create_support_ticket", "open_ticket",
          "create_ticket", "createTicket", "open_support_case", "file_ticket", "raise_ticket",
          "new_case", "submit_ticket", "open_case", "createSupportTicket", "log_ticket",
          "ticket_create", "helpdesk.createTicket", "desk_open_ticket", "crm_create_case")
# What a parameter is called, by what it holds.
_PARAMETERS = {
    "priority": ("priority", "priority", "priority", "urgency", "severity", "ticket_priority"),
    "category": ("category", "category", "category", "topic", "department", "type", "queue"),
    "description": ("description", "description", "summary", "subject", "title", "details",
                    "message", "reason", "note"),
}
_REFERENCES = {"order_id": ("order_id", "order", "order_number", "reference"),
               "customer_id": ("customer_id", "customer", "account_id", "client_id")}
_IDS = ("ticket_id", "ticket_id", "ticket_id", "id", "ticket", "case_id", "number", "reference",
        "ticketId", "case", "key", "ticket_number")
_STATES = ("open", "open", "open", "created", "new", "queued", "received", "pending", "assigned",
           "registered", "접수", "abierto")
_TEXTS = ("{ticket}", "Ticket {ticket} created", "created {ticket}", "ticket {ticket} is open", "OK {ticket}",
          "opened: {ticket}", "Case {ticket} has been registered.", "티켓 {ticket} 접수 완료",
          "Ticket {ticket} abierto")
FAILURES = ("timeout", "timed out", "connection refused", "service unavailable", "HTTP 500",
            "internal server error", "503 Service Unavailable", "not permitted", "access denied",
            "rate limit exceeded", "the request took too long", "no connection", "unknown error",
            "invalid request", "quota exceeded", "bad gateway")
_FAILED = {"en": "I could not open a ticket: {why}.", "ko": "티켓을 접수하지 못했습니다: {why}.",
           "es": "No he podido abrir el ticket: {why}."}
ASKED = {
    "en": ("Please open a ticket for this.", "Can you raise a ticket?", "Open a support case please.",
           "I want this logged as a ticket.", "Create a ticket so someone looks into it.",
           "pls open a ticket", "Could you file a ticket about it?", "Have a ticket opened for me.",
           "I'd like a ticket number for this.", "Register a complaint ticket."),
    "ko": ("티켓을 만들어 주세요.", "접수 티켓 열어 주세요.", "이 건으로 티켓 등록 부탁드립니다.",
           "문의 티켓을 접수해 주세요.", "티켓 발급해 주세요.", "정식으로 티켓 남겨 주세요.",
           "담당자가 볼 수 있게 티켓 생성 바랍니다.", "티켓 번호 받고 싶어요."),
    "es": ("Abran un ticket, por favor.", "¿Pueden crear un ticket?", "Quiero que quede un ticket abierto.",
           "Registren una incidencia, por favor.", "Necesito un número de ticket.",
           "Levanten un ticket para esto.", "Creen un caso de soporte.",
           "Ábranme una incidencia para que lo revisen."),
}


class Shape:
    """One system's tool: `name`, `parameters`, and how it answers."""

    def __init__(self, found, random):
        """`found`: {slot: value} of the message, any of which the tool may take."""
        self.name = random.choice(_NAMES)
        kinds = random.sample(list(_PARAMETERS), random.choice((1, 1, 2, 2, 3)))
        self._kinds = {random.choice(_PARAMETERS[kind]): kind for kind in kinds}
        for slot in found:
            if slot in _REFERENCES and random.random() < 0.25:
                self._kinds[random.choice(_REFERENCES[slot])] = slot
        self.parameters = tuple(self._kinds)
        self._found = found

    def arguments(self, trained):
        """`trained`: the arguments of create_support_ticket (labels.ticket)."""
        values = {**trained, **self._found}
        return {parameter: values[kind] for parameter, kind in self._kinds.items()}


def response(ticket, random):
    """What such a tool answers: an object, flat or one deeper, or a sentence."""
    roll = random.random()
    if roll < 0.15:
        return random.choice(_TEXTS).format(ticket=ticket)
    fields = {random.choice(_IDS): ticket}
    if random.random() < 0.7:
        fields[random.choice(("status", "status", "state"))] = random.choice(_STATES)
    if random.random() < 0.25:
        fields[random.choice(("assignee", "queue", "owner", "team"))] = ids.word(random)
    fields = dict(random.sample(list(fields.items()), len(fields)))
    if roll < 0.25:
        return {random.choice(("ticket", "case", "result", "data")): fields}
    return {random.choice(("ok", "success")): True, **fields} if roll < 0.35 else fields


def failure(random):
    """What is said instead of a result, and why."""
    why = random.choice(FAILURES)
    form = random.randrange(3)
    if form == 0:
        return f"error: {why}", why
    return {random.choice(("error", "error", "message")): why}, why


def failed(why, language):
    return _FAILED[language].format(why=why)


def text_of(answer, compact):
    """As it stands in the prompt."""
    if isinstance(answer, str):
        return answer
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":") if compact else None)
