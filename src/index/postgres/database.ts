import { parsePostgresUrl } from "../../config/postgres-url.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";
import { clientsOf, type MakeClient, type SessionOptions, type Sql, type TransactionSql } from "./client.ts";
import { postgresFault } from "./fault.ts";
import { postgresPlace } from "./place.ts";

/** A server that is frozen, or a network that swallows everything, makes no error by itself. */
const DEADLINE_MS = 10_000;
/** Time that statements under way get when the database is closed. */
const CLOSE_TIMEOUT_S = 1;

/** The connections of one thread to a database. They are made when they are needed, and again after they are lost. */
export class Database {
	/** Its name in messages. */
	readonly place: string;
	readonly #makeClient: MakeClient;
	readonly #clients: Sql[];
	#next = 0;
	#isClosed = false;
	#connectionsLost = 0;
	#hasAnswered = false;

	/** @throws StoreBroken if a file that the URL names can't be read */
	constructor(url: string, options: SessionOptions, connectionsMax = 1) {
		this.place = postgresPlace(url);
		this.#makeClient = clientsOf(parsePostgresUrl(url), options);
		this.#clients = Array.from({ length: connectionsMax }, () => this.#client());
	}

	/** Rises whenever a connection is lost. What belonged to its session, such as a lock, is gone then. */
	get connectionsLost(): number {
		return this.#connectionsLost;
	}

	/**
	 * Runs statements on one connection. If they take longer than the deadline, the connection is given up: what they did is not known
	 * then.
	 *
	 * @throws StoreUnavailable if the same may succeed later
	 * @throws StoreBroken if not
	 */
	async run<Result>(work: (sql: Sql) => Promise<Result>, deadlineMs = DEADLINE_MS): Promise<Result> {
		if (this.#isClosed) throw new StoreBroken(`${this.place} is closed`);
		this.#next = (this.#next + 1) % this.#clients.length;
		const sql = this.#clients[this.#next] ?? this.#client();
		const late = Promise.withResolvers<never>();
		const timer = setTimeout(() => {
			this.#lose(sql);
			const message = `${this.place} has not answered for ${deadlineMs / 1000} s`;
			late.reject(new StoreUnavailable("database-unreachable", message));
		}, deadlineMs);
		try {
			const result = await Promise.race([work(sql), late.promise]);
			this.#hasAnswered = true;
			return result;
		} catch (error) {
			throw postgresFault(error, this.place, this.#hasAnswered);
		} finally {
			clearTimeout(timer);
		}
	}

	/** Runs statements in a transaction. `work` may not wait for anything else. Errors are those of `run`. */
	transaction<Result>(work: (sql: TransactionSql) => Promise<Result>, deadlineMs = DEADLINE_MS): Promise<Result> {
		return this.run(async (sql) => {
			const result = await sql.begin(async (transaction) => {
				try {
					return { value: await work(transaction) };
				} catch (error) {
					// The driver would send a rollback over the connection that it has lost, and throw from a timer. It knows of the loss.
					if (!this.#clients.includes(sql)) await new Promise<never>(() => {});
					throw error;
				}
			});
			return result.value;
		}, deadlineMs);
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await Promise.all(this.#clients.map((sql) => sql.end({ timeout: CLOSE_TIMEOUT_S })));
	}

	#client(): Sql {
		const sql = this.#makeClient(() => this.#lose(sql));
		return sql;
	}

	/** Ends a connection that does not answer or is gone already, and lets the next statements have a new one. */
	#lose(sql: Sql): void {
		const at = this.#clients.indexOf(sql);
		if (at === -1 || this.#isClosed) return;
		this.#connectionsLost++;
		this.#clients[at] = this.#client();
		void sql.end({ timeout: 0 });
	}
}

/** Does what makes the database ready for use. Closes its connections if that fails. */
export async function opened<Opened>(database: Database, setUp: () => Promise<Opened>): Promise<Opened> {
	try {
		return await setUp();
	} catch (error) {
		await database.close();
		throw error;
	}
}
