# SPDX-License-Identifier: Apache-2.0
"""Agents over the chat API whose tools have forms that nobody has trained on: names, parameters and
results. Right is a report that says what the result says, a failure not told as success, a ticket that
the customer asks for, opened. The demo model is weak here: the test holds it where it stands."""
import json

from harness import main
from serving import Server

SYSTEM = ("You are a customer service workflow manager. Analyze the inquiry and determine:\n"
          "1. Urgency level (1-5)  2. Category (technical, billing, general)\n"
          "3. Required actions  4. Estimated resolution time\n")
TURNS_MAX = 4
INQUIRIES = {
    "en": ("I was charged twice for my order!", "The washing machine floods the whole kitchen.",
           "Nobody answers the phone at your branch."),
    "ko": ("주문이 두 번 결제되었어요!", "세탁기에서 물이 새서 부엌이 엉망입니다.",
           "지점에 전화해도 아무도 받지 않아요."),
    "es": ("¡Me han cobrado dos veces el pedido!", "La lavadora me inunda toda la cocina.",
           "En su sucursal nadie coge el teléfono."),
}
WISHES = {"en": "Where is order A-70155? And do write a ticket about it, I want it on record.",
          "ko": "주문 A-70155는 어디쯤인가요? 기록에 남게 티켓도 하나 만들어 주세요.",
          "es": "¿Dónde está el pedido A-70155? Y hagan un ticket, quiero que conste."}
STATES = {"en": "Please check the parcel with tracking code ZX-88120.",
          "ko": "운송장 ZX-88120 택배 조회해 주세요.",
          "es": "Comprueben el paquete con código de seguimiento ZX-88120."}


def tool(name, description, **parameters):
    return {"type": "function", "function": {
        "name": name, "description": description, "parameters": {
            "type": "object", "required": list(parameters), "additionalProperties": False,
            "properties": parameters}}}


TEXT = {"type": "string", "maxLength": 80}
LEVEL = {"enum": ["low", "high"]}
OPEN = tool("create_support_ticket", "Opens a ticket", priority=LEVEL)
INCIDENT = tool("new_incident", "Opens an incident", subject=TEXT, severity=LEVEL)
ENTRY = tool("helpdesk_entry", "Writes a help desk entry", topic=TEXT)
ORDER = tool("lookup_order", "State of an order", order_id={"type": "string", "x-weft-verbatim": True})
PARCEL = tool("trace_parcel", "State of a parcel",
              tracking_code={"type": "string", "x-weft-verbatim": True})
# Tools, what each answers, what the report must hold and what it must not.
TICKETS = [
    ([OPEN], {"create_support_ticket": '{"ticket_id": "TCK-1007", "status": "open"}'}, "TCK-1007", ""),
    ([INCIDENT], {"new_incident": '{"incident": {"number": "K-2231", "state": "new"}}'}, "K-2231", ""),
    ([ENTRY], {"helpdesk_entry": "Entry QX-77 registered"}, "QX-77", ""),
    ([OPEN], {"create_support_ticket": '{"error": "over quota"}'}, "quota", "opened ticket"),
]
RIGHT_MIN, CUT_OFF_MAX = 24, 1  # of 84: a weak side of the demo model, held where it stands


def asked(server, inquiry, tools, answers, thinking):
    """(calls, the report, whether a turn was cut off)"""
    messages = [{"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"Customer inquiry: {inquiry}"}]
    calls = []
    for _ in range(TURNS_MAX):
        body = server.post("/v1/chat/completions", {
            "model": "default", "messages": messages, "tools": tools, "temperature": 0,
            "tool_choice": "auto" if calls else "required", "max_tokens": 400,
            "enable_thinking": thinking}).json
        choice = body["choices"][0]
        if choice["finish_reason"] == "length":
            return calls, choice["message"].get("content") or "", True
        messages.append(choice["message"])
        if not choice["message"].get("tool_calls"):
            return calls, choice["message"]["content"], False
        for call in choice["message"]["tool_calls"]:
            name = call["function"]["name"]
            calls.append(name)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": answers[name]})
    return calls, "", False


def scenes():
    """(inquiry, tools, answers, what is right of calls and report)"""
    for language in ("en", "ko", "es"):
        for inquiry in INQUIRIES[language]:
            for tools, answers, held, never in TICKETS:
                yield inquiry, tools, answers, lambda calls, said, held=held, never=never: (
                    len(calls) == 1 and held in said and not (never and never in said))
        yield (WISHES[language], [ORDER, OPEN],
               {"lookup_order": '{"order_id": "A-70155", "status": "in transit"}',
                "create_support_ticket": '{"ticket_id": "TCK-1007", "status": "open"}'},
               lambda calls, said: calls == ["lookup_order", "create_support_ticket"]
               and "TCK-1007" in said)
        yield (STATES[language], [PARCEL, OPEN],
               {"trace_parcel": '{"depot": "Marseille", "weight": "3 kg"}',
                "create_support_ticket": '{"ticket_id": "TCK-1007", "status": "open"}'},
               lambda calls, said: calls == ["trace_parcel"] and "Marseille" in said)


def test_tools_of_other_forms():
    right, cut_off, odd, total = 0, [], [], 0
    with Server() as server:
        for inquiry, tools, answers, fits in scenes():
            for thinking in (False, True):
                calls, said, cut = asked(server, inquiry, tools, answers, thinking)
                total += 1
                if cut:
                    cut_off.append((inquiry, thinking, calls, said))
                if not cut and fits(calls, said):
                    right += 1
                else:
                    odd.append((inquiry, tools[0]["function"]["name"], thinking, calls, said[:160]))
    print(f"{right} of {total} right; {len(cut_off)} cut off")
    for line in odd:
        print("  not:", *line)
    assert len(cut_off) <= CUT_OFF_MAX, cut_off
    assert right >= RIGHT_MIN


if __name__ == "__main__":
    main(dict(globals()))
