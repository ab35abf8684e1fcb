import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import postgres from "postgres";
import type { PostgresUrl } from "../../config/postgres-url.ts";
import { StoreBroken } from "../store-fault.ts";

/** Runs statements. Every `bigint` of a row is a number. */
export type Sql = postgres.Sql<{ bigint: number }>;
/** Runs statements of one transaction. */
export type TransactionSql = postgres.TransactionSql<{ bigint: number }>;

/** Time in which a connection must be ready. */
const CONNECT_TIMEOUT_MS = 5_000;
/** An end that does not answer is noticed after some 30 s, by this side and by the server, which then frees the session's lock. */
const KEEP_ALIVE_S = 10;

/** Settings of every session. The server ends what takes longer, so that nothing waits for this relay for ever. */
const SESSION = {
	statement_timeout: 5_000,
	lock_timeout: 2_000,
	idle_in_transaction_session_timeout: 10_000,
	tcp_keepalives_idle: KEEP_ALIVE_S,
	tcp_keepalives_interval: 5,
	tcp_keepalives_count: 4,
	// A role or a database may have other defaults. The driver reads no other form of bytes, and the arrays of the statements have nulls.
	bytea_output: "hex",
	array_nulls: "on",
} as const;

export interface SessionOptions {
	/** Shown by the server to its administrators. */
	name: string;
	/** Settings of the session, besides those that all have. */
	settings: Readonly<Record<string, string>>;
}

/** Makes a client of one connection, which is made with the first statement. `onLost` is called when it is lost or can't be made. */
export type MakeClient = (onLost: () => void) => Sql;

/**
 * Prepares to make clients. A client never connects a second time: after a loss the driver may keep what it had not sent yet, and then
 * send nothing more, for ever.
 *
 * @throws StoreBroken if a file that the URL names can't be read
 */
export function clientsOf(url: PostgresUrl, { name, settings }: SessionOptions): MakeClient {
	// Each option of the driver that the environment could set is given here.
	const options = {
		host: url.host,
		port: url.port,
		database: url.database,
		...(url.user === null ? {} : { user: url.user }),
		...(url.password === null ? {} : { password: url.password }),
		ssl: url.host.startsWith("/") ? false : tlsOf(url),
		max: 1,
		connect_timeout: CONNECT_TIMEOUT_MS / 1000,
		backoff: () => 0,
		keep_alive: KEEP_ALIVE_S,
		max_lifetime: null,
		idle_timeout: 0,
		prepare: true,
		debug: false,
		fetch_types: false,
		onnotice: () => {},
		types: { bigint: BIGINT, bytes: BYTES },
		connection: {
			...SESSION,
			...settings,
			application_name: name,
			...(url.sessionOptions === null ? {} : { options: url.sessionOptions }),
		},
	};
	return (onLost) => postgres({ ...options, ...{ socket: oneSocket(url, onLost) }, onclose: onLost });
}

/** The driver gives and takes these as text. */
const BIGINT = { to: 20, from: [20], serialize: String, parse: safeInteger };
const BYTES = {
	to: 17,
	from: [17],
	serialize: (bytes: Uint8Array) => `\\x${bytes.toHex()}`,
	// The driver's own way gives a `Buffer`, which may keep a larger piece of memory alive.
	parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
};

function safeInteger(text: string): number {
	const value = Number(text);
	if (!Number.isSafeInteger(value))
		throw new StoreBroken(`the database holds ${text}, beyond the numbers that are exact`);
	return value;
}

/** Makes the socket of a client. When the driver asks for another one, the first was closed before the session was ready. */
function oneSocket(url: PostgresUrl, onLost: () => void): () => Promise<Socket> {
	let isMade = false;
	return async () => {
		try {
			if (isMade) throw failure("CONNECTION_CLOSED", "the connection was closed before it was ready");
			isMade = true;
			return await connected(url);
		} catch (error) {
			onLost();
			throw error;
		}
	};
}

async function connected({ host, port }: PostgresUrl): Promise<Socket> {
	// The driver reads these: the name that the server's certificate must have, and what its own errors show.
	const socket = Object.assign(new Socket(), { host, port });
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const timer = setTimeout(() => reject(failure("CONNECT_TIMEOUT", "no connection within 5 s")), CONNECT_TIMEOUT_MS);
	socket.once("error", reject);
	try {
		if (host.startsWith("/")) socket.connect({ path: `${host}/.s.PGSQL.${port}` }, resolve);
		else socket.connect({ host, port }, resolve);
		await promise;
		socket.off("error", reject);
		return socket;
	} catch (error) {
		socket.on("error", () => {});
		socket.destroy();
		throw error;
	} finally {
		clearTimeout(timer);
	}
}

function failure(code: string, message: string): Error {
	return Object.assign(new Error(message), { code });
}

function tlsOf(url: PostgresUrl) {
	const { tlsMode, rootCertificatePath, certificatePath, keyPath } = url;
	if (tlsMode === "disable") return false;
	// Only this form goes on without TLS if the server has none.
	if (tlsMode === "prefer" && certificatePath === null) return "prefer" as const;
	return {
		rejectUnauthorized: tlsMode === "verify-ca" || tlsMode === "verify-full",
		...(tlsMode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
		...contentOf("ca", "sslrootcert", rootCertificatePath),
		...contentOf("cert", "sslcert", certificatePath),
		...contentOf("key", "sslkey", keyPath),
	};
}

function contentOf(option: string, parameter: string, path: string | null): Record<string, string> {
	if (path === null) return {};
	try {
		return { [option]: readFileSync(path, "utf8") };
	} catch (error) {
		throw new StoreBroken(`${parameter}: ${error instanceof Error ? error.message : path}`);
	}
}
