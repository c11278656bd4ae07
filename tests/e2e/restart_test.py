# SPDX-License-Identifier: Apache-2.0
"""A new process takes the place of an old one, and nobody is refused: both have the socket that
listens, as a socket unit of systemd hands it over. Clients that send without a pause, on
connections that they keep and on new ones, see an answer for every request; runs that the old
process left are ended by the new one."""
import http.client
import json
import os
import signal
import socket
import subprocess
import threading

from harness import WEFT, Place, main
from serving import until

FLOWS = {"hello": ("{ value: Hello }", "set"), "slow": ("{ for: 2s }", "wait")}


class House(Place):
    """A store, a socket that listens, and the processes that serve it one after the other."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.words = []
        self.processes = []
        for name, (parameters, kind) in FLOWS.items():
            self.write(f"{name}.yaml", f'weft: "1"\nid: {name}\nsteps:\n  - id: one\n'
                       f"    type: {kind}\n    parameters: {parameters}\n")
            self.words += ["--workflow", f"{name}.yaml"]
        return self

    def __exit__(self, *rest):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
        self.socket.close()
        super().__exit__(*rest)

    def serve(self):
        """A process that has the socket as its file 3; the shell's own id becomes the program's."""
        def hand_over():
            os.dup2(self.socket.fileno(), 3)
        script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 2>>log'
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", WEFT, "serve", "--json", "--store", str(self.store),
             *self.words], cwd=self.path, env=self.env, text=True, stdout=subprocess.PIPE,
            preexec_fn=hand_over, pass_fds=(3,))
        self.processes.append(process)
        line = process.stdout.readline()
        assert line, (self.path / "log").read_text()
        said = json.loads(line)
        assert said["url"] == f"http://127.0.0.1:{self.port}" and said["pid"] == process.pid, said
        return process

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, (self.path / "log").read_text()


class Clients:
    """Four that never pause: two keep their connection as long as they may, two take a new one for
    each request; every fourth request starts a run."""

    def __init__(self, port):
        self.port = port
        self.stop = False
        self.faults, self.tasks = [], []
        self.answers = 0
        self.threads = [threading.Thread(target=self.ask, args=(keep,))
                        for keep in (True, True, False, False)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop = True
        for thread in self.threads:
            thread.join()

    def ask(self, keep):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        number = 0
        while not self.stop:
            number += 1
            try:
                if number % 4 == 0:
                    connection.request("POST", "/workflows/execute", '{"workflow_id": "hello"}')
                else:
                    connection.request("GET", "/workflows?limit=1")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status not in (200, 202):
                    self.faults.append((answer.status, body))
                elif answer.status == 202:
                    self.tasks.append(json.loads(body)["task_id"])
                self.answers += 1
                if not keep or answer.will_close:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append((keep, number, repr(error)))
                connection.close()
        connection.close()

    def answered(self, more):
        """Goes on until so many more have been answered, or one was not."""
        goal = self.answers + more
        assert until(lambda: self.answers >= goal or self.faults, 120) and not self.faults, \
            self.faults[:5]


def ended(house, tasks):
    marks = ",".join(f"'{task}'" for task in tasks)
    return house.rows(f"select count(*) from run where status = 'succeeded' and id in ({marks})")


def test_a_rolling_restart_refuses_nobody():
    with House() as house:
        old = house.serve()
        with Clients(house.port) as clients:
            clients.answered(100)
            for _ in range(3):
                new = house.serve()  # both answer now
                clients.answered(50)
                house.end(old)
                clients.answered(100)
                old = new
        assert not clients.faults, clients.faults[:5]
        assert clients.tasks and until(
            lambda: ended(house, clients.tasks) == [(len(set(clients.tasks)),)])
        house.end(old)


def test_between_two_processes_clients_wait():
    """`systemctl restart`: the old one ends first; the kernel keeps who comes meanwhile."""
    with House() as house:
        old = house.serve()
        with Clients(house.port) as clients:
            clients.answered(50)
            for _ in range(2):
                house.end(old)
                old = house.serve()
                clients.answered(50)
        assert not clients.faults, clients.faults[:5]
        house.end(old)


def test_a_run_goes_on_in_the_new_process():
    with House() as house:
        old = house.serve()
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
        connection.request("POST", "/workflows/execute", '{"workflow_id": "slow"}')
        task = json.loads(connection.getresponse().read())["task_id"]
        connection.close()
        new = house.serve()
        house.end(old)
        assert until(lambda: ended(house, [task]) == [(1,)])
        house.end(new)


def test_what_is_no_socket_is_refused():
    with House() as house:
        def try_with(handed, count="1"):
            return subprocess.run(
                ["sh", "-c", f'LISTEN_FDS={count} LISTEN_PID=$$ exec "$@"', "sh", WEFT, "serve",
                 "--store", str(house.store)], cwd=house.path, env=house.env, text=True,
                capture_output=True, timeout=60, check=False, pass_fds=(3,),
                preexec_fn=lambda: os.dup2(handed.fileno(), 3))
        plain = socket.socket()
        local = socket.socket(socket.AF_UNIX)
        local.bind(str(house.path / "local"))
        local.listen()
        for handed, count in ((plain, "1"), (local, "1"), (house.socket, "2")):
            done = try_with(handed, count)
            assert done.returncode == 3 and "E0821" in done.stderr, (done, count)
        everybody = socket.create_server(("0.0.0.0", 0))
        done = try_with(everybody)  # without a key
        assert done.returncode == 3 and "E0940" in done.stderr, done
        for each in (plain, local, everybody):
            each.close()


if __name__ == "__main__":
    main(globals())
