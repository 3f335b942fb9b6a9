"""The script for Node that goes with a machine: lines of JSON in and out, so that any language can
drive it."""

from __future__ import annotations

__all__ = ["DRIVER"]

DRIVER = """\
// Drives a machine of xstate 5 by lines of JSON:  npm i xstate; node drive.mjs machine.json
//
// in    {"send": "a.DONE"}       an event, by its type or whole
//       {"advance": 500}         with --clock=manual: milliseconds pass
//       {"load": {...}}          another machine takes the place of this one
//       {"quit": true}
// out   {"startTask": {...}}     and askPerson, decide: what is due (the machine's actions)
//       {"value": ..., "status": "active" | "done" | "error"}     after each line that came in
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createActor, createMachine, SimulatedClock } from 'xstate';

const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const options = process.argv.slice(2);
const manual = options.includes('--clock=manual');
const tell = (name) => (_, params) => say({ [name]: params });
const actions = Object.fromEntries(
  ['startTask', 'askPerson', 'decide'].map((name) => [name, tell(name)]),
);

let actor, clock;

function load(config) {
  actor?.stop();
  clock = manual ? new SimulatedClock() : undefined;
  actor = createActor(createMachine(config).provide({ actions }), clock ? { clock } : {});
  actor.subscribe({
    next: () => { if (!manual) state(); },
    error: (error) => say({ error: String(error), status: 'error' }),
  });
  actor.start();
  if (manual || actor.getSnapshot().status !== 'active') state();
}

function state() {
  const { value, status } = actor.getSnapshot();
  say({ value, status });
}

const file = options.find((option) => !option.startsWith('--'));
if (file) load(JSON.parse(readFileSync(file, 'utf8')));

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const order = JSON.parse(line);
  if (order.quit) break;
  if (order.load) {
    load(order.load);
  } else {
    if (order.send) actor.send(typeof order.send === 'string' ? { type: order.send } : order.send);
    if ('advance' in order) clock.increment(order.advance);
    if (manual) state();
  }
}
process.exit(0);
"""
