import { isTakenDown } from "../../account/status.ts";
import type { Account, Host } from "../store.ts";
import { COPIED_TABLES, type CopiedTable, type Row, type Value } from "./tables.ts";

export const HOST_TABLE = tableNamed("host");
export const ACCOUNT_TABLE = tableNamed("account");

/** A host as a row of `HOST_TABLE`. */
export function hostRow({
	id,
	hostname,
	insecure,
	status,
	cursor,
	gaps,
	lastGap,
	accountCount,
	connection,
}: Host): Row {
	return rowOf(HOST_TABLE, {
		...{ id, hostname, insecure, status, cursor, gaps },
		last_gap: lastGap,
		account_count: accountCount,
		connection: JSON.stringify(connection),
	});
}

/** An account as a row of `ACCOUNT_TABLE`. */
export function accountRow(account: Account): Row {
	const { id, did, host, rev } = account;
	return rowOf(ACCOUNT_TABLE, {
		...{ id, did, host, rev },
		host_seq: account.hostSeq,
		last_time_ms: account.lastTimeMs,
		upstream_active: account.upstreamActive,
		upstream_status: account.upstreamStatus,
		local_status: account.localStatus,
		waiting_since_us: account.waitingSinceUs,
		status_lsn: account.statusLsn,
		taken_down: isTakenDown(account),
		commit_cid: account.commit,
		data_cid: account.data,
	});
}

function rowOf({ name, columns }: CopiedTable, values: Readonly<Record<string, Value>>): Row {
	return Object.keys(columns).map((column) => {
		const value = values[column];
		if (value === undefined) throw new RangeError(`a row of ${name} has no ${column}`);
		return value;
	});
}

function tableNamed(name: string): CopiedTable {
	const table = COPIED_TABLES.find((table) => table.name === name);
	if (table === undefined) throw new RangeError(`there is no table ${name}`);
	return table;
}
