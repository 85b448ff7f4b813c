"""What `explain` says and what the wire does are the same, on networks drawn at random."""

import json
import os
import threading

import pytest

from topology import Estate, seeded

SEED = os.environ.get("OPENVPC_TEST_SEED", "first light")
ROUNDS = int(os.environ.get("OPENVPC_TEST_TOPOLOGIES", "200"))
PROBES = 20
WORKERS = 3
# What is silent is silent for this long; a silence that was not expected is listened to again, for longer.
SHORT, LONG = 0.4, 3


class Worker(threading.Thread):
    """Draws every other topology and compares."""

    def __init__(self, world, numbers):
        super().__init__()
        self.estate, self.numbers = Estate(world), numbers
        self.failure, self.reachable, self.silent = None, 0, 0

    def run(self):
        try:
            for number in self.numbers:
                self.round(number)
        except BaseException as failure:  # noqa: BLE001 - the test raises it
            self.failure = failure

    def round(self, number):
        choose = seeded(SEED, number)
        self.estate.draw(choose)
        probes = self.estate.probes(choose, PROBES)
        outcomes = self.estate.send(probes, SHORT)
        for (source, probe), outcome in zip(probes, outcomes):
            explanation = self.estate.explain(source, probe)
            if explanation["reachable"] and outcome == "silence":
                probe = probe | {"source_port": next(Estate.source_ports)} if "source_port" in probe else probe
                explanation = self.estate.explain(source, probe)
                outcome = self.estate.send([(source, probe)], LONG)[0]
            wire = outcome in ("answered", "refused")
            self.reachable += wire
            self.silent += not wire
            if explanation["reachable"] != wire:
                origin = source.id if source else "the internet"
                said = json.dumps(explanation, indent=1)
                pytest.fail(
                    f"seed {SEED!r} topology {number}: {probe} from {origin}: the wire says {outcome}, explain says {said}\n"
                    + self.estate.described()
                )


def test_explain_and_the_wire_agree_on_random_topologies(world):
    workers = [Worker(world, range(first, ROUNDS, WORKERS)) for first in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        if worker.failure:
            raise worker.failure
        worker.estate.delete()
    reachable, silent = (sum(getattr(worker, name) for worker in workers) for name in ("reachable", "silent"))
    # Topologies that let nothing through, or everything, would show little.
    assert reachable > ROUNDS and silent > ROUNDS, (reachable, silent)
