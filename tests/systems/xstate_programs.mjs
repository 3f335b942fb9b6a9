// The scenarios as XState's own machines: a task is a promise that a state invokes.

export const SLOW = 1500

/** A state that does a task, and where it goes on. What `onError` is not said is not said. */
const task = (name, more = {}) => ({
  invoke: { src: 'do', input: { name, fails: more.fails ?? 0, ms: more.ms ?? 0 },
            ...(more.next ? { onDone: more.next } : {}),
            ...(more.error ? { onError: more.error } : {}) },
  ...(more.after ? { after: more.after } : {}),
})
const end = { type: 'final' }
const both = (regions, next, more = {}) => ({
  type: 'parallel', onDone: next,
  states: Object.fromEntries(Object.entries(regions).map(([name, state]) => [
    name, { initial: 'doing', states: { doing: state, ...more[name], done: end } }])),
})
const machine = (id, initial, states) => ({ id, initial, states })

export const machines = {
  unsaid: machine('unsaid', 'task', { task: task('unsaid.task', { fails: 99, next: 'done' }), done: end }),
  retry: machine('retry', 'first', {
    first: task('retry.task', { fails: 2, next: 'done', error: 'wait1' }),
    wait1: { after: { 500: 'second' } },
    second: task('retry.task', { fails: 2, next: 'done', error: 'wait2' }),
    wait2: { after: { 1000: 'third' } },
    third: task('retry.task', { fails: 2, next: 'done', error: 'failed' }),
    failed: end, done: end }),
  chain: machine('chain', 'before', {
    before: task('chain.before', { next: 'task' }),
    task: task('chain.task', { fails: 99, next: 'after' }),
    after: task('chain.after', { next: 'last' }),
    last: task('chain.last', { next: 'done' }), done: end }),
  join: machine('join', 'both', {
    both: both({ task: task('join.task', { fails: 99, next: 'done' }),
                 sibling: task('join.sibling', { ms: SLOW, next: 'done' }) }, 'join'),
    join: task('join.join', { next: 'done' }), done: end }),
  branch: machine('branch', 'both', {
    both: both({ task: task('branch.task', { fails: 99, next: 'done' }),
                 sibling: task('branch.sibling', { ms: SLOW, next: 'follower' }) }, 'join',
               { sibling: { follower: task('branch.follower', { next: 'done' }) } }),
    join: task('branch.join', { next: 'last' }),
    last: task('branch.last', { next: 'done' }), done: end }),
  late: machine('late', 'task', {
    task: task('late.task', { fails: 99, next: 'after', error: 'cleanup' }),
    after: task('late.after', { next: 'cleanup', error: 'cleanup' }),
    cleanup: task('late.cleanup', { next: 'done' }), done: end }),
  cleanup: machine('cleanup', 'task', {
    task: task('cleanup.task', { fails: 99, next: 'cleanup', error: 'cleanup' }),
    cleanup: task('cleanup.cleanup', { next: 'done' }), done: end }),
  timeout: machine('timeout', 'task', {
    task: task('timeout.task', { ms: 4000, next: 'done', after: { 1000: 'late' } }),
    late: end, done: end }),
  approval: machine('approval', 'gate', {
    gate: { on: { APPROVE: 'after', REJECT: 'rejected' } },
    after: task('approval.after', { next: 'done' }), rejected: end, done: end }),
  undo: machine('undo', 'before', {
    before: task('undo.before', { next: 'task', error: 'failed' }),
    task: task('undo.task', { fails: 99, next: 'done', error: 'undo' }),
    undo: task('undo.undo', { next: 'failed' }), failed: end, done: end }),
  killed: machine('killed', 'before', {
    before: task('killed.before', { ms: 100, next: 'task' }),
    task: task('killed.task', { ms: 2000, next: 'after' }),
    after: task('killed.after', { ms: 100, next: 'done' }), done: end }),
  diamond: machine('diamond', 'top', {
    top: task('diamond.top', { next: 'sides' }),
    sides: both({ left: task('diamond.left', { next: 'done' }),
                  right: task('diamond.right', { next: 'done' }) }, 'bottom'),
    bottom: task('diamond.bottom', { next: 'done' }), done: end }),
}
