"""Runs moto on 127.0.0.1, a request at a time. Takes the port.

Its own program answers requests at the same time, but its streams are not made for that: they lose records that are put
while a shard is split.
"""

import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def in_turn(application):
    turn = threading.Lock()

    def answer(environment, start_response):
        with turn:
            return list(application(environment, start_response))

    return answer


if __name__ == "__main__":
    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), in_turn(application), threaded=True)
