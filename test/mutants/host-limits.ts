import type { Mutant } from "./table.ts";

const WINDOW = ["ingest/host/sliding-window.test.ts"];
const WINDOWS = ["ingest/host/rate-windows.test.ts"];
const DELAYS = ["ingest/host/delays.test.ts"];
const SUBSCRIPTION = ["ingest/host/subscription.test.ts"];
const HOSTS = ["ingest/host/hosts.test.ts"];

/** Faults in a host's limits: more passes than may, less than could, messages overtake or are lost, or one account takes all. */
export const HOST_LIMIT_MUTANTS: readonly Mutant[] = [
	{
		name: "a window forgets its events a little early",
		file: "ingest/host/sliding-window.ts",
		find: "nowMs >= this.#time(0) + this.#windowMs",
		replace: "nowMs >= this.#time(0) + 0.999 * this.#windowMs",
		tests: WINDOW,
	},
	{
		name: "events that share a slot count from the first one's time",
		file: "ingest/host/sliding-window.ts",
		find: "this.#timesMs[last] = nowMs;",
		replace: "",
		tests: WINDOW,
	},
	{
		name: "a window merges events that it has slots for",
		file: "ingest/host/sliding-window.ts",
		find: "if (this.#size < this.#slotsMax / 2) return false;",
		replace: "",
		tests: WINDOW,
	},
	{
		name: "a window's slots have no limit",
		file: "ingest/host/sliding-window.ts",
		find: "return this.#size >= this.#slotsMax || nowMs - this.#lastSlotBeganMs < (2 * this.#windowMs) / this.#slotsMax;",
		replace: "return false;",
		tests: WINDOW,
	},
	{
		name: "only the longest window of a host counts",
		file: "ingest/host/rate-windows.ts",
		find: "if (window !== undefined && window.room(nowMs) === 0) return window;",
		replace: 'if (window?.name === "day" && window.room(nowMs) === 0) return window;',
		tests: WINDOWS,
	},
	{
		name: "a full window lets one message more pass",
		file: "ingest/host/rate-windows.ts",
		find: "return Math.max(0, this.limit - this.#events.used(nowMs));",
		replace: "return Math.max(0, this.limit + 1 - this.#events.used(nowMs));",
		tests: WINDOWS,
	},
	{
		name: "a message that has waited is not counted",
		file: "ingest/host/delays.ts",
		find: "this.#count(did, nowMs);\n\t\tthis.#options.pass(item);",
		replace: "this.#options.pass(item);",
		tests: DELAYS,
	},
	{
		name: "a message overtakes those of its account that wait",
		file: "ingest/host/delays.ts",
		find: "lane.items.push(item);",
		replace: "lane.items.unshift(item);",
		tests: DELAYS,
	},
	{
		name: "new limits forget what was counted before",
		file: "ingest/host/delays.ts",
		find: "this.#windows.setLimits(limits);\n\t\t\treturn;",
		replace: "",
		tests: DELAYS,
	},
	{
		name: "new limits are noticed only by the timer",
		file: "ingest/host/delays.ts",
		find: "this.#limit(limits);\n\t\tthis.#passDue(this.#options.timing.nowMs());",
		replace: "this.#limit(limits);",
		tests: DELAYS,
	},
	{
		name: "what waits is tried again only once",
		file: "ingest/host/delays.ts",
		find: "wakesAtMs = Math.min(wakesAtMs, this.#retryAtMs(did, window, nowMs));",
		replace: "",
		tests: DELAYS,
	},
	{
		name: "the delays' report never ends",
		file: "ingest/host/delays.ts",
		find: "this.#note(-1, -item.bytes);",
		replace: "",
		tests: DELAYS,
	},
	{
		name: "an account may use the whole of its host's limits",
		file: "ingest/host/delays.ts",
		find: "this.#windows?.fullAt(nowMs) ?? this.#shares?.usedUp(did, nowMs) ?? null",
		replace: "this.#windows?.fullAt(nowMs) ?? null",
		tests: DELAYS,
	},
	{
		name: "an account's share is whatever its host's limit is",
		file: "ingest/host/shares.ts",
		find: ">= window.room(nowMs)) return window;",
		replace: ">= window.limit) return window;",
		tests: DELAYS,
	},
	{
		name: "the account that has sent most is forgotten first",
		file: "ingest/host/shares.ts",
		find: "if (part >= least) continue;",
		replace: "if (least !== Number.POSITIVE_INFINITY && part <= least) continue;",
		tests: DELAYS,
	},
	{
		name: "an account is counted only when the window is almost full",
		file: "ingest/host/shares.ts",
		find: "0.75 * window.limit",
		replace: "0.1 * window.limit",
		tests: DELAYS,
	},
	{
		name: "the mark passes messages that were given up",
		file: "ingest/host/window.ts",
		find: "if (isAfterFirst) slot.seq = null;\n\t\t\telse after",
		replace: "after",
		tests: ["ingest/host/window.test.ts"],
	},
	{
		name: "what waits goes on waiting when its host is stopped",
		file: "ingest/host/subscription.ts",
		find: "this.#socket?.close(code, reason);\n\t\tthis.#giveUpWaiting();",
		replace: "this.#socket?.close(code, reason);",
		tests: SUBSCRIPTION,
	},
	{
		name: "a host is not asked again for what was given up",
		file: "ingest/host/subscription.ts",
		find: "this.#received = this.window.giveUp(",
		replace: "this.window.giveUp(",
		tests: SUBSCRIPTION,
	},
	{
		name: "limits that the control thread sets are ignored",
		file: "ingest/host/hosts.ts",
		find: "this.#subscriptions.get(command.hostId)?.setLimits(command.limits);",
		replace: "",
		tests: HOSTS,
	},
];
