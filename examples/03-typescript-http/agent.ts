#!/usr/bin/env node
// An agent on its sidecar's HTTP API: answers every question and task. Nothing but Node.

import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { AgentMessageQueue, type Message, QueueError } from "./agent_message_queue.ts";

const RETRY_AFTER_MS = 1000;

/** The agent's own work. The same message may come twice: then it must change nothing. */
function answer(message: Message): string {
  const { message_type, content } = message;
  return `node got your ${message_type} of ${content.length} characters: ${content.slice(0, 200)}`;
}

/** An id that follows from the question: it is answered once, however often it comes. */
function answer_id(agent: string, message: Message): string {
  const bytes = createHash("sha256").update(`${agent} ${message.from_agent} ${message.id}`).digest().subarray(0, 16);
  bytes[6] = 0x80 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function reply(queue: AgentMessageQueue, agent: string, message: Message): Promise<void> {
  try {
    await queue.send_message(agent, message.from_agent, answer(message), message.priority, {
      id: answer_id(agent, message),
      message_type: "response",
      conversation_id: message.conversation_id ?? message.id,
      metadata: { in_reply_to: message.id },
    });
  } catch (error) {
    // Under this id another text was sent: the question was answered before, in other words.
    if (!(error instanceof QueueError && error.code === "idempotency_conflict")) throw error;
  }
}

/** Answers a message and is done with it, or gives it back. */
async function handle(queue: AgentMessageQueue, agent: string, message: Message): Promise<void> {
  try {
    if (message.message_type === "question" || message.message_type === "task") await reply(queue, agent, message);
  } catch (error) {
    // Otherwise it would be ours until its lease ends, and no other would come.
    await queue.nak_message(message.id, RETRY_AFTER_MS / 1000, String(error));
    throw error;
  }
  await queue.acknowledge_message(message.id);
  console.log(`${message.id} ${message.message_type} from ${message.from_agent}`);
}

async function serve(agent: string, stop: AbortSignal): Promise<void> {
  const queue = new AgentMessageQueue({ max_messages: 1 });
  while (!stop.aborted) {
    try {
      for (const message of await queue.receive_messages(agent, 60, stop)) await handle(queue, agent, message);
    } catch (error) {
      if (stop.aborted) break;
      if (!(error instanceof QueueError)) throw error;
      // What was not acknowledged comes again.
      console.error(`${error.name}: ${error.message}`);
      await pause(RETRY_AFTER_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}

const agent = process.argv[2] ?? process.env["WAGGLEBUS_AGENT"];
if (agent === undefined) {
  console.error("usage: agent.ts AGENT, or set WAGGLEBUS_AGENT");
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());
await serve(agent, stop.signal);
