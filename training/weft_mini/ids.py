# SPDX-License-Identifier: Apache-2.0
"""Values that have to be copied letter by letter: ids in many shapes, addresses, names, codes."""

import string

FIRST_NAMES = ("kim lee park choi jung minji jisoo maria jose ana luis carlos lucia pablo john emma "
               "sarah david alex nora tom yuna hana diego sofia raj wei omar lena ivan").split()
_WORDS = ("north south blue green silver stone river garden market office house bakery dental clinic studio "
          "press farm harbor forest cloud digital music sport travel home world plus team service sales "
          "info billing support admin orders hello contact school club hotel kitchen motor design media "
          "casa tienda ventas sol luna norte monte taller libro flor jardin mundo nuevo seoul hanok "
          "namu bada haneul gangnam busan maeul").split()
HOSTS = ("gmail.com naver.com example.com daum.net outlook.com correo.es empresa.es mail.com "
         "yahoo.com kakao.com example.org acme.io").split()
_SYLLABLES = ("an ar ba be bo ca ce co da de di do el en er es fa fi ga go gu ha he hi ho in ja je ji "
              "jo ka ke ki ko la le li lo lu ma me mi mo mu na ne ni no nu o pa pe po ra re ri ro ru "
              "sa se shi so su ta te ti to tu va vi wa wo ya yo yu za zo").split()
_ENDINGS = ("com net org es kr co.kr io mx com.mx de cl eu co.uk fr info shop cloud ca com.ar co "
            "pe or.kr edu app biz store dev ac.kr").split()
_PREFIXES = {
    "order_id": ("ORD", "PO", "O", "SO", "ORDER", "B", "WEB", "REF", "SHP", "OC", "PED"),
    "customer_id": ("C", "CUST", "USR", "CLI", "ACC", "K", "M", "ID", "MEM", "SOC", "VIP"),
}


def digits(count, random):
    return "".join(random.choice(string.digits) for _ in range(count))


def letters(count, random):
    return "".join(random.choice(string.ascii_uppercase) for _ in range(count))


_real = (0.0, ())  # share, words


def use_real_words(share, words):
    """From now on so many of the made-up words are real ones: they have other tokens."""
    global _real  # noqa: PLW0603 (one process makes one file)
    _real = (share, tuple(words))


def word(random, syllables=None):
    share, words = _real
    if share and random.random() < share:
        return random.choice(words)
    return "".join(random.choice(_SYLLABLES) for _ in range(syllables or random.choice((2, 2, 3))))


def _number(random):
    """Digits as people's systems count: some with a run of one digit, often zeros in front."""
    count = random.choice((1, 2, 3, 4, 4, 5, 6, 7))
    if random.random() < 0.75:
        return digits(count, random)
    run = random.choice("0000123456789") * random.choice((2, 3, 4))
    return run + digits(count, random) if random.random() < 0.6 else digits(2, random) + run


def _part(random):
    roll = random.random()
    if roll < 0.55:
        return _number(random)
    if roll < 0.75:
        return letters(random.choice((1, 1, 2, 2, 3, 4)), random)
    if roll < 0.82:
        return letters(random.choice((1, 2)), random).lower()
    if roll < 0.90:
        return letters(random.choice((1, 2)), random) + _number(random)
    some = random.choice(_WORDS) if random.random() < 0.5 else word(random)
    return random.choice((some, some, some.upper(), some.capitalize()))


def composed(random):
    """An id of no known shape: two to four parts with one kind of mark between them."""
    while True:
        between = random.choice(("-", "-", ".", "_", "/", "", ":"))
        value = between.join(_part(random) for _ in range(random.choice((2, 2, 2, 3, 3, 4))))
        if 4 <= len(value) <= 18 and any(c in string.digits for c in value):
            return value


def code(prefixes, random):
    """An order's or a customer's id: in one of sixteen shapes, or in none."""
    if random.random() < 0.35:
        return composed(random)
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


def _name(random):
    roll = random.random()
    if roll < 0.4:
        return random.choice(FIRST_NAMES)
    return random.choice(_WORDS) if roll < 0.65 else word(random)


def email(random):
    first = _name(random)
    tail = random.choice((digits(2, random), digits(3, random), _name(random), "", _name(random),
                          digits(4, random), letters(1, random).lower() + digits(2, random)))
    if tail and random.random() < 0.1:
        tail += random.choice("._-+") + _name(random)
    local = first + random.choice(("", ".", "_", "-", ".", "+")) + tail if tail else first
    if random.random() < 0.5:
        return f"{local}@{random.choice(HOSTS)}"
    host = random.choice(("", "-", "-", ".")).join(
        _name(random) for _ in range(random.choice((1, 1, 2, 2, 3))))
    return f"{local}@{host}.{random.choice(_ENDINGS)}"


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
