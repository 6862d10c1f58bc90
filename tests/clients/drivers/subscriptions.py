"""Subscriptions to shards that boto3 has open.

The runner has two operations for them: SubscribeToShard answers as soon as the service does, and ReadSubscription
gathers events afterwards.
"""


class Subscriptions:
    def __init__(self):
        self.open = []

    def add(self, events):
        self.open.append(iter(events))
        return {"Subscription": len(self.open) - 1}

    def read(self, Subscription, Records, ToEnd=False):
        """Reads events until they have this many records, or to the end, and returns all of them as one."""
        gathered = {"Records": []}
        for event in self.open[Subscription]:
            event = event["SubscribeToShardEvent"]
            event["Records"] = gathered["Records"] + event["Records"]
            gathered = {**event, "ChildShards": event.get("ChildShards") or gathered.get("ChildShards")}
            if not ToEnd and len(gathered["Records"]) >= Records:
                break
        return gathered
