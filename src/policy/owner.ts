import { type ControlResult, type Refusal, type Requester, refusal } from "../control/api.ts";
import {
	HOSTS_PER_CHANGE_MAX,
	type HostPolicyChange,
	type LocalStatusName,
	type PolicyControl,
	type RuntimeSettings,
} from "../control/policy.ts";
import type { IndexReader, StoredAction } from "../index/store.ts";
import type { HostPolicy, Strictness } from "../log/record/policy-facts.ts";
import { HostnameError, parseHostname } from "../net/hostname.ts";
import { isDid } from "../protocol/syntax.ts";
import { parseDomain } from "./domain.ts";
import type { ActionBy, LocalStatusChange } from "./messages.ts";
import { DEFAULT_HOST_POLICY, type Policies } from "./policies.ts";
import { RUNTIME_SETTINGS, SETTING_RULES } from "./settings.ts";

export interface PolicyOwnerOptions {
	policies: Policies;
	/** What holds now. */
	settings: RuntimeSettings;
	reader: Pick<IndexReader, "policies" | "actions">;
	/** Has the worker of the DID set an account's status. Resolves when that is durable; with false if there was no answer in time. */
	setLocalStatus(change: LocalStatusChange): Promise<boolean>;
	hosts: {
		isKnown(hostname: string): boolean;
		/** Called after policies of hosts or domains, or settings, have changed. */
		applyPolicies(): void;
	};
	/** Tells all ingest workers how strict to be with a host. Resolves when they are. */
	setStrictness(hostname: string, strictness: Strictness | null): Promise<void>;
	/** Milliseconds since 1970. */
	nowMs(): number;
	/** Whether `localhost:PORT` may be the name of a host. */
	allowLocalhost: boolean;
}

const OK: ControlResult = { ok: true };

/** The owner of what the operator sets: carries out `PolicyControl` on the control thread. */
export class PolicyOwner implements PolicyControl {
	readonly #options: PolicyOwnerOptions;

	constructor(options: PolicyOwnerOptions) {
		this.#options = options;
	}

	async setAccountStatus(did: string, status: LocalStatusName | null, by: Requester): Promise<ControlResult> {
		if (!isDid(did)) return invalid("`did` must be a DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz");
		const action = this.#action(ACCOUNT_ACTIONS[status ?? "none"], by);
		if (await this.#options.setLocalStatus({ did, status, action })) return OK;
		return refusal(504, "Timeout", "the change is not durable yet: ask again, which does no harm");
	}

	async accountStatuses(afterDid: string, limit: number) {
		const rows = await this.#options.reader.policies("localStatus", afterDid, limit);
		return { ok: true as const, accounts: rows.map(({ key, value }) => ({ did: key, status: value.status })) };
	}

	async banDomain(input: string, by: Requester): Promise<ControlResult> {
		const { policies, nowMs, hosts } = this.#options;
		const domain = parseDomain(input);
		if (domain === null) return invalid(DOMAIN_RULE);
		const value = policies.domainBans().get(domain) ?? { sinceMs: nowMs() };
		const durable = policies.change("domainBan", domain, value, this.#action("banDomain", by));
		hosts.applyPolicies();
		await durable;
		return OK;
	}

	async unbanDomain(input: string, by: Requester): Promise<ControlResult> {
		const { policies, hosts } = this.#options;
		const domain = parseDomain(input);
		if (domain === null) return invalid(DOMAIN_RULE);
		if (!policies.domainBans().has(domain)) return refusal(404, "NotFound", `the domain ${domain} is not banned`);
		const durable = policies.change("domainBan", domain, null, this.#action("unbanDomain", by));
		hosts.applyPolicies();
		await durable;
		return OK;
	}

	async domainBans() {
		const bans = [...this.#options.policies.domainBans()].sort(([a], [b]) => (a < b ? -1 : 1));
		return { ok: true as const, domains: bans.map(([domain, { sinceMs }]) => ({ domain, sinceMs })) };
	}

	async changeHosts(inputs: readonly string[], change: HostPolicyChange, by: Requester): Promise<ControlResult> {
		const { policies, hosts, setStrictness } = this.#options;
		if (change.ratchet === true && change.strictness !== "observe")
			return invalid("`ratchet` needs the strictness `observe`");
		if (inputs.length > HOSTS_PER_CHANGE_MAX) return invalid(`at most ${HOSTS_PER_CHANGE_MAX} hosts at once`);
		const names = inputs.map((input) => this.#hostname(input, change));
		const refused = names.find((name) => typeof name !== "string");
		if (refused !== undefined) return refused as Refusal;
		const action = this.#action(nameOf(change), by);
		const done = (names as string[]).flatMap((name) => {
			const policy = this.#changed(policies.hostPolicy(name), change);
			const durable = policies.change("hostPolicy", name, isDefault(policy) ? null : policy, action);
			return change.strictness === undefined ? [durable] : [durable, setStrictness(name, change.strictness)];
		});
		hosts.applyPolicies();
		await Promise.all(done);
		return OK;
	}

	#changed(policy: HostPolicy, { ratchet = false, ...change }: HostPolicyChange): HostPolicy {
		if (change.strictness === undefined) return { ...policy, ...change };
		const cleanSinceMs = ratchet && change.strictness === "observe" ? this.#options.nowMs() : null;
		return { ...policy, ...change, cleanSinceMs };
	}

	#hostname(input: string, change: HostPolicyChange): string | Refusal {
		const { allowLocalhost, hosts, policies } = this.#options;
		try {
			const { hostname } = parseHostname(input, { allowLocalhost, allowInsecure: true });
			const mayBeUnknown = Object.keys(change).every((field) => field === "isBanned");
			if (hosts.isKnown(hostname) || mayBeUnknown || policies.hostPolicies().has(hostname)) return hostname;
			return refusal(404, "HostNotFound", `host ${hostname} is not known`);
		} catch (error) {
			if (!(error instanceof HostnameError)) throw error;
			return invalid(`host: ${error.message}`);
		}
	}

	async hostPolicies(afterHostname: string, limit: number) {
		const all = [...this.#options.policies.hostPolicies()].filter(([hostname]) => hostname > afterHostname);
		const page = all.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
		return { ok: true as const, hosts: page.map(([hostname, policy]) => ({ hostname, policy })) };
	}

	async settings() {
		const { settings } = this.#options;
		// A copy: the fields of the original are read when they are asked for, and can't be sent.
		return { ok: true as const, settings: { ...settings } };
	}

	async changeSettings(
		changes: { readonly [Name in keyof RuntimeSettings]?: RuntimeSettings[Name] | null },
		by: Requester,
	): Promise<ControlResult> {
		const { policies, hosts } = this.#options;
		const named = RUNTIME_SETTINGS.flatMap((name) => {
			const value = changes[name];
			return value === undefined ? [] : [{ name, value }];
		});
		for (const { name, value } of named)
			if (value !== null && !SETTING_RULES[name].isKept(value))
				return invalid(`\`${name}\` must be ${SETTING_RULES[name].text}`);
		const action = this.#action("changeSetting", by);
		const durable = named.map(({ name, value }) =>
			policies.change("setting", name, value === null ? null : { value }, action),
		);
		hosts.applyPolicies();
		await Promise.all(durable);
		return OK;
	}

	async actions(beforeLsn: number, limit: number): Promise<ControlResult<{ actions: StoredAction[] }>> {
		return { ok: true, actions: await this.#options.reader.actions(beforeLsn, limit) };
	}

	#action(action: string, { ip }: Requester): ActionBy {
		return { atMs: this.#options.nowMs(), by: ip, action };
	}
}

const ACCOUNT_ACTIONS = { takendown: "takeDown", suspended: "suspend", none: "reverseTakedown" } as const;
const DOMAIN_RULE = "`domain` must be a domain name, such as example.com";

function invalid(rule: string): Refusal {
	return refusal(400, "InvalidRequest", rule);
}

/** The name of a change in the audit log. */
function nameOf({ isBanned }: HostPolicyChange): string {
	if (isBanned === undefined) return "changeHost";
	return isBanned ? "blockHost" : "unblockHost";
}

function isDefault(policy: HostPolicy): boolean {
	return Bun.deepEquals(policy, DEFAULT_HOST_POLICY);
}
