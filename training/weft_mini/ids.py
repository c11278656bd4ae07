# SPDX-License-Identifier: Apache-2.0
"""Values that have to be copied letter by letter: ids in many shapes, addresses, names, codes."""

import string

FIRST_NAMES = ("kim lee park choi jung minji jisoo maria jose ana luis carlos lucia pablo john emma "
               "sarah david alex nora tom yuna hana diego sofia raj wei omar lena ivan").split()
HOSTS = ("gmail.com naver.com example.com daum.net outlook.com correo.es empresa.es mail.com "
         "yahoo.com kakao.com example.org acme.io").split()
_SYLLABLES = ("an ar ba be bo ca ce co da de di do el en er es fa fi ga go gu ha he hi ho in ja je ji "
              "jo ka ke ki ko la le li lo lu ma me mi mo mu na ne ni no nu o pa pe po ra re ri ro ru "
              "sa se shi so su ta te ti to tu va vi wa wo ya yo yu za zo").split()
_ENDINGS = ("com", "net", "org", "es", "kr", "co.kr", "io", "mx", "com.mx", "de", "cl", "eu")
_PREFIXES = {
    "order_id": ("ORD", "PO", "O", "SO", "ORDER", "B", "WEB", "REF", "SHP", "OC", "PED"),
    "customer_id": ("C", "CUST", "USR", "CLI", "ACC", "K", "M", "ID", "MEM", "SOC", "VIP"),
}


def digits(count, random):
    return "".join(random.choice(string.digits) for _ in range(count))


def letters(count, random):
    return "".join(random.choice(string.ascii_uppercase) for _ in range(count))


def word(random, syllables=None):
    return "".join(random.choice(_SYLLABLES) for _ in range(syllables or random.choice((2, 2, 3))))


def code(prefixes, random):
    """An order's or a customer's id, in one of sixteen shapes."""
    prefix = random.choice(prefixes)
    number = digits(random.choice((3, 4, 5, 6)), random)
    shape = random.randrange(20)
    if shape == 0:
        return digits(random.choice((5, 6, 7, 8, 10)), random)
    if shape == 1:
        return "#" + number
    if shape == 2:
        return letters(random.choice((1, 2, 3)), random) + number
    if shape == 3:
        return f"{letters(random.choice((1, 2, 3)), random)}-{number}"
    if shape == 4:
        return f"{prefix}-{random.choice(('2024', '2025', '2026'))}-{number}"
    if shape == 5:
        return f"{prefix.lower()}_{number}"
    if shape == 6:
        return f"{number}-{letters(2, random)}"
    if shape == 7:
        return f"{prefix.lower()}-{number}"
    if shape == 8:
        return f"{digits(3, random)}-{digits(4, random)}"
    if shape == 9:
        return f"{letters(2, random)}-{digits(2, random)}-{digits(4, random)}"
    if shape == 10:
        return f"{prefix}/{number}"
    if shape == 11:
        return (letters(2, random) + number + letters(1, random))
    if shape == 12:
        return "".join(random.choice("0123456789abcdef") for _ in range(8))
    if shape == 13:
        return f"{prefix}{number}".lower()
    return prefix + random.choice(("-", "-", "")) + number


def email(random):
    roll = random.random()
    first = random.choice(FIRST_NAMES) if roll < 0.5 else word(random)
    tail = random.choice((digits(2, random), digits(3, random), random.choice(FIRST_NAMES), "",
                          digits(4, random), word(random)))
    host = random.choice(HOSTS) if random.random() < 0.6 else (
        word(random) + "." + random.choice(_ENDINGS))
    return first + random.choice(("", ".", "_", "-")) + tail + "@" + host


def slot_value(slot, random):
    return email(random) if slot == "email" else code(_PREFIXES[slot], random)


def anything(random):
    """A value of any kind, for practising to copy."""
    roll = random.random()
    if roll < 0.3:
        return slot_value("order_id", random)
    if roll < 0.55:
        return slot_value("customer_id", random)
    if roll < 0.75:
        return email(random)
    if roll < 0.85:
        name = word(random)
        return name.capitalize() if random.random() < 0.5 else name
    if roll < 0.93:
        return f"20{digits(2, random)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
    return letters(random.choice((2, 3, 4)), random)
