# SPDX-License-Identifier: Apache-2.0
"""What a triage answer says about each intent.

Every field follows from (intent, signal) alone, so an error can be traced to one of the two:
urgency is the base of the intent, one more on urgent wording, one less on calm wording; hours
are a table over category and urgency; actions are a list per intent, with escalation at 5.
"""

import json
from typing import NamedTuple


class Intent(NamedTuple):
    category: str
    urgency: int
    actions: tuple
    meaning: str


def _table(text):
    intents = {}
    for line in text.strip().splitlines():
        name, category, urgency, actions, meaning = (part.strip() for part in line.split("|"))
        intents[name] = Intent(category, int(urgency), tuple(actions.split()), meaning)
    return intents


INTENTS = _table("""
service_outage | technical | 5 | check_status_page notify_engineering | the service is down
app_crash | technical | 3 | collect_logs reproduce_issue | the app crashes
slow_performance | technical | 2 | check_performance_metrics collect_logs | the system is slow
connection_problem | technical | 3 | run_network_diagnostics check_status_page | a connection problem
data_loss | technical | 5 | restore_backup escalate_to_engineering | data has been lost
update_failure | technical | 2 | send_update_guide collect_logs | an update fails
device_fault | technical | 3 | check_warranty arrange_replacement | a device is faulty
security_breach | technical | 5 | lock_account notify_security_team | a possible security breach
integration_error | technical | 3 | check_api_logs contact_developer_support | an API or integration error
double_charge | billing | 4 | verify_transactions issue_refund | a duplicate charge
unknown_charge | billing | 4 | verify_transactions open_dispute | an unrecognised charge
cancel_subscription | billing | 2 | cancel_subscription send_confirmation | the customer wants to cancel a subscription
payment_issue | billing | 3 | check_payment_gateway suggest_other_method | a payment problem
get_refund | billing | 3 | check_refund_eligibility issue_refund | the customer asks for a refund
track_refund | billing | 2 | check_refund_status inform_customer | the status of a refund
get_invoice | billing | 1 | send_invoice | the customer needs an invoice
check_payment_methods | billing | 1 | send_faq_answer | accepted payment methods
check_refund_policy | billing | 1 | send_faq_answer | the refund policy
track_order | general | 2 | lookup_order inform_customer | the status of an order
cancel_order | general | 2 | cancel_order send_confirmation | the customer wants to cancel an order
change_shipping_address | general | 2 | update_address send_confirmation | a change of shipping address
delivery_period | general | 1 | send_faq_answer | delivery times
create_account | general | 1 | send_signup_guide | the customer wants to create an account
delete_account | general | 2 | verify_identity delete_account | the customer wants to delete the account
recover_password | technical | 3 | send_password_reset verify_identity | a lost password
complaint | general | 3 | apologize escalate_to_supervisor | a complaint about the service
contact_human_agent | general | 2 | transfer_to_agent | the customer wants a human agent
oos | general | 1 | ask_clarification | nothing that support can triage
""")

_HOURS = {
    "technical": {5: 1, 4: 4, 3: 12, 2: 24, 1: 48},
    "billing": {5: 4, 4: 8, 3: 24, 2: 48, 1: 72},
    "general": {5: 4, 4: 12, 3: 24, 2: 48, 1: 96},
}
_SHIFT = {"urgent": 1, "calm": -1, "none": 0}
_SIGNAL_SENTENCE = {
    "urgent": "The wording is urgent, so I raise it.",
    "calm": "There is no hurry, so I lower it.",
    "none": "The wording is neutral.",
}
_PRIORITY = {1: "low", 2: "normal", 3: "normal", 4: "high", 5: "urgent"}

FIELDS = ("category", "intent", "urgency", "required_actions", "estimated_resolution_hours")


FURTHER_FIELDS = ("language", "priority", "urgent", "needs_human", "in_scope", "summary")


def further(intent, signal, language):
    """What other workflows may ask for; all of it follows from the same labels."""
    urgency = triage(intent, signal)["urgency"]
    return {
        "language": language,
        "priority": _PRIORITY[urgency],
        "urgent": urgency >= 4,
        "needs_human": urgency == 5 or intent in ("contact_human_agent", "complaint"),
        "in_scope": intent != "oos",
        "summary": f"Customer report: {INTENTS[intent].meaning}",
    }


def triage(intent, signal):
    """The complete answer as a dictionary in the trained field order."""
    label = INTENTS[intent]
    urgency = label.urgency
    if intent != "oos":
        urgency = max(1, min(5, urgency + _SHIFT[signal]))
    actions = list(label.actions)
    if urgency == 5:
        actions.append("escalate_to_human")
    return {
        "category": label.category,
        "intent": intent,
        "urgency": urgency,
        "required_actions": actions,
        "estimated_resolution_hours": _HOURS[label.category][urgency],
    }


def triage_json(intent, signal, fields=FIELDS, language="en"):
    answer = {**triage(intent, signal), **further(intent, signal, language)}
    return json.dumps({field: answer[field] for field in fields})


def triage_reasoning(intent, signal):
    label = INTENTS[intent]
    urgency = triage(intent, signal)["urgency"]
    shift = _SIGNAL_SENTENCE["none" if intent == "oos" else signal]
    return (f"The message is about {label.meaning}. This is a {label.category} matter with base "
            f"urgency {label.urgency}. {shift} Urgency is {urgency}.")


def ticket(intent, signal):
    """Arguments of create_support_ticket."""
    answer = triage(intent, signal)
    return {
        "priority": _PRIORITY[answer["urgency"]],
        "category": answer["category"],
        "description": f"Customer report: {INTENTS[intent].meaning}",
    }


def ticket_reasoning(intent, signal):
    return (f"The message is about {INTENTS[intent].meaning}. No tool can settle it directly. "
            f"{_SIGNAL_SENTENCE[signal]} I open a ticket.")
