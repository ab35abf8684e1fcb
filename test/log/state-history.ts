import { encode } from "@atcute/cbor";
import { CONTROL_CODES, hostKey } from "../../src/log/record/control.ts";
import type { HostConnection } from "../../src/log/record/host-connection.ts";
import { RecordFlag, RecordKind } from "../../src/log/record/record.ts";
import { encodeStateFacts } from "../../src/log/record/state-facts.ts";
import type { Rng } from "../../src/sim/rng.ts";
import * as records from "../index/records.ts";

const NOTHING = new Uint8Array();
const STATUSES = ["active", "idle", "offline", "throttled", "banned"] as const;

/** The lowest code after those of this release's kinds. Codes from it on are for kinds of later releases. */
export const FIRST_LATER_KIND = Math.max(...Object.values(CONTROL_CODES)) + 1;
/** Codes up to this one may be of kinds with the flag `state`. */
const STATE_KIND_MAX = 31;
/** How many kinds with that flag later releases may have. */
export const LATER_STATE_KINDS = STATE_KIND_MAX - FIRST_LATER_KIND + 1;

/** A record of a kind that only a later release knows. */
export function laterRecord(kind: number, flags: number, facts: Uint8Array): records.Unsequenced {
	return { ...records.host(1), kind: kind as RecordKind, flags, facts, frame: NOTHING };
}

/** Gives a key of a kind this value. An empty value takes the key's value away. */
export function laterState(kind: number, key: Uint8Array, value: Uint8Array): records.Unsequenced {
	return laterRecord(kind, RecordFlag.state, encodeStateFacts({ key, value }));
}

/** Removes a host, as a later release may. */
export function removedHost(id: number): records.Unsequenced {
	return laterState(RecordKind.host, hostKey(id), NOTHING);
}

/** Any facts of a connection, whether they go together or not. */
export function aConnection(rng: Rng): HostConnection {
	const aTime = (): number | null => (rng.int(3) === 0 ? null : 1_700_000_000_000 + rng.int(2 ** 31));
	return {
		firstSeenMs: aTime(),
		connected: rng.int(2) === 0,
		connectedAtMs: aTime(),
		disconnectedAtMs: aTime(),
		lastEventMs: aTime(),
		failures: rng.int(20),
		nextAttemptMs: aTime(),
		lastError: rng.pick([null, { fault: rng.pick(["dns", "of-later"]), text: rng.text(9, "aé語"), atMs: rng.int(9) }]),
		throttled: rng.pick([null, { sinceMs: rng.int(9), why: rng.text(9, "aé語") }]),
		goodDays: rng.int(1_000),
		lastGoodDay: rng.pick([null, 20_000 + rng.int(1_000)]),
	};
}

/** A history of a log: hosts that come and change, cursors that rise, fall and are given up, kinds of later releases, messages. */
export function stateHistory(rng: Rng, length: number): records.Unsequenced[] {
	let hosts = 1;
	const aHost = (): number => 1 + rng.int(hosts);
	const parts = {
		newHost: () => records.host(++hosts),
		host: () =>
			records.host(aHost(), {
				status: rng.pick(STATUSES),
				insecure: rng.int(2) === 0,
				gaps: rng.int(5),
				lastGap: rng.pick([null, "once"]),
				connection: aConnection(rng),
			}),
		cursors: () =>
			records.cursors(
				...Array.from({ length: rng.int(6) }, (): [number, number | null] => [
					aHost(),
					rng.int(5) === 0 ? null : rng.pick([rng.int(100), rng.int(2 ** 32), Number.MAX_SAFE_INTEGER - rng.int(9)]),
				]),
			),
		policy: () =>
			rng.pick([
				() => records.localStatus(`did:plc:${rng.int(9)}`, rng.pick([null, "takendown", "suspended"])),
				() => records.policy("hostPolicy", `pds${rng.int(9)}.example.com`, records.hostPolicy({ isBanned: true })),
				() => records.policy("domainBan", `d${rng.int(5)}.example`, rng.pick([null, { sinceMs: rng.int(9) }])),
				() => records.policy("setting", `setting${rng.int(3)}`, rng.pick([null, { value: rng.int(9) }])),
			])(),
		action: () => records.adminAction({ atMs: rng.int(99) }),
		recount: () => records.recount(aHost()),
		later: () =>
			laterState(FIRST_LATER_KIND + rng.int(LATER_STATE_KINDS), rng.bytes(rng.int(3)), encode({ is: rng.int(100) })),
		laterRemoved: () => laterState(FIRST_LATER_KIND + rng.int(LATER_STATE_KINDS), rng.bytes(rng.int(3)), NOTHING),
		// The facts of kinds without the flag `state` may be any bytes.
		passing: () => laterRecord(FIRST_LATER_KIND + rng.int(256 - FIRST_LATER_KIND), 0, rng.bytes(rng.int(40))),
		document: () => records.didDocument(`did:plc:${rng.int(9)}`, null),
		commit: () => records.commit([aHost(), rng.int(1000)], `did:plc:${rng.int(9)}`, rng.int(100)),
		account: () => records.account([aHost(), rng.int(1000)], `did:plc:${rng.int(9)}`, rng.pick([null, "deleted"])),
	};
	const often = { newHost: 2, host: 3, cursors: 6, later: 6, laterRemoved: 2, policy: 3, action: 1, recount: 1 };
	const weights = { ...often, passing: 1, document: 1, commit: 2, account: 1 };
	// A host's own record comes before all others that name it.
	return [records.host(1), ...Array.from({ length }, () => parts[rng.weighted(weights)]())];
}

/** What these records say, in words that can be compared. */
export function describe(list: Iterable<{ kind: number; flags: number; facts: Uint8Array }>): string[] {
	return Array.from(list, ({ kind, flags, facts }) => `${kind} ${flags} ${Buffer.from(facts).toString("hex")}`);
}
