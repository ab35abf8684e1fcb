import type { AccountState } from "../../account/state.ts";
import { isAscii } from "../../runtime/ascii.ts";
import type { Packing } from "../../runtime/packed-map.ts";

/** What a shard knows of an account: the index's row, and the changes that the index has not applied yet. */
export interface CachedAccount extends AccountState {
	/** Ring position of its last change. 0 if the state was read from the index. */
	readonly position: number;
}

/** A TID has 13 characters, and a CID of the blessed form 36 bytes. */
const REV_CHARS = 13;
const CID_BYTES = 36;
/** Value of the first byte: bits. */
const Flag = { upstreamActive: 1, rev: 2, commit: 4, data: 8 } as const;
/** Layout: flags u8, rev, unused (2 bytes), f64 hostSeq, lastTimeMs, statusLsn and position, host u32, commit, data. */
const REV_AT = 1;
const HOST_SEQ_AT = 16;
const LAST_TIME_AT = 24;
const STATUS_LSN_AT = 32;
const POSITION_AT = 40;
const HOST_AT = 48;
const COMMIT_AT = 52;
const DATA_AT = COMMIT_AT + CID_BYTES;

const HOST_MAX = 2 ** 32 - 1;

/** Accounts of the usual kind as bytes: those without a status in words, which wait for nothing. */
export const CACHED_ACCOUNT_PACKING: Packing<CachedAccount> = {
	recordBytes: DATA_AT + CID_BYTES,
	fits: (_did, { host, upstreamStatus, localStatus, waitingSinceUs, rev, commit, data }) =>
		Number.isInteger(host) &&
		host >= 0 &&
		host <= HOST_MAX &&
		upstreamStatus === null &&
		localStatus === null &&
		waitingSinceUs === null &&
		(rev === null || (rev.length === REV_CHARS && isAscii(rev))) &&
		(commit === null || commit.length === CID_BYTES) &&
		(data === null || data.length === CID_BYTES),
	write,
	read,
	drop: () => undefined,
};

function write(account: CachedAccount, record: Buffer, at: number): void {
	const { host, hostSeq, lastTimeMs, upstreamActive, statusLsn, rev, commit, data, position } = account;
	record[at] =
		(upstreamActive ? Flag.upstreamActive : 0) |
		(rev === null ? 0 : Flag.rev) |
		(commit === null ? 0 : Flag.commit) |
		(data === null ? 0 : Flag.data);
	// Faster than `record.write` for so few characters.
	if (rev !== null) for (let char = 0; char < REV_CHARS; char++) record[at + REV_AT + char] = rev.charCodeAt(char);
	record.writeDoubleLE(hostSeq, at + HOST_SEQ_AT);
	record.writeDoubleLE(lastTimeMs, at + LAST_TIME_AT);
	record.writeDoubleLE(statusLsn, at + STATUS_LSN_AT);
	record.writeDoubleLE(position, at + POSITION_AT);
	record.writeUInt32LE(host, at + HOST_AT);
	if (commit !== null) record.set(commit, at + COMMIT_AT);
	if (data !== null) record.set(data, at + DATA_AT);
}

function read(_did: string, record: Buffer, at: number): CachedAccount {
	const flags = record[at] ?? 0;
	return {
		host: record.readUInt32LE(at + HOST_AT),
		hostSeq: record.readDoubleLE(at + HOST_SEQ_AT),
		lastTimeMs: record.readDoubleLE(at + LAST_TIME_AT),
		upstreamActive: (flags & Flag.upstreamActive) !== 0,
		upstreamStatus: null,
		localStatus: null,
		waitingSinceUs: null,
		statusLsn: record.readDoubleLE(at + STATUS_LSN_AT),
		rev: (flags & Flag.rev) === 0 ? null : record.toString("latin1", at + REV_AT, at + REV_AT + REV_CHARS),
		commit: (flags & Flag.commit) === 0 ? null : copyOf(record, at + COMMIT_AT),
		data: (flags & Flag.data) === 0 ? null : copyOf(record, at + DATA_AT),
		position: record.readDoubleLE(at + POSITION_AT),
	};
}

/** Copied, since another account may get the place while the state is in use. */
function copyOf(record: Buffer, at: number): Uint8Array {
	return new Uint8Array(record.subarray(at, at + CID_BYTES));
}
