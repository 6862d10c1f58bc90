"""All cases. What they expect is from AWS's documentation, not from what any server does."""

from cases import consumers, delivery, errors, names, reading, resharding, settings, shards, streams, table, writing

GROUPS = [
    *streams.GROUPS,
    *names.GROUPS,
    *shards.GROUPS,
    *resharding.GROUPS,
    *writing.GROUPS,
    *reading.GROUPS,
    *consumers.GROUPS,
    *settings.GROUPS,
    *errors.GROUPS,
    *delivery.GROUPS,
    *table.GROUPS,
]
