// A queue of messages between agents by their names, over the HTTP API of their sidecars. Nothing but Node.
//
//     const queue = new AgentMessageQueue();
//     const sent = await queue.send_message("alice", "bob", "the build is red", "high");
//     for (const message of await queue.receive_messages("bob", 30)) await queue.acknowledge_message(message.id);
//     const history = await queue.get_conversation_history("alice", "bob");

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { isAbsolute, join } from "node:path";

export type Priority = "urgent" | "high" | "normal" | "low";
export type MessageType = "task" | "status" | "question" | "response";

/** A message as it was published. Fields that have a default may be missing when no sidecar of ours sent it. */
export interface Message {
  id: string;
  from_agent: string;
  to_agent: string;
  content: string;
  timestamp: string;
  priority?: Priority;
  message_type?: MessageType;
  acknowledged?: boolean;
  conversation_id?: string;
  metadata?: Record<string, unknown>;
}

/** What a message may say beside its text. A message sent again under the same `id` is the same message. */
export type Fields = Partial<Pick<Message, "id" | "message_type" | "conversation_id" | "metadata">>;

/** The receipt of a send: `level` is how far the message provably came, `stored` once NATS has it. */
export interface Sent {
  id: string;
  conversation_id: string;
  level: string;
  stream_seq?: number;
  duplicate: boolean;
  warning?: string;
}

export interface Acknowledged {
  id: string;
  level: string;
}

export interface Returned {
  id: string;
}

export interface Extended {
  lease_expires_at: string;
}

export interface Options {
  /** Use this sidecar for all calls instead of looking for the agent's own. */
  socket?: string;
  /** How many messages are received at once, 1 to 32; 10 unless said otherwise. */
  max_messages?: number;
  /** Seconds after which they come again unless acknowledged, 5 to 3600; 300 unless said otherwise. */
  lease?: number;
}

/**
 * A call failed. `code` is the sidecar's word for it, such as `lease_lost`; `message_id` is the message, if any.
 *
 * A send that failed with `level_not_reached` was accepted and will arrive. Sent again with this `message_id` as its
 * `id`, it is the same message.
 */
export class QueueError extends Error {
  readonly code: string | undefined;
  readonly details: Record<string, unknown>;
  message_id: string | undefined;

  constructor(text: string, code?: string, details?: Record<string, unknown>, cause?: unknown) {
    super(text, { cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details ?? {};
  }
}

/** No sidecar of the agent runs on this machine. Nothing was sent. */
export class NoSidecar extends QueueError {}

/** Nobody has the recipient's name; `details.similar` lists close ones. Nothing was sent. */
export class UnknownAgent extends QueueError {}

/** The message was not received through this queue. */
export class UnknownMessage extends QueueError {}

/** The connection broke or the answer did not come: whether the call took effect is unknown. */
export class Lost extends QueueError {}

/** Seconds for an answer, beside what the sidecar is asked to wait. */
const ANSWER_WITHIN = 10;
/** Seconds: the longest single poll; a longer wait is several. */
const POLL_MAX = 60;
/** Messages; a sidecar has far fewer in hand: what is forgotten was settled or has expired. */
const REMEMBERED_MAX = 10_000;

interface HandOver {
  agent: string;
  lease: string;
  /** Neither settled nor lost. */
  open: boolean;
}

interface Call {
  method: "GET" | "POST";
  target: string;
  body?: unknown;
  /** Seconds that the sidecar is asked to wait. */
  wait?: number;
  /** Whether a repeat changes nothing beyond the first. */
  repeatable?: boolean;
  signal?: AbortSignal | undefined;
}

interface Answer {
  status: number;
  body: string;
}

/** Each call goes to the sidecar of the agent that it is made for, which must run on this machine. */
export class AgentMessageQueue {
  /** Messages of one page of history, at most 500. */
  page = 500;
  readonly #options: Options;
  /**
   * By id, then by agent and sender: a post in a room is handed over to each member, and ids of different senders may be
   * equal.
   */
  readonly #handed = new Map<string, Map<string, HandOver>>();

  constructor(options: Options = {}) {
    this.#options = options;
  }

  /** Sends a text and returns its id and the level that it reached. */
  async send_message(
    from_agent: string,
    to_agent: string,
    message: string,
    priority: Priority = "normal",
    fields: Fields = {},
  ): Promise<Sent> {
    // The id is ours: the same request again cannot make a second message of it.
    const id = fields.id ?? uuid7();
    const body = { ...fields, id, from_agent, to_agent, content: message, priority };
    try {
      const call: Call = { method: "POST", target: "/v1/messages?wait=stored", body, repeatable: true };
      return (await this.#call(from_agent, call)) as Sent;
    } catch (error) {
      if (error instanceof QueueError) error.message_id = id;
      throw error;
    }
  }

  /**
   * Waits up to `timeout` seconds for messages, the most urgent first; none when none came. Each must be acknowledged,
   * else it comes again. A call that `signal` ends takes nothing.
   */
  async receive_messages(agent_id: string, timeout = 30, signal?: AbortSignal): Promise<Message[]> {
    const { max_messages = 10, lease = 300 } = this.#options;
    const deadline = performance.now() + timeout * 1000;
    for (;;) {
      const left = Math.max(0, (deadline - performance.now()) / 1000);
      const wait = Math.min(left, POLL_MAX);
      const target = `/v1/inbox?max=${max_messages}&timeout=${wait.toFixed(3)}&lease=${lease.toFixed(3)}`;
      const answer = await this.#call(agent_id, { method: "GET", target, wait, signal });
      const { messages } = answer as { messages: { message: Message; lease: string }[] };
      if (messages.length === 0 && left > POLL_MAX) continue;
      for (const { message, lease } of messages) this.#remember(message, agent_id, lease);
      return messages.map((item) => item.message);
    }
  }

  /**
   * The message is done and never comes again; a repeat has the same answer. What several agents received, such as a post
   * in a room, is settled for all of them, or for `agent_id` only. Fails with `UnknownMessage` when it was not received
   * through this queue, and with the code `lease_lost` when it was not acknowledged in time and was handed over again.
   */
  async acknowledge_message(message_id: string, agent_id?: string): Promise<Acknowledged> {
    return (await this.#settle(message_id, agent_id, "ack", {})) as Acknowledged;
  }

  /**
   * Gives the message back unsettled: it comes again after `delay` seconds (at most 3600). `reason` is for people. Fails
   * as `acknowledge_message` does.
   */
  async nak_message(message_id: string, delay = 1, reason?: string, agent_id?: string): Promise<Returned> {
    const body = { delay_ms: Math.round(delay * 1000), ...(reason === undefined ? {} : { reason }) };
    return (await this.#settle(message_id, agent_id, "nak", body)) as Returned;
  }

  /**
   * Keeps a message that is still worked on for `lease` whole seconds from now on (5 to 3600), and says until when that
   * is. Fails as `acknowledge_message` does.
   */
  async extend_message(message_id: string, lease = 60, agent_id?: string): Promise<Extended> {
    return (await this.#settle(message_id, agent_id, "progress", { extend: lease })) as Extended;
  }

  /**
   * All messages of the last 48 hours between two agents, in both directions, by time. `acknowledged` tells which the
   * recipient is done with. Each sidecar knows what its agent sent and was handed: when both run here, both are asked.
   */
  async get_conversation_history(agent1: string, agent2: string): Promise<Message[]> {
    const views = await Promise.allSettled([this.#seen_by(agent1, agent2), this.#seen_by(agent2, agent1)]);
    const failures = views.filter((view) => view.status === "rejected").map((view) => view.reason as unknown);
    const serious = failures.find((error) => !(error instanceof NoSidecar));
    if (serious ?? failures.length === views.length) throw serious ?? failures[0];
    const merged = new Map<string, Message>();
    for (const message of views.flatMap((view) => (view.status === "fulfilled" ? view.value : []))) {
      const key = `${message.from_agent} ${message.id}`;
      const known = merged.get(key) ?? message;
      known.acknowledged ||= message.acknowledged ?? false;
      merged.set(key, known);
    }
    return [...merged.values()].sort((a, b) => (a.timestamp < b.timestamp ? -1 : Number(a.timestamp > b.timestamp)));
  }

  /** What the sidecar of `agent` knows of the messages between the two, page after page. */
  async #seen_by(agent: string, other: string): Promise<Message[]> {
    const found: Message[] = [];
    const query = new URLSearchParams({ with: other, limit: String(this.page) });
    for (;;) {
      const answer = await this.#call(agent, { method: "GET", target: `/v1/messages?${query}`, repeatable: true });
      const { items, next_cursor } = answer as { items: Message[]; next_cursor: string | null };
      found.push(...items.filter(({ from_agent: from, to_agent: to }) =>
        (from === agent && to === other) || (from === other && to === agent)));
      if (next_cursor === null) return found;
      query.set("cursor", next_cursor);
    }
  }

  #remember({ id, from_agent }: Message, agent: string, lease: string): void {
    const known = this.#handed.get(id) ?? new Map<string, HandOver>();
    this.#handed.set(id, known.set(`${agent} ${from_agent}`, { agent, lease, open: true }));
    const [oldest] = this.#handed.keys();
    if (this.#handed.size > REMEMBERED_MAX && oldest !== undefined) this.#handed.delete(oldest);
  }

  /**
   * Calls for each open hand-over that is meant, else for those that are over: a repeat has the answer of the first time.
   * Fails with the first failure, after all were tried.
   */
  async #settle(id: string, agent: string | undefined, verb: "ack" | "nak" | "progress", body: object): Promise<unknown> {
    const known = [...(this.#handed.get(id)?.values() ?? [])];
    const meant = known.filter((over) => agent === undefined || over.agent === agent);
    const open = meant.filter((over) => over.open);
    const answers: unknown[] = [];
    const failures: unknown[] = [];
    for (const over of open.length > 0 ? open : meant) {
      const target = `/v1/inbox/${id}/${verb}`;
      const call: Call = { method: "POST", target, body: { lease: over.lease, ...body }, repeatable: verb !== "nak" };
      try {
        answers.push(await this.#call(over.agent, call));
        if (verb !== "progress") over.open = false;
      } catch (error) {
        if (error instanceof QueueError && error.code === "lease_lost") over.open = false;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    if (answers.length > 0) return answers[0];
    const error = new UnknownMessage(`message ${id} was not received through this queue`, "not_found");
    error.message_id = id;
    throw error;
  }

  /** One request; a broken one is made again only where that changes nothing. */
  async #call(agent: string, call: Call): Promise<unknown> {
    let answer: Answer;
    try {
      answer = await this.#exchange(agent, call);
    } catch (error) {
      if (!(error instanceof Lost && call.repeatable)) throw error;
      answer = await this.#exchange(agent, call);
    }
    const body = JSON.parse(answer.body) as unknown;
    if (answer.status < 400) return body;
    type Refusal = { error: { code: string; message: string; details?: Record<string, unknown> } };
    const { code, message, details } = (body as Refusal).error;
    const Kind = code === "unknown_agent" ? UnknownAgent : QueueError;
    throw new Kind(`${code}: ${message}`, code, details);
  }

  async #exchange(agent: string, call: Call): Promise<Answer> {
    const socket = this.#options.socket ?? (await sidecar_socket(agent));
    try {
      return await exchange(socket, call);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (["ENOENT", "ECONNREFUSED", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) {
        throw new NoSidecar(`no sidecar of ${agent} answers at ${socket}`, "bus_unreachable", {}, error);
      }
      throw new Lost(`no answer of the sidecar of ${agent} to ${call.method} ${call.target}`, undefined, {}, error);
    }
  }
}

/** One HTTP request on a connection of its own. */
function exchange(socketPath: string, { method, target, body, wait = 0, signal }: Call): Promise<Answer> {
  const within = AbortSignal.timeout(Math.ceil((ANSWER_WITHIN + wait) * 1000));
  const content = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath,
      method,
      path: target,
      agent: false,
      signal: signal ? AbortSignal.any([signal, within]) : within,
      headers: content === undefined ? {} : { "Content-Type": "application/json" },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    asked.end(content);
  });
}

/** Where the sidecar of `agent` listens: as its ready file says, or as it told us when it started us. */
export async function sidecar_socket(agent: string): Promise<string> {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(agent)) {
    throw new NoSidecar(`${JSON.stringify(agent)} is no name of an agent: use 1 to 63 of a-z 0-9 _ -`, "not_found");
  }
  const { WAGGLEBUS_AGENT, WAGGLEBUS_SOCKET, WAGGLEBUS_HIVE } = process.env;
  if (WAGGLEBUS_AGENT === agent && WAGGLEBUS_SOCKET) return WAGGLEBUS_SOCKET;
  const ready = join(run_folder(), WAGGLEBUS_HIVE || "wb", `${agent}.json`);
  try {
    const { socket } = JSON.parse(await readFile(ready, "utf8")) as { socket: string };
    return socket;
  } catch (error) {
    throw new NoSidecar(`no sidecar of ${agent} runs here: ${ready} cannot be read`, "bus_unreachable", {}, error);
  }
}

function run_folder(): string {
  const { WAGGLEBUS_RUN, XDG_RUNTIME_DIR, TMPDIR } = process.env;
  if (WAGGLEBUS_RUN && isAbsolute(WAGGLEBUS_RUN)) return WAGGLEBUS_RUN;
  if (XDG_RUNTIME_DIR && isAbsolute(XDG_RUNTIME_DIR)) return join(XDG_RUNTIME_DIR, "wagglebus");
  return join(TMPDIR || "/tmp", `wagglebus-${process.getuid?.()}`);
}

/** A UUID of version 7: milliseconds, then randomness. */
export function uuid7(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
