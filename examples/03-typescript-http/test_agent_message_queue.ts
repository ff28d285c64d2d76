// Tries the queue on the running sidecars of three agents, of which the first two are in room:design:
// node test_agent_message_queue.ts alice bob carol

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { AgentMessageQueue, NoSidecar, QueueError, UnknownAgent, UnknownMessage } from "./agent_message_queue.ts";

const WITHIN = 30; // seconds

const [one, other, poster] = process.argv.slice(2);
assert(one !== undefined && other !== undefined && poster !== undefined, "the names of three agents are needed");

async function fails<E extends Error>(kind: new (...given: never[]) => E, call: Promise<unknown>): Promise<E> {
  const error = await call.then(() => undefined, (error: unknown) => error);
  assert(error instanceof kind, `${kind.name} expected, not ${error}`);
  return error;
}

const queue = new AgentMessageQueue();
const question = await queue.send_message(one, other, "quo vadis? 🐝", "high", { message_type: "question" });
assert.equal(question.level, "stored");
assert.match(question.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);

const received = await queue.receive_messages(other, WITHIN);
assert.equal(received.length, 1);
const { id, from_agent, content, priority, message_type } = received[0]!;
assert.deepEqual([id, from_agent, content, priority, message_type],
  [question.id, one, "quo vadis? 🐝", "high", "question"]);
for (let times = 0; times < 2; times += 1) {
  assert.deepEqual(await queue.acknowledge_message(question.id), { id: question.id, level: "done" });
}

const unknown = randomUUID();
const unknown_message = await fails(UnknownMessage, queue.acknowledge_message(unknown));
assert.deepEqual([unknown_message.code, unknown_message.message_id], ["not_found", unknown]);

const giving_up = new AbortController();
const given_up = fails(DOMException, queue.receive_messages(other, WITHIN, giving_up.signal));
const begun = performance.now();
assert.deepEqual(await queue.receive_messages(other, 0.3), []);
assert(performance.now() - begun >= 300);
giving_up.abort();
await given_up;

const unknown_agent = await fails(UnknownAgent, queue.send_message(one, `${other}x`, "hi"));
assert((unknown_agent.details["similar"] as string[]).includes(other) && unknown_agent.message_id);
await fails(NoSidecar, queue.receive_messages(`${other}x`));
await fails(NoSidecar, queue.receive_messages("../x"));
const refused = await fails(QueueError, queue.send_message(one, other, "hi", "asap" as "high"));
assert.equal(refused.code, "invalid_message");

// A repeat under the same id is the same message.
const ids = [question.id];
for (let number = 0; number < 6; number += 1) {
  const [from, to] = number % 2 === 0 ? [other, one] : [one, other];
  const sent = await queue.send_message(from, to, String(number));
  const again = await queue.send_message(from, to, String(number), "normal", { id: sent.id });
  assert.deepEqual([again.id, again.duplicate], [sent.id, true]);
  ids.push(sent.id);
}
queue.page = 3;
for (const [agent1, agent2] of [[one, other], [other, one]] as const) {
  const history = await queue.get_conversation_history(agent1, agent2);
  assert.deepEqual(history.map((message) => message.id), ids);
  assert.deepEqual(history.map((message) => message.acknowledged), [true, ...Array<boolean>(6).fill(false)]);
}

// The receive that was given up took nothing.
const taken: string[] = [];
while (taken.length < 3) {
  for (const message of await queue.receive_messages(other, WITHIN)) {
    await queue.acknowledge_message(message.id);
    taken.push(message.content);
  }
}
assert.deepEqual(taken, ["1", "3", "5"]);
while (taken.length < 6) {
  for (const message of await queue.receive_messages(one, WITHIN)) {
    await queue.acknowledge_message(message.id);
    taken.push(message.content);
  }
}

// A post in a room is one id in the hands of each member.
async function post(from: string, members: string[]): Promise<string> {
  const sent = await queue.send_message(from, "room:design", "to all of you");
  for (const member of members) {
    const posts = await queue.receive_messages(member, WITHIN);
    assert.deepEqual(posts.map((message) => message.id), [sent.id]);
  }
  return sent.id;
}
const both = await post(poster, [one, other]);
for (let times = 0; times < 2; times += 1) await queue.acknowledge_message(both);

const single = await post(poster, [one, other]);
await queue.acknowledge_message(single, one);
const late = await queue.extend_message(single, 1800);
const soon = await queue.extend_message(single, 30, other);
assert(late.lease_expires_at > soon.lease_expires_at);
assert.deepEqual(await queue.nak_message(single, 0, "not now"), { id: single });
const lost = await fails(QueueError, queue.acknowledge_message(single, other));
assert.equal(lost.code, "lease_lost");
assert.deepEqual((await queue.receive_messages(other, WITHIN)).map((message) => message.id), [single]);
await queue.acknowledge_message(single);
await fails(UnknownMessage, queue.acknowledge_message(single, poster));
console.log("ok: sent, received, acknowledged, remembered");
