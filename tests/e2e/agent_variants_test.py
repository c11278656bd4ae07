# SPDX-License-Identifier: Apache-2.0
"""Fifty inquiries that nobody has trained on, in three languages, half of them with a customer's id:
every call that the agent makes is valid, it looks up exactly the id that was written, and most tickets
say what the inquiry is about and how urgent it is."""
import json

from agent_test import PRIORITIES, Crm, document, waiting_for
from harness import Place, main

WITH_ID = [
    ("C-8812", "My kettle stopped heating yesterday. Customer number C-8812, please check my order."),
    ("C-3051", "Hi, customer C-3051 here. The blue jacket arrived with a torn sleeve."),
    ("C-7740", "Where is my parcel? My customer number is C-7740."),
    ("C-1199", "I am customer C-1199 and was billed two times in March."),
    ("C-6627", "The app logs me out every minute. Customer id C-6627."),
    ("C-9034", "Customer C-9034: the lamp flickers since Monday, what can you do?"),
    ("C-2286", "Could you look at my account? It is C-2286, something is wrong with the invoice."),
    ("C-5513", "My vacuum cleaner smells burnt, I need help today. Customer number C-5513."),
    ("C-4408", "Please tell me the state of my order, customer number C-4408."),
    ("C-7161", "고객 번호 C-7161입니다. 어제 받은 청소기가 켜지지 않습니다."),
    ("C-3902", "주문한 신발이 아직 오지 않았어요. 제 고객 번호는 C-3902예요."),
    ("C-8125", "C-8125 고객입니다. 이번 달 요금이 두 번 빠져나갔습니다."),
    ("C-6470", "세탁기에서 물이 샙니다. 빨리 확인 부탁드립니다. 고객 번호 C-6470."),
    ("C-1558", "앱에서 로그인이 안 됩니다. 고객 번호는 C-1558입니다."),
    ("C-9963", "환불이 언제 되나요? 고객 번호: C-9963"),
    ("C-2744", "고객 번호 C-2744, 배송된 책이 파손되어 있었습니다."),
    ("C-5086", "노트북 화면이 깜빡거려요. 고객 번호는 C-5086입니다."),
    ("C-7390", "Soy el cliente C-7390. Mi cafetera no enciende desde ayer."),
    ("C-4815", "Mi número de cliente es C-4815 y todavía no ha llegado mi pedido."),
    ("C-6203", "Me cobraron dos veces este mes. Número de cliente C-6203."),
    ("C-8857", "La aplicación se cierra sola. Cliente C-8857."),
    ("C-1376", "Hola, el paquete llegó roto. Mi número de cliente: C-1376."),
    ("C-9540", "Necesito ayuda urgente con mi factura, cliente C-9540."),
    ("C-3318", "El teléfono que compré no carga. Número de cliente C-3318, por favor ayuden."),
    ("C-2091", "¿Pueden revisar mi cuenta? Soy el cliente C-2091."),
]
WITHOUT = [
    "My kettle stopped heating yesterday.", "The blue jacket arrived with a torn sleeve.",
    "Where is my parcel? It should have been here on Friday.",
    "I was billed two times in March.", "The app logs me out every minute.",
    "The lamp flickers since Monday, what can you do?", "Something is wrong with the invoice.",
    "My vacuum cleaner smells burnt, I need help today!", "I would like to return the shoes.",
    "어제 받은 청소기가 켜지지 않습니다.", "주문한 신발이 아직 오지 않았어요.",
    "이번 달 요금이 두 번 빠져나갔습니다.", "세탁기에서 물이 샙니다. 빨리 확인 부탁드립니다.",
    "앱에서 로그인이 안 됩니다.", "환불이 언제 되나요?", "배송된 책이 파손되어 있었습니다.",
    "노트북 화면이 깜빡거려요.", "Mi cafetera no enciende desde ayer.",
    "Todavía no ha llegado mi pedido.", "Me cobraron dos veces este mes.",
    "La aplicación se cierra sola.", "El paquete llegó roto.",
    "Necesito ayuda urgente con mi factura.", "El teléfono que compré no carga.",
    "Quiero devolver los zapatos.",
]


# What a ticket about each of them belongs to, in their order: technical, billing, general; where a
# letter is missing, several would do.
WITH_ID_ABOUT = "t.gbtt.tgtgbttb.ttgbt.bt."
WITHOUT_ABOUT = "t.gbttbtbtgbttb.ttgbt.btb"
# How urgent the words are, or the matter is: the priorities that would do.
PRESSING, CALM = {"high", "urgent"}, {"low", "normal"}
URGENCY = {"My vacuum cleaner smells burnt, I need help today!": PRESSING,
           "세탁기에서 물이 샙니다. 빨리 확인 부탁드립니다.": PRESSING,
           "Necesito ayuda urgente con mi factura.": PRESSING,
           "I was billed two times in March.": PRESSING,
           "이번 달 요금이 두 번 빠져나갔습니다.": PRESSING,
           "Me cobraron dos veces este mes.": PRESSING,
           "I would like to return the shoes.": CALM,
           "환불이 언제 되나요?": CALM,
           "Quiero devolver los zapatos.": CALM}
CLAIMED_MAX = 4  # of 22 whose ticket was not approved
RIGHT_CALLS, RIGHT_TICKETS, RIGHT_PRIORITIES = 45, 36, 7  # at least; of 50, 50 and 9


def test_fifty_variants():
    good = about = pressing = 0
    told, beside, odd = [], [], []
    cases = [(*case, wanted) for case, wanted in zip(WITH_ID, WITH_ID_ABOUT, strict=True)]
    cases += [(None, text, wanted) for text, wanted in zip(WITHOUT, WITHOUT_ABOUT, strict=True)]
    with Place() as place:
        place.write("support.yaml", document())
        for customer, inquiry, wanted in cases:
            with Crm() as crm:
                done = place.weft("run", "support.yaml", "-i", f"inquiry={inquiry}", "-i",
                                  f"crm={crm.url}", "--allow-host", crm.host, "--json", code=None)
                status = json.loads(done.stdout)["status"]
                assert status == "succeeded", (inquiry, done.stdout)
                gets = [path for method, path, _ in crm.asked if method == "GET"]
                for body in crm.posts():  # valid, each of them
                    assert body["priority"] in PRIORITIES, body
                    assert set(body) == {"priority", "category", "description"}, body
                if customer:
                    right = bool(gets) and gets[0] == f"/customers/{customer}"
                else:
                    right = bool(crm.posts())
                good += right
                if not right:
                    told.append((inquiry, crm.asked))
                categories = [body["category"][:1] for body in crm.posts()]
                fits = bool(categories) and (wanted == "." or categories[-1] == wanted)
                about += fits
                if not fits:
                    beside.append((inquiry, crm.posts()))
                if inquiry in URGENCY:
                    priorities = {body["priority"] for body in crm.posts()}
                    sensible = bool(priorities) and priorities <= URGENCY[inquiry]
                    pressing += sensible
                    odd += [] if sensible else [(inquiry, priorities)]
    print(f"{good} of 50 end in the right tool with exact arguments; not: {told}")
    print(f"{about} of 50 tickets belong where the inquiry does; not: {beside}")
    print(f"{pressing} of {len(URGENCY)} priorities fit the words; not: {odd}")
    assert good >= RIGHT_CALLS, told
    assert about >= RIGHT_TICKETS, beside
    assert pressing >= RIGHT_PRIORITIES, odd


def test_what_was_not_approved_is_not_told_as_done():
    text = document("approve_tools: [create_support_ticket]")
    inquiries = WITHOUT[::2] + [inquiry for _, inquiry in WITH_ID[::3]]
    claimed = []
    with Place() as place:
        place.write("support.yaml", text)
        for inquiry in inquiries:
            with Crm() as crm:
                process = place.start("run", "support.yaml", "-i", f"inquiry={inquiry}", "-i",
                                      f"crm={crm.url}", "--allow-host", crm.host, "--json")
                place.weft("runs", "reject", waiting_for(place, "approval")["run"], "--by", "bob")
                out, _ = process.communicate(timeout=120)  # it does not ask again
                assert crm.posts() == [], inquiry
                said = json.dumps(json.loads(out)["output"], ensure_ascii=False)
                if not any(word in said for word in ("approved", "aprobado", "승인")):
                    claimed.append((inquiry, said))
    print(f"{len(claimed)} of {len(inquiries)} do not say that it was not approved: {claimed}")
    assert len(claimed) <= CLAIMED_MAX, claimed


if __name__ == "__main__":
    main(dict(globals()))
