"""Prints the scalars that the tensorboard package reads in a folder, as JSON: {tag: [[wall time, step, value], ...]}.
Exits with 77 where there is no such package.

Usage: python tests/oracle/read_events.py FOLDER
"""
import json
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(77)

events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[event.wall_time, event.step, event.value] for event in events.Scalars(tag)]
                  for tag in events.Tags()["scalars"]}))
