// What XState does: one actor a scenario, in this process; the answer is JSON on stdout.
//   node xstate_driver.mjs PACKAGES SCENARIO...            observe
//   node xstate_driver.mjs PACKAGES --hold FILE [SNAPSHOT]  run `killed`, writing each snapshot
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { machines, SLOW } from './xstate_programs.mjs'

const [packages, ...asked] = process.argv.slice(2)
const { createMachine, createActor, fromPromise, assign } = createRequire(packages + '/')('xstate')
const sleep = ms => new Promise(go => setTimeout(go, ms))
const mark = (name, what) =>
  fs.appendFileSync(process.env.MARKS, `${(Date.now() / 1000).toFixed(3)} ${name} ${what}\n`)
const begun = {}

const perform = fromPromise(async ({ input, signal }) => {
  const { name, fails, ms } = input
  mark(name, 'begins')
  begun[name] = (begun[name] ?? 0) + 1
  if (begun[name] <= fails) { mark(name, 'fails'); throw new Error(name) }
  signal.addEventListener('abort', () => mark(name, 'told'))  // what a fetch would hear
  await sleep(ms)
  mark(name, 'ends')
  return name
})

/** Dynamic fan-out is code, not chart: the machine spawns an actor an item, and counts. */
const foreach = {
  id: 'foreach', initial: 'items', context: { left: 3 },
  states: {
    items: {
      entry: [0, 1, 2].map(n => ({ type: 'spawn', params: { n } })),
      on: { 'xstate.done.actor.*': { actions: 'count' } },
      always: { guard: 'all', target: 'after' },
    },
    after: { invoke: { src: 'do', input: { name: 'foreach.after', fails: 0, ms: 0 }, onDone: 'done' } },
    done: { type: 'final' },
  },
}
const provided = {
  actors: { do: perform },
  guards: { all: ({ context }) => context.left === 0 },
  actions: {
    count: assign({ left: ({ context }) => context.left - 1 }),
    spawn: assign(({ context, spawn }, { n }) => {
      spawn('do', { id: `item${n}`, input: {
        name: `foreach.item${n}`, fails: n === 1 ? 99 : 0, ms: n === 1 ? 0 : SLOW } })
      return context
    }),
  },
}
const made = name => createMachine(name === 'foreach' ? foreach : machines[name]).provide(provided)

function started(name, options) {
  const actor = createActor(made(name), options)
  actor.subscribe({ next() {}, error() {} })
  actor.start()
  return actor
}
const state = actor => {
  const { status, value } = actor.getSnapshot()
  return { whole: `${status} ${typeof value === 'string' ? value : Object.keys(value).join()}` }
}

if (asked[0] === '--hold') {
  const [, file, before] = asked
  const snapshot = before ? JSON.parse(fs.readFileSync(before, 'utf8')) : undefined
  const actor = createActor(made('killed'), { snapshot })
  const keep = () => {  // in one step: the kill must not find half a file
    fs.writeFileSync(file + '.new', JSON.stringify(actor.getPersistedSnapshot()))
    fs.renameSync(file + '.new', file)
  }
  actor.subscribe(keep)
  actor.start()
  keep()
  while (actor.getSnapshot().status === 'active') await sleep(50)
} else {
  const found = {}
  const actors = Object.fromEntries(asked.map(name => [name, started(name)]))
  if (actors.approval) {
    await sleep(2000)
    found.approval = { facts: { unanswered: state(actors.approval).whole } }
    actors.approval.send({ type: 'APPROVE' })
  }
  await sleep(4500)
  for (const [name, actor] of Object.entries(actors))
    found[name] = { facts: {}, ...found[name], states: state(actor) }
  process.stdout.write(JSON.stringify(found))
}
process.exit(0)
