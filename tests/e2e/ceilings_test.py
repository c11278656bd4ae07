# SPDX-License-Identifier: Apache-2.0
"""Ceilings of what models may cost are one for all processes of a store: commands one after the
other, servers side by side, before and after a kill -9."""
import concurrent.futures
import json
import os
import signal
import time

import postgres_test
import serving
from harness import Place, main

RUN = json.dumps({"weft": "1", "id": "spend", "steps": [{"id": "say", "type": "llm", "parameters": {
    "prompt": "I was charged twice for my order!", "model": "fast", "max_tokens": 40,
    "temperature": 0, "output": {"enum": ["technical", "billing"]}}}]})
ASK = {"messages": [{"role": "user", "content": "I was charged twice"}], "model": "fast",
       "reasoning_effort": "none", "temperature": 0, "max_tokens": 40}


def config(place, **ceilings):
    place.write("weft.yaml", json.dumps({
        "models": {"fast": {"source": "embedded", "price": {"prompt": 1000, "answer": 2000}}},
        "routing": {"ceilings": {"then": "stop", **ceilings}}}))
    return "--config", str(place.path / "weft.yaml")


def one_run(place, words, code):
    done = place.weft("run", "spend.yaml", *words, "--json", code=code)
    return json.loads(done.stdout)


def price_of(place, run):
    (call,) = json.loads(place.weft("explain", run, "--json").stdout)["steps"]["say"]["calls"]
    return call["route"]["price"], call["route"]["estimated_price"]


def spent(place):
    ((total,),) = place.rows("select sum(price) from spending where kind = 'month'")
    return total


def test_commands_one_after_the_other_and_a_server():
    with Place() as place:
        place.write("spend.yaml", RUN)
        price, most = price_of(place, one_run(place, config(place, month=1e6), 0)["run"])
        assert 0 < price < most, (price, most)
        assert abs(spent(place) - price) < 1e-9
        words = config(place, month=price * 2 + most + 1e-9)
        for _ in range(2):
            one_run(place, words, 0)
        refused = one_run(place, words, 1)
        assert refused["error"]["code"] == "E0774", refused
        assert abs(spent(place) - 3 * price) < 1e-9, "what was refused costs nothing"
        server = serving.Server(*words)
        server.store = place.store
        with server:  # it knows from its first request on
            said = server.post("/v1/chat/completions", ASK)
            assert said.status == 429 and said.error["code"] == "insufficient_quota", said.body
            assert said.headers["Retry-After"] == "60", said.headers
            assert "ceiling per month" in said.error["message"], said.body


def test_requests_at_once_do_not_pass_together():
    with Place() as place:
        words = config(place, month=0.5)
        with serving.Server(*words) as server:
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                said = list(pool.map(lambda _: server.post("/v1/chat/completions", ASK),
                                     range(16)))
            good = [one for one in said if one.status == 200]
            assert 0 < len(good) < 16, [one.status for one in said]
            assert {one.status for one in said} == {200, 429}
            cost = sum(one.json["usage"]["prompt_tokens"] * 1000 +
                       one.json["usage"]["completion_tokens"] * 2000 for one in good) / 1e6
            assert cost <= 0.5, cost
            time.sleep(2)
            assert abs(spent(server) - cost) < 1e-9, (spent(server), cost)


def test_keys_and_tenants_have_their_own():
    with Place() as place:
        words = config(place, key=0.5, tenant=0.7)
        server = serving.Server(*words)
        keys = {}
        for tenant, name in (("acme", "a"), ("acme", "b"), ("umbra", "a")):
            keys[tenant, name] = {"Authorization": "Bearer " + server.weft(
                "keys", "create", "--name", name, "--tenant", tenant, "--role",
                "operator").stdout.strip()}

        def until_refused(tenant, name):
            for count in range(40):
                said = server.post("/v1/chat/completions", ASK, headers=keys[tenant, name])
                if said.status != 200:
                    assert said.status == 429, said.body
                    return count, said.error["message"]
            raise AssertionError("no ceiling")

        with server:
            first, why = until_refused("acme", "a")
            assert first > 0 and "per key" in why, (first, why)
            second, why = until_refused("acme", "b")
            assert 0 < second < first and "per tenant" in why, (second, why)
            third, why = until_refused("umbra", "a")
            assert third == first and "per key" in why, (third, first, why)


def two_servers(place, store):
    words = config(place, month=0.6)
    one, two = serving.Server(*words), serving.Server(*words)
    one.store = two.store = store
    with two:
        with one:
            count = 0
            while one.post("/v1/chat/completions", ASK).status == 200:
                count += 1
            assert count > 2, count
            assert serving.until(
                lambda: two.post("/v1/chat/completions", ASK).status == 429, 5), "two pays too"
            os.kill(one.process.pid, signal.SIGKILL)
            one.process.wait()
            one.process.stdout.close()
            one.stop = lambda: 0
        assert two.post("/v1/chat/completions", ASK).status == 429
    three = serving.Server(*words)
    three.store = store
    with three:
        assert three.post("/v1/chat/completions", ASK).status == 429
    return count


def test_two_servers_on_sqlite_one_killed_one_started_anew():
    with Place() as place:
        print(f"        {two_servers(place, place.store)} answers fit")


def test_two_servers_on_postgresql():
    if postgres_test.programs() is None:
        print("        SKIPPED: no PostgreSQL server is installed")
        return
    with Place() as place, postgres_test.Server(postgres_test.programs()) as postgres:
        print(f"        {two_servers(place, postgres.url)} answers fit")


if __name__ == "__main__":
    main(dict(globals()))
