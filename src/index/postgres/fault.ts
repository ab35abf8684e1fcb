import { Damage } from "../../runtime/boundary.ts";
import { StoreBroken, type StoreFaultReason, StoreUnavailable } from "../store-fault.ts";

/**
 * Failures that can pass without a change of the settings or the program, by SQLSTATE. Any other means that the database is not what it
 * must be, that the server refuses this relay, or that a statement is wrong: this is final.
 */
const REASONS: Readonly<Record<string, StoreFaultReason>> = {
	"25006": "database-read-only",
	"25P03": "database-slow",
	// The server's own limit of a transaction's time, since PostgreSQL 17.
	"25P04": "database-slow",
	"53300": "database-unreachable",
	"55P03": "database-slow",
	"57014": "database-slow",
	"57P01": "database-unreachable",
	"57P02": "database-unreachable",
	"57P03": "database-unreachable",
	"57P05": "database-unreachable",
};

/** The same, by the first two characters of the SQLSTATE. */
const CLASS_REASONS: Readonly<Record<string, StoreFaultReason>> = {
	// The connection is lost.
	"08": "database-unreachable",
	// Deadlocks, and transactions that can't be put in an order.
	"40": "database-slow",
	// Disk and memory.
	"53": "database-full",
	// The server's own system fails, such as its disk.
	"58": "database-unreachable",
};

/**
 * The server does not let the relay in: a wrong password, or no database of that name. This is final at the start. If it has let the
 * relay in before, an administrator is changing something, and consumers need not suffer from that.
 */
const REFUSAL = /^(28...|3D000)$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Codes that the driver makes, and those of the system for a connection or a name. */
const CONNECTION_CODE =
	/^(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|EHOST\w+|ENET\w+|EADDRNOTAVAIL|EAI_AGAIN|ENOTFOUND|ENOENT)$/;
/** This process, or the system, has too many files open. */
const TOO_MANY_FILES = /^E[MN]FILE$/;
/** What a pooler says that knows a session's settings as little as PostgreSQL's protocol allows. Waiting does not help. */
const UNSUPPORTED = /unsupported startup parameter/;

/**
 * The error for callers of the store. It has no cause, since the driver's errors contain statements and their values. Errors of the
 * store itself, and those that are no error of the driver or the server, are returned as they are.
 *
 * @param place names the database in the message, without secrets
 * @param hasAnswered whether the server has let this relay in before
 */
export function postgresFault(error: unknown, place: string, hasAnswered: boolean): unknown {
	if (error instanceof Damage || error instanceof StoreUnavailable) return error;
	const code = codeOf(error);
	if (code === null || !(error instanceof Error)) return error;
	const message = `${place}: ${error.message}`;
	const isBarred = hasAnswered && REFUSAL.test(code);
	const reason = isBarred ? "database-unreachable" : reasonOf(code, error.message);
	return reason === null ? new StoreBroken(message) : new StoreUnavailable(reason, message, code);
}

function reasonOf(code: string, message: string): StoreFaultReason | null {
	if (TOO_MANY_FILES.test(code)) return "too-many-files";
	if (CONNECTION_CODE.test(code)) return "database-unreachable";
	if (!SQLSTATE.test(code) || UNSUPPORTED.test(message)) return null;
	return REASONS[code] ?? CLASS_REASONS[code.slice(0, 2)] ?? null;
}

function codeOf(error: unknown): string | null {
	return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
