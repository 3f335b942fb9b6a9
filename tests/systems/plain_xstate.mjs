// Any plan as a machine of XState: the machines come as JSON on stdin, what became of them goes out.
//   node plain_xstate.mjs PACKAGES < MACHINES
import fs from 'node:fs'
import { createRequire } from 'node:module'

const { createMachine, createActor, fromPromise } = createRequire(process.argv[2] + '/')('xstate')
const mark = (name, what) =>
  fs.appendFileSync(process.env.MARKS, `${(Date.now() / 1000).toFixed(3)} ${name} ${what}\n`)

const perform = fromPromise(async ({ input: { name, ms, fails } }) => {
  mark(name, 'begins')
  await new Promise(go => setTimeout(go, ms))
  mark(name, fails ? 'fails' : 'ends')
  if (fails) throw new Error(name)
})

const actors = JSON.parse(fs.readFileSync(0, 'utf8')).map(config => {
  const actor = createActor(createMachine(config).provide({ actors: { do: perform } }))
  actor.subscribe({ next() {}, error() {} })
  actor.start()
  return [config.id, actor]
})
const over = () => actors.every(([, actor]) => actor.getSnapshot().status !== 'active')
while (!over()) await new Promise(go => setTimeout(go, 50))
await new Promise(go => setTimeout(go, 2500))  // what works on for nothing comes to its end
process.stdout.write(JSON.stringify(Object.fromEntries(
  actors.map(([name, actor]) => [name, { whole: actor.getSnapshot().status }]))))
process.exit(0)
