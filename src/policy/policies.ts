import { policyPages } from "../index/pages.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import { controlEntry, type Entry, policyEntry } from "../log/record/entry.ts";
import {
	ACTION_TEXT_CHARS_MAX,
	type HostPolicy,
	type PolicyKind,
	type PolicyValues,
	type Strictness,
} from "../log/record/policy-facts.ts";
import { logOf } from "../observe/log.ts";
import { domainsOf } from "./domain.ts";
import type { ActionBy } from "./messages.ts";

/** The kinds that the control thread has in memory. Local statuses are many, and are kept by the workers that have the DIDs. */
type KeptKind = Exclude<PolicyKind, "localStatus">;

type Kept = { readonly [K in KeptKind]: Map<string, PolicyValues[K]> };

const log = logOf("policy");

/** What holds for a host for which nothing is set. */
export const DEFAULT_HOST_POLICY: HostPolicy = {
	isBanned: false,
	accountLimit: null,
	eventLimits: null,
	strictness: null,
	cleanSinceMs: null,
};

/** Why a host is banned: by its name, or by that of a domain. */
export type Ban = { readonly by: "host" } | { readonly by: "domain"; readonly domain: string };

/** What the operator has set of hosts, domains and settings. A change holds at once, and is in the log a moment later. */
export class Policies {
	readonly #appender: Pick<Appender, "append">;
	readonly #kept: Kept = { hostPolicy: new Map(), domainBan: new Map(), setting: new Map() };

	private constructor(appender: Pick<Appender, "append">) {
		this.#appender = appender;
	}

	/** @param reader of an index that has caught up with the log */
	static async load(reader: Pick<IndexReader, "policies">, appender: Pick<Appender, "append">): Promise<Policies> {
		const policies = new Policies(appender);
		await Promise.all((["hostPolicy", "domainBan", "setting"] as const).map((kind) => policies.#load(kind, reader)));
		return policies;
	}

	async #load<K extends KeptKind>(kind: K, reader: Pick<IndexReader, "policies">): Promise<void> {
		for await (const page of policyPages(reader, kind))
			for (const { key, value } of page) this.#mapOf(kind).set(key, value);
	}

	hostPolicy(hostname: string): HostPolicy {
		return this.#kept.hostPolicy.get(hostname) ?? DEFAULT_HOST_POLICY;
	}

	/** The hosts for which something is set. */
	hostPolicies(): ReadonlyMap<string, HostPolicy> {
		return this.#kept.hostPolicy;
	}

	/** The hosts with a strictness of their own. */
	strictness(): [hostname: string, strictness: Strictness][] {
		return [...this.#kept.hostPolicy].flatMap(([hostname, { strictness }]) =>
			strictness === null ? [] : [[hostname, strictness]],
		);
	}

	/** Since when each banned domain is, in milliseconds since 1970. */
	domainBans(): ReadonlyMap<string, { sinceMs: number }> {
		return this.#kept.domainBan;
	}

	/** Null if the host is not banned. */
	banOf(hostname: string): Ban | null {
		const domain = domainsOf(hostname).find((name) => this.#kept.domainBan.has(name));
		if (domain !== undefined) return { by: "domain", domain };
		return this.hostPolicy(hostname).isBanned ? { by: "host" } : null;
	}

	/** Undefined if the configured value holds. */
	setting(name: string): boolean | number | undefined {
		return this.#kept.setting.get(name)?.value;
	}

	/**
	 * Sets the value of a key, or takes it away (null). Resolves when that is durable, and the line of the audit log too. The line comes
	 * first: a change without a line would be worse than a line without its change.
	 *
	 * @param action null for a change that is nobody's action
	 */
	change<K extends KeptKind>(
		kind: K,
		key: string,
		value: PolicyValues[K] | null,
		action: ActionBy | null,
	): Promise<void> {
		const values = this.#mapOf(kind);
		const before = textOf(values.get(key));
		const after = textOf(value);
		const entries = action === null ? [] : [lineOf(action, key, before, after)];
		if (before === after) return this.#appender.append(...entries);
		if (value === null) values.delete(key);
		else values.set(key, value);
		return this.#appender.append(...entries, policyEntry(kind, key, value));
	}

	/** Adds a line to the audit log for an action that sets nothing here. Resolves when it is durable. */
	note(action: ActionBy, subject: string, after: string): Promise<void> {
		return this.#appender.append(lineOf(action, clipped(subject), "", clipped(after)));
	}

	#mapOf<K extends KeptKind>(kind: K): Map<string, PolicyValues[K]> {
		return this.#kept[kind] as Map<string, PolicyValues[K]>;
	}
}

/** A line of the audit log. It is logged too. */
function lineOf(action: ActionBy, subject: string, before: string, after: string): Entry {
	log.info("{by}: {action} {subject}: from {before} to {after}", {
		by: action.by,
		action: action.action,
		subject,
		before: before === "" ? "nothing" : before,
		after: after === "" ? "nothing" : after,
	});
	return controlEntry("adminAction", { ...action, subject, before, after });
}

/** A value in a short form for people; empty for none. */
function textOf(value: object | null | undefined): string {
	return value === null || value === undefined ? "" : clipped(JSON.stringify(value));
}

function clipped(text: string): string {
	return text.slice(0, ACTION_TEXT_CHARS_MAX);
}
