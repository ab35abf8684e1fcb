// migrate/: takes over the state of another relay, into a new log and a new index. It runs while this relay does not.

import { isDeletedAtHost } from "../account/status.ts";
import { checkEmpty } from "../index/copy/copy.ts";
import { ACCOUNT_TABLE, accountRow, HOST_TABLE, hostRow } from "../index/copy/rows.ts";
import { type CopyRows, type CopySide, ROWS_PER_PAGE } from "../index/copy/side.ts";
import type { Row } from "../index/copy/tables.ts";
import type { Host } from "../index/store.ts";
import { type LogSettings, logIdOf, type StagedLog } from "../log/access.ts";
import { CURSORS_PER_RECORD_MAX } from "../log/record/control.ts";
import { controlEntry, policyEntry } from "../log/record/entry.ts";
import { type MeaningOptions, meantAccount, meantBan, meantHost } from "./indigo/meaning.ts";
import type { IndigoRow, IndigoRows, IndigoSource, IndigoTableName } from "./indigo/tables.ts";
import { LogFilling } from "./log-filling.ts";
import { type Skipped, Skips } from "./skips.ts";

/** The migration can't be done as it is asked for. Nothing was written. */
export class MigrateError extends Error {
	override readonly name = "MigrateError";
}

export interface MigrateOptions extends Omit<MeaningOptions, "nowMs"> {
	/** The last seq that indigo has used; null to take it from the database. */
	seqAfter: number | null;
	log: LogSettings;
	nowMs(): number;
	/** Called after each page of rows. */
	onStep(step: MigrateStep): void;
}

export interface MigrateStep {
	rows: number;
	rowsTotal: number;
}

/** What was taken over. */
export interface Migrated {
	hosts: number;
	bannedHosts: number;
	/** Hosts with an account limit of their own. */
	accountLimits: number;
	domainBans: number;
	accounts: number;
	/** Accounts that indigo's operator has taken down or suspended. */
	takedowns: number;
	/** Accounts that wait for room in their host's limit. */
	waiting: number;
	skipped: Skipped[];
	/** The least seq that a message of this relay gets. */
	firstSeq: number;
}

/**
 * Indigo begins a file when it has written 10,000 messages since its start. So its last seq is above the last file's first one by at most that,
 * and once more for each start in between.
 */
export const SEQS_LEFT_OUT = 1_000_000;
/** As for a log's first seq in the settings. */
const SEQ_MAX = 2 ** 52;

/**
 * Takes over what indigo's database holds. What an operator has set, hosts and cursors become records of the log; hosts and accounts become rows of
 * the index, whose checkpoint is before these records. So the first start applies them, and they come back if the index is lost.
 *
 * The log is made aside, and gets its place after the index is committed: an interruption in between leaves an index without its log, which a start refuses.
 *
 * @throws MigrateError if the seqs to go on after are not known
 * @throws CopyError if the index holds anything
 */
export async function migrateIndigo(
	source: IndigoSource,
	target: CopySide,
	log: StagedLog,
	options: MigrateOptions,
): Promise<Migrated> {
	return await source.transaction(async (rows) => {
		const seqAfter = seqToFollow(await rows.lastFileSeq(), options.seqAfter);
		const migrated = await target.transaction(async (index) => {
			await checkEmpty(index, target.place);
			const filling = new LogFilling(log.directory, { ...options.log, initialSeq: seqAfter + 1 });
			const migration = new Migration(rows, index, filling, options);
			const done = await migration.run(source.place, seqAfter + 1);
			filling.close();
			await index.setProgress({
				checkpoint: seqAfter,
				hostIdMax: migration.hostIdMax,
				logId: logIdOf(log.directory),
			});
			return done;
		});
		log.install();
		return migrated;
	});
}

/** The last seq that may be in use. @param lastFileSeq 0 or null if the database does not tell */
function seqToFollow(lastFileSeq: number | null, given: number | null): number {
	const known = lastFileSeq ?? 0;
	if (given === null && known === 0)
		throw new MigrateError(
			"the database does not say which seqs indigo has used, since it has begun no second file: give the last one with --seq-after",
		);
	const seqAfter = given ?? known + SEQS_LEFT_OUT;
	if (seqAfter < known)
		throw new MigrateError(`--seq-after ${seqAfter} is too low: indigo's last file begins with seq ${known}`);
	if (seqAfter >= SEQ_MAX) throw new MigrateError(`the seq ${seqAfter} is too high: seqs end at 2^53`);
	return seqAfter;
}

class Migration {
	readonly #source: IndigoRows;
	readonly #index: CopyRows;
	readonly #log: LogFilling;
	readonly #options: MigrateOptions;
	readonly #meaning: MeaningOptions;
	readonly #skips = new Skips();
	/** By id. There are as many in the memory of a relay that runs. */
	readonly #hosts = new Map<number, Host>();
	readonly #counts = { bannedHosts: 0, accountLimits: 0, domainBans: 0, accounts: 0, takedowns: 0, waiting: 0 };
	readonly #names = new Set<string>();
	readonly #domains = new Set<string>();

	constructor(source: IndigoRows, index: CopyRows, log: LogFilling, options: MigrateOptions) {
		this.#source = source;
		this.#index = index;
		this.#log = log;
		this.#options = options;
		this.#meaning = { ...options, nowMs: options.nowMs() };
	}

	get hostIdMax(): number {
		return [...this.#hosts.keys()].reduce((max, id) => Math.max(max, id), 0);
	}

	/** @param place of the source, for the audit log */
	async run(place: string, firstSeq: number): Promise<Migrated> {
		await this.#eachPage("hosts", async (page) => page.forEach((row) => void this.#host(row)));
		this.#tellHosts();
		await this.#eachPage("domainBans", async (page) => page.forEach((row) => void this.#domainBan(row)));
		await this.#accounts();
		await this.#insertHosts();
		const migrated = { hosts: this.#hosts.size, ...this.#counts, skipped: this.#skips.list(), firstSeq };
		const { skipped: _, ...counts } = migrated;
		this.#log.append(
			controlEntry("adminAction", {
				...{ atMs: this.#meaning.nowMs, by: "the command line", action: "migrateIndigo", subject: place },
				...{ before: "", after: JSON.stringify(counts) },
			}),
		);
		return migrated;
	}

	#host(row: IndigoRow<"hosts">): void {
		const meant = meantHost(row, this.#meaning, this.#skips);
		if (meant === null) return;
		const { host, policy } = meant;
		const { hostname } = host;
		if (this.#names.has(hostname)) {
			this.#skips.note("host-twice", row.hostname);
			return;
		}
		this.#names.add(hostname);
		this.#hosts.set(host.id, host);
		const { cursor: _, accountCount: __, ...facts } = host;
		this.#log.append(controlEntry("host", facts));
		if (policy === null) return;
		this.#log.append(policyEntry("hostPolicy", hostname, policy));
		if (policy.isBanned) this.#counts.bannedHosts++;
		if (policy.accountLimit !== null) this.#counts.accountLimits++;
	}

	/** Cursors come after the hosts that they are of. */
	#tellHosts(): void {
		const cursors = Array.from(this.#hosts.values(), ({ id, cursor }) => ({ host: id, seq: cursor }));
		for (let at = 0; at < cursors.length; at += CURSORS_PER_RECORD_MAX)
			this.#log.append(controlEntry("cursors", { cursors: cursors.slice(at, at + CURSORS_PER_RECORD_MAX) }));
	}

	#domainBan(row: IndigoRow<"domainBans">): void {
		const meant = meantBan(row, this.#meaning, this.#skips);
		if (meant === null || this.#domains.has(meant.domain)) return;
		this.#domains.add(meant.domain);
		this.#log.append(policyEntry("domainBan", meant.domain, meant.ban));
		this.#counts.domainBans++;
	}

	async #accounts(): Promise<void> {
		const rowsTotal = await this.#source.count("accounts");
		let rows = 0;
		await this.#eachPage("accounts", async (page) => {
			const accounts = page.flatMap((row) => this.#account(row) ?? []);
			await this.#index.insert(ACCOUNT_TABLE, accounts);
			rows += page.length;
			this.#options.onStep({ rows, rowsTotal });
		});
	}

	#account(row: IndigoRow<"accounts">): [Row] | null {
		const meant = meantAccount(row, this.#meaning, {
			hosts: this.#hosts,
			// No two accounts wait since the same time, and those that came first are admitted first.
			waitingSinceUs: this.#meaning.nowMs * 1000 + this.#counts.waiting,
			skips: this.#skips,
		});
		if (meant === null) return null;
		const { did, localStatus, account } = meant;
		if (localStatus !== null) {
			this.#log.append(policyEntry("localStatus", did, localStatus));
			this.#counts.takedowns++;
		}
		if (account === null) return null;
		const host = this.#hosts.get(account.host);
		if (host !== undefined && !isDeletedAtHost(account)) host.accountCount++;
		if (account.waitingSinceUs !== null) this.#counts.waiting++;
		this.#counts.accounts++;
		return [accountRow(account)];
	}

	async #insertHosts(): Promise<void> {
		const rows = Array.from(this.#hosts.values(), hostRow);
		for (let at = 0; at < rows.length; at += ROWS_PER_PAGE)
			await this.#index.insert(HOST_TABLE, rows.slice(at, at + ROWS_PER_PAGE));
	}

	async #eachPage<Name extends IndigoTableName>(
		table: Name,
		visit: (page: IndigoRow<Name>[]) => Promise<void>,
	): Promise<void> {
		let page = await this.#source.page(table, 0);
		for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
			await visit(page);
			page = await this.#source.page(table, last.key);
		}
	}
}
