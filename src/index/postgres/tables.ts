import { isTakenDown } from "../../account/status.ts";
import type { Account, Host, PolicyChange, StoredAction, StoredIdentity } from "../store.ts";
import { type Column, Upsert } from "./rows.ts";

const HOST: readonly Column<Host>[] = [
	{ name: "id", type: "bigint", value: ({ id }) => id },
	{ name: "cursor", type: "bigint", value: ({ cursor }) => cursor },
	{ name: "gaps", type: "bigint", value: ({ gaps }) => gaps },
	{ name: "account_count", type: "bigint", value: ({ accountCount }) => accountCount },
	{ name: "insecure", type: "boolean", value: ({ insecure }) => insecure },
	{ name: "hostname", type: "text", value: ({ hostname }) => hostname },
	{ name: "status", type: "text", value: ({ status }) => status },
	{ name: "last_gap", type: "text", value: ({ lastGap }) => lastGap },
	{ name: "connection", type: "text", value: ({ connection }) => JSON.stringify(connection) },
];

const ACCOUNT: readonly Column<Account>[] = [
	{ name: "id", type: "bigint", value: ({ id }) => id },
	{ name: "host", type: "bigint", value: ({ host }) => host },
	{ name: "host_seq", type: "bigint", value: ({ hostSeq }) => hostSeq },
	{ name: "last_time_ms", type: "bigint", value: ({ lastTimeMs }) => lastTimeMs },
	{ name: "status_lsn", type: "bigint", value: ({ statusLsn }) => statusLsn },
	{ name: "upstream_active", type: "boolean", value: ({ upstreamActive }) => upstreamActive },
	{ name: "taken_down", type: "boolean", value: isTakenDown },
	{ name: "did", type: "text", value: ({ did }) => did },
	{ name: "upstream_status", type: "text", value: ({ upstreamStatus }) => upstreamStatus },
	{ name: "local_status", type: "text", value: ({ localStatus }) => localStatus },
	{ name: "waiting_since_us", type: "bigint", value: ({ waitingSinceUs }) => waitingSinceUs },
	{ name: "rev", type: "text", value: ({ rev }) => rev },
	{ name: "commit_cid", type: "bytea", value: ({ commit }) => commit },
	{ name: "data_cid", type: "bytea", value: ({ data }) => data },
];

const IDENTITY: readonly Column<StoredIdentity>[] = [
	{ name: "did", type: "text", value: ({ did }) => did },
	{ name: "resolved_at_ms", type: "bigint", value: ({ resolvedAtMs }) => resolvedAtMs },
	{ name: "tombstoned", type: "boolean", value: ({ tombstoned }) => tombstoned },
	{ name: "signing_key", type: "text", value: ({ signingKey }) => signingKey },
	{ name: "pds", type: "text", value: ({ pds }) => pds },
];

const POLICY: readonly Column<PolicyChange>[] = [
	{ name: "kind", type: "text", value: ({ kind }) => kind },
	{ name: "key", type: "text", value: ({ key }) => key },
	{ name: "value", type: "text", value: ({ value }) => JSON.stringify(value) },
	{ name: "told", type: "boolean", value: () => true },
];

const ACTION: readonly Column<StoredAction>[] = [
	{ name: "lsn", type: "bigint", value: ({ lsn }) => lsn },
	{ name: "at_ms", type: "bigint", value: ({ atMs }) => atMs },
	{ name: "address", type: "text", value: ({ by }) => by },
	{ name: "action", type: "text", value: ({ action }) => action },
	{ name: "subject", type: "text", value: ({ subject }) => subject },
	{ name: "before", type: "text", value: ({ before }) => before },
	{ name: "after", type: "text", value: ({ after }) => after },
];

export const UPSERT_HOSTS = new Upsert("host", "id", HOST);
/** An account that is there already keeps its id. */
export const UPSERT_ACCOUNTS = new Upsert("account", "did", ACCOUNT, ["id"]);
export const UPSERT_IDENTITIES = new Upsert("identity", "did", IDENTITY);
/** Of policies that have a value. */
export const UPSERT_POLICIES = new Upsert("policy", "kind, key", POLICY);
export const UPSERT_ACTIONS = new Upsert("admin_action", "lsn", ACTION);
