import { logOf } from "../../observe/log.ts";
import { StoreBroken } from "../store-fault.ts";
import type { Sql } from "./client.ts";
import type { Database } from "./database.ts";

/** How often a writer tries the lock while another has it, and the time between two tries. */
const WRITER_TRIES = 30;
const RETRY_MS = 1_000;

const log = logOf("index");

/** Another session keeps the lock. */
export class LockedError extends StoreBroken {
	override readonly name = "LockedError";
	/** The name of that session; null if the server does not show it. */
	readonly holder: string | null;

	constructor(message: string, holder: string | null) {
		super(message);
		this.holder = holder;
	}
}

/** A session that holds the lock. Null for what the server does not show to this relay's role. */
interface Holder {
	pid: number;
	name: string | null;
	address: string | null;
}

/**
 * The lock that the writer of an index holds. It belongs to the connection, so it has to be taken again after each loss of it. It makes
 * a second writer visible early. What keeps that writer from writing is that each write names the checkpoint and the last writer.
 */
export class WriterLock {
	readonly #database: Database;
	readonly #name: string;
	readonly #sleep: (ms: number) => Promise<void>;
	readonly #triesMax: number;
	/** `connectionsLost` when the lock was taken last; null before that. */
	#takenAt: number | null = null;

	/**
	 * @param name of the writer's sessions, which no other writer has
	 * @param sleep waits while another has the lock
	 * @param triesMax how often the lock is tried
	 */
	constructor(database: Database, name: string, sleep: (ms: number) => Promise<void>, triesMax = WRITER_TRIES) {
		this.#database = database;
		this.#name = name;
		this.#sleep = sleep;
		this.#triesMax = triesMax;
	}

	/**
	 * Takes the lock, unless this connection has it.
	 * @throws LockedError if another session keeps it for as many tries, a second apart
	 * @throws StoreBroken if the connection is not a session of its own
	 */
	async hold(): Promise<void> {
		for (let tries = 1; this.#takenAt !== this.#database.connectionsLost; tries++) {
			const takenAt = this.#database.connectionsLost;
			const holder = await this.#database.run((sql) => this.#take(sql));
			if (holder === null) this.#takenAt = takenAt;
			else await this.#wait(holder, tries);
		}
	}

	async #take(sql: Sql): Promise<Holder | null> {
		const [taken] = await sql<{ isTaken: boolean; pid: number }[]>`
			SELECT pg_try_advisory_lock(hashtext('standpipe'), hashtext(current_schema())) AS "isTaken", pg_backend_pid() AS pid`;
		const [again] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
		if (taken?.pid !== again?.pid) throw sharedSession(this.#database);
		if (taken?.isTaken === true) return null;
		const [holder] = await sql<Holder[]>`
			SELECT pid, application_name AS name, host(client_addr) AS address
			FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
			WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND classid = (hashtext('standpipe')::bigint & 4294967295)::oid
				AND objid = (hashtext(current_schema())::bigint & 4294967295)::oid AND objsubid = 2`;
		// The server has not noticed yet that this writer's former connection is lost.
		if (holder?.name === this.#name) await sql`SELECT pg_terminate_backend(${holder.pid})`;
		return holder ?? { pid: 0, name: null, address: null };
	}

	async #wait({ pid, name, address }: Holder, tries: number): Promise<void> {
		const { place } = this.#database;
		const holder = `session ${pid} (${name ?? "unknown"}) from ${address ?? "its own machine"}`;
		if (tries >= this.#triesMax) throw new LockedError(`${place} is written by another: ${holder}`, name);
		if (tries === 1)
			log.warning("{place} is written by another: {holder}; it is tried again for 30 s", { place, holder });
		await this.#sleep(RETRY_MS);
	}
}

/** What a connection through a pooler means that gives each transaction another session. */
export function sharedSession({ place }: Database): StoreBroken {
	return new StoreBroken(
		`${place} gives each transaction another session, as PgBouncer does in transaction mode: connect to PostgreSQL itself`,
	);
}
